//! What can be done with a cart, a verb each.
//!
//! Names, prices and stock are the catalogue's and are asked for outside the transaction: of what is added before it,
//! of the other lines after it, where there are any. What is remembered under an idempotency key is the cart after the
//! call; a repeat shows it with the prices of now. Adds and the ends of orders, of which there are most, are done for
//! many carts at once.

mod acknowledge;
mod keeping;
mod merge;
mod owners;

use api::Ref;
use api::cart::Clear;
use api::catalog::{Card, Pick};
use base::{Quantity, Time, UserId, VariantId};
use store::{Answered, Once, Tx};
use wire::{Cx, Problem};

use crate::App;
use crate::domain::{Asked, Cards, Cart, Carts, Named, Owner, Refusal};
use crate::error::{Choice, Error};
use crate::store as rows;

pub use acknowledge::acknowledge;
pub use keeping::{contents, sweep};
pub use merge::merge;
pub use owners::{Acting, Aim, acting, is_owners};

/// A cart as its owner sees it, and its version.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What is shown.
    pub cart: api::cart::Cart,
    /// The version of what is in it.
    pub version: i64,
}

impl Shown {
    /// The cart by these cards.
    fn of(app: &App, cart: &Cart, cards: &Cards) -> Result<Self, Error> {
        Ok(Self {
            version: cart.version,
            cart: cart.shown(cards, app.currency)?,
        })
    }
}

/// The cart of now.
///
/// # Errors
/// The catalogue cannot be asked.
pub async fn show(app: &App, cx: &Cx, acting: &Acting) -> Result<Shown, Error> {
    let owner = acting.owner;
    let cart = app
        .db
        .read(move |tx| rows::of_user(tx, owner.id))
        .await
        .map_err(Error::Store)?;
    let cart = cart.unwrap_or_else(|| blank(app, owner));
    if acting.clerk.is_none() {
        keeping::visit(app, &cart).await;
    }
    present(app, cx, cart, Cards::new()).await
}

/// Adds pieces of what was picked.
///
/// # Errors
/// No such thing, too few of it, a full line or cart.
pub async fn add(
    app: &App,
    cx: &Cx,
    acting: Acting,
    add: api::cart::Add,
    once: Option<Once>,
) -> Result<Answered<Shown>, Error> {
    let (pick, pieces) = picked(&add)?;
    if let Some(once) = once.clone() {
        let kept = app.db.read(move |tx| store::recall(tx, &once));
        if let Some(cart) = kept.await.map_err(Error::Store)? {
            return replay(app, cx, cart).await;
        }
    }
    let card = resolve(app, cx, pick).await?;
    fits(&add, &card)?;
    let cards = Cards::from([(card.variant, card.clone())]);
    let now = app.clock.now();
    let add = Asked::Add {
        owner: acting.owner,
        card,
        pieces,
        cart: app.ids.next(now),
        line: app.ids.next(now),
    };
    let done = if once.is_some() || acting.clerk.is_some() {
        let act = move |tx: &mut Tx<'_>| at_once(tx, &acting, &add);
        app.db.write_once(once, act).await?
    } else {
        Answered {
            value: app.changes.call(add).await?,
            replayed: false,
        }
    };
    let Answered { value, replayed } = done;
    let value = value.ok_or(Error::NoSuchCart)?;
    answer(app, cx, Answered { value, replayed }, cards).await
}

/// Does what is asked of carts, in its order: one read and at most two writes, whatever the number.
///
/// # Errors
/// On the outside only the database's.
pub fn batch(tx: &mut Tx<'_>, asked: &[Asked]) -> Result<Vec<Result<Option<Cart>, Error>>, store::Error> {
    let (mut users, mut ids) = (Vec::new(), Vec::new());
    for asked in asked {
        match asked {
            Asked::Add { owner, .. } => users.push(owner.id),
            Asked::Ordered(clear) => ids.push(clear.cart),
        }
    }
    let mut carts = Carts::new(rows::named(tx, &users, &ids)?);
    let now = tx.clock().now();
    let decide = |asked| {
        carts
            .decide(asked, now)
            .map(Option::<&Cart>::cloned)
            .map_err(Error::from)
    };
    let answers = asked.iter().map(decide).collect();
    rows::save(tx, carts.changed(), now)?;
    Ok(answers)
}

/// [`batch`] of one, recorded when it is a clerk's.
fn at_once(tx: &mut Tx<'_>, acting: &Acting, asked: &Asked) -> Result<Option<Cart>, Error> {
    let before = match acting.clerk {
        Some(_) => rows::of_user(tx, acting.owner.id)?.map(|cart| cart.lines),
        None => None,
    };
    let cart = batch(tx, std::slice::from_ref(asked))?.pop().unwrap_or(Ok(None))?;
    if let Some(cart) = &cart {
        acting.record(tx, &before.unwrap_or_default(), cart)?;
    }
    Ok(cart)
}

/// What is to become of a line.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// So many pieces; 0 takes the line out.
    Set(Quantity),
    /// Out with it.
    Remove,
}

/// Changes the line that `item` names: its id, or a product or variant. `permits` is asked for the version that is
/// to be changed.
///
/// # Errors
/// No such line, several of them, too few pieces; what `permits` refuses.
pub async fn change_line(
    app: &App,
    cx: &Cx,
    acting: Acting,
    item: Ref,
    wanted: Change,
    once: Option<Once>,
    permits: impl Fn(i64) -> Result<(), Problem> + Send + 'static,
) -> Result<Answered<Shown>, Error> {
    let owner = acting.owner;
    let cart = match look(app, owner.id, once.clone()).await? {
        Look::Kept(cart) => return replay(app, cx, cart).await,
        Look::Now(cart) => cart.ok_or(Refusal::NoSuchLine)?,
    };
    let cards = cards_of(app, cx, cart.variants().collect()).await?;
    let variant = only_one(&cart, &named(item)?, &cards)?;
    let card = cards.get(&variant).cloned();
    let done = app.db.write_once(once, move |tx| {
        let mut cart = rows::of_user(tx, owner.id)?.ok_or(Refusal::NoSuchLine)?;
        permits(cart.version)?;
        let before = cart.lines.clone();
        match (wanted, &card) {
            (Change::Set(pieces), Some(card)) if !pieces.is_zero() => cart.set(card, pieces)?,
            // What the catalogue no longer knows can only go.
            (Change::Set(pieces), None) if !pieces.is_zero() => Err(Refusal::NoSuchLine)?,
            _ => cart.remove(variant)?,
        }
        if cart.lines != before {
            let now = tx.clock().now();
            save(tx, &mut cart, now)?;
            acting.record(tx, &before, &cart)?;
        }
        Ok::<_, Error>(cart)
    });
    answer(app, cx, done.await?, cards).await
}

/// Takes everything out.
///
/// # Errors
/// Only the database's.
pub async fn empty(app: &App, cx: &Cx, acting: Acting, once: Option<Once>) -> Result<Answered<Shown>, Error> {
    let owner = acting.owner;
    let done = app.db.write_once(once, move |tx| {
        let now = tx.clock().now();
        let Some(mut cart) = rows::of_user(tx, owner.id)? else {
            return Ok(Cart::new(tx.ids().next(now), owner));
        };
        if !cart.lines.is_empty() {
            let before = cart.lines.clone();
            cart.empty();
            save(tx, &mut cart, now)?;
            acting.record(tx, &before, &cart)?;
        }
        Ok::<_, Error>(cart)
    });
    answer(app, cx, done.await?, Cards::new()).await
}

/// A generation of a cart became an order: what was ordered goes out, the next generation starts. Harmless to
/// repeat; an unknown cart has nothing to take out.
///
/// # Errors
/// Only the database's.
pub async fn clear(app: &App, clear: Clear) -> Result<(), Error> {
    app.changes.call(Asked::Ordered(clear)).await.map(drop)
}

/// Saves a cart that changed since it was read, and gives it its next version.
fn save(tx: &mut Tx<'_>, cart: &mut Cart, now: Time) -> Result<(), store::Error> {
    let was = cart.version;
    cart.version += 1;
    rows::save(tx, std::iter::once((was, &*cart)), now)
}

/// What was there before a call was carried out.
enum Look {
    /// The call was carried out before: the cart after it.
    Kept(Cart),
    /// The cart, if there is one.
    Now(Option<Cart>),
}

async fn look(app: &App, user: UserId, once: Option<Once>) -> Result<Look, Error> {
    let look = app.db.read(move |tx| {
        if let Some(once) = &once
            && let Some(cart) = store::recall(tx, once)?
        {
            return Ok(Look::Kept(cart));
        }
        rows::of_user(tx, user).map(Look::Now)
    });
    look.await.map_err(Error::Store)
}

async fn replay(app: &App, cx: &Cx, cart: Cart) -> Result<Answered<Shown>, Error> {
    answer(
        app,
        cx,
        Answered {
            value: cart,
            replayed: true,
        },
        Cards::new(),
    )
    .await
}

async fn answer(app: &App, cx: &Cx, done: Answered<Cart>, cards: Cards) -> Result<Answered<Shown>, Error> {
    let Answered { value, replayed } = done;
    Ok(Answered {
        value: present(app, cx, value, cards).await?,
        replayed,
    })
}

/// The cart with the cards at hand; those that are missing are asked for.
async fn present(app: &App, cx: &Cx, cart: Cart, mut cards: Cards) -> Result<Shown, Error> {
    let missing: Vec<VariantId> = cart.variants().filter(|variant| !cards.contains_key(variant)).collect();
    cards.extend(cards_of(app, cx, missing).await?);
    Shown::of(app, &cart, &cards)
}

fn blank(app: &App, owner: Owner) -> Cart {
    Cart::new(app.ids.next(app.clock.now()), owner)
}

async fn cards_of(app: &App, cx: &Cx, variants: Vec<VariantId>) -> Result<Cards, Error> {
    if variants.is_empty() {
        return Ok(Cards::new());
    }
    let cards = app.catalog.cards(cx, &variants).await?;
    Ok(cards.into_iter().map(|card| (card.variant, card)).collect())
}

/// The card of what was picked.
async fn resolve(app: &App, cx: &Cx, pick: Pick) -> Result<Card, Error> {
    let found = app.catalog.resolve(cx, &[pick]).await?.pop();
    match found.map(|picked| (picked.card, picked.problem)) {
        Some((Some(card), _)) if card.for_sale => Ok(card),
        Some((None, Some(problem))) => Err(Error::Problem(problem)),
        _ => Err(Error::Problem(Problem::not_found("There is no such product for sale."))),
    }
}

/// What is to be added. A variant says more than a SKU, and a SKU more than a product; [`fits`] compares the rest.
fn picked(add: &api::cart::Add) -> Result<(Pick, Quantity), Error> {
    let pieces = add.quantity.unwrap_or(Quantity::ONE);
    if pieces.is_zero() {
        return Err(Error::Unfit {
            pointer: "/quantity",
            detail: "must be at least 1",
        });
    }
    let pick = match (&add.variant_id, &add.sku, &add.product_id) {
        (Some(variant), _, _) => Pick {
            variant: Some(variant.clone()),
            ..Pick::default()
        },
        (None, Some(sku), _) => Pick {
            sku: Some(sku.clone()),
            ..Pick::default()
        },
        (None, None, Some(product)) => Pick {
            product: Some(product.clone()),
            ..Pick::default()
        },
        (None, None, None) => {
            return Err(Error::Unfit {
                pointer: "",
                detail: "must name what to add: `productId`, `variantId` or `sku`",
            });
        }
    };
    Ok((pick, pieces))
}

/// Whether what else the body names is the same thing.
fn fits(add: &api::cart::Add, card: &Card) -> Result<(), Error> {
    let product = match &add.product_id {
        Some(Ref::Product(id)) => *id == card.product,
        Some(Ref::Variant(id)) => *id == card.variant,
        Some(Ref::Number(number)) => *number == card.number,
        _ => true,
    };
    if !product {
        return Err(Error::Unfit {
            pointer: "/productId",
            detail: "is not the product of this variant",
        });
    }
    if add.sku.as_ref().is_some_and(|sku| *sku != card.sku) {
        return Err(Error::Unfit {
            pointer: "/sku",
            detail: "is not the SKU of this variant",
        });
    }
    Ok(())
}

fn named(item: Ref) -> Result<Named, Error> {
    match item {
        Ref::Line(id) => Ok(Named::Line(id)),
        Ref::Variant(id) => Ok(Named::Variant(id)),
        Ref::Product(id) => Ok(Named::Product(id)),
        Ref::Number(number) => Ok(Named::Number(number)),
        Ref::Text(text) => Ok(Named::Sku(text)),
        Ref::User(_) | Ref::Order(_) | Ref::Payment(_) => Err(Refusal::NoSuchLine.into()),
    }
}

fn only_one(cart: &Cart, name: &Named, cards: &Cards) -> Result<VariantId, Error> {
    match cart.named(name, cards).as_slice() {
        [] => Err(Refusal::NoSuchLine.into()),
        [variant] => Ok(*variant),
        several => {
            let choices = several.iter().filter_map(|variant| cards.get(variant));
            let choice = |card: &Card| Choice {
                id: card.variant,
                sku: card.sku.clone(),
                name: card.name.clone(),
            };
            Err(Error::SeveralLines(choices.map(choice).collect()))
        }
    }
}
