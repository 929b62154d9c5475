//! Gathers what an order is made of: from the cart or from `items`, with names and prices of now.

use api::cart::LINES_PER_CART_MAX;
use api::catalog::{Card, Pick, Pieces, Short};
use api::orders::{NewItem, NewOrder};
use base::{Address, CartId, QUANTITY_MAX, Quantity};
use serve::Caller;
use wire::{Cx, FieldFault, Problem};

use crate::App;
use crate::domain::Line;
use crate::error::Error;

/// The longest e-mail address (RFC 5321: 64 + 1 + 255, of which 254 can be used).
const EMAIL_MAX: usize = 254;

/// The longest token of a payment; a provider's have some 30 characters.
pub const TOKEN_MAX: usize = 255;

/// What is ordered.
pub struct Gathered {
    /// The lines, each variant once; or why they cannot be had. A twin of an order that took the last pieces hears
    /// of that order, so it is not for whoever gathers to refuse.
    pub lines: Result<Vec<Line>, Error>,
    /// The cart and its generation, when it is from there.
    pub cart: Option<(CartId, i64)>,
}

/// A body whose parts are all in order.
pub struct Checked {
    /// What to buy; none takes the cart.
    pub items: Option<Vec<NewItem>>,
    /// Where it goes.
    pub shipping_address: Option<Address>,
    /// Where the bill goes.
    pub billing_address: Option<Address>,
    /// Where to write to.
    pub email: Option<String>,
}

/// Checks everything that can be checked without asking anybody; all faults at once.
pub fn check(body: NewOrder) -> Result<Checked, Error> {
    let mut faults = Vec::new();
    let mut fault = |pointer: String, detail: String| faults.push(FieldFault { pointer, detail });
    let mut address = |field: &str, address: Option<Address>| {
        address.and_then(|address| match address.checked() {
            Ok(address) => Some(address),
            Err(wrong) => {
                wrong
                    .into_iter()
                    .for_each(|wrong| fault(format!("/{field}/{}", wrong.field), wrong.detail));
                None
            }
        })
    };
    let shipping_address = address("shippingAddress", body.shipping_address);
    let billing_address = address("billingAddress", body.billing_address);
    if body.email.as_ref().is_some_and(|email| {
        email.len() > EMAIL_MAX || !email.trim().contains('@') || email.contains(char::is_whitespace)
    }) {
        fault("/email".into(), "is not an e-mail address".into());
    }
    if body.payment_token.as_ref().is_some_and(|token| token.len() > TOKEN_MAX) {
        fault(
            "/paymentToken".into(),
            format!("must have at most {TOKEN_MAX} characters"),
        );
    }
    for (index, item) in body.items.iter().flatten().enumerate() {
        let named = [item.product_id.is_some(), item.variant_id.is_some(), item.sku.is_some()];
        if named.iter().filter(|named| **named).count() != 1 {
            fault(
                format!("/items/{index}"),
                "name one of productId, variantId and sku".into(),
            );
        }
        if item.quantity.is_some_and(Quantity::is_zero) {
            fault(format!("/items/{index}/quantity"), "must be at least 1".into());
        }
    }
    if body
        .items
        .as_ref()
        .is_some_and(|items| items.len() > LINES_PER_CART_MAX)
    {
        fault("/items".into(), format!("must have at most {LINES_PER_CART_MAX} items"));
    }
    match body.items {
        _ if !faults.is_empty() => Err(Error::Fields(faults)),
        Some(items) if items.is_empty() => Err(Error::Empty),
        items => Ok(Checked {
            items,
            shipping_address,
            billing_address,
            email: body.email,
        }),
    }
}

/// The lines of `items`.
pub async fn from_items(app: &App, cx: &Cx, items: &[NewItem]) -> Result<Gathered, Error> {
    let pick = |item: &NewItem| Pick {
        product: item.product_id.clone(),
        variant: item.variant_id.clone(),
        sku: item.sku.clone(),
    };
    let picks: Vec<Pick> = items.iter().map(pick).collect();
    let picked = app.catalog.resolve(cx, &picks).await?;
    let mut wanted: Vec<(Card, i64)> = Vec::with_capacity(items.len());
    for (index, (item, picked)) in items.iter().zip(picked).enumerate() {
        let card = match (picked.card, picked.problem) {
            (Some(card), _) => card,
            (None, Some(problem)) => {
                return Err(Error::Peer(
                    problem.field(format!("/items/{index}"), "names nothing that can be bought"),
                ));
            }
            (None, None) => return Err(Error::Peer(Problem::internal())),
        };
        let quantity = item.quantity.unwrap_or(Quantity::ONE).pieces();
        match wanted.iter_mut().find(|(other, _)| other.variant == card.variant) {
            Some((_, pieces)) => *pieces += quantity,
            None => wanted.push((card, quantity)),
        }
    }
    if let Some((card, _)) = wanted.iter().find(|(_, quantity)| *quantity > i64::from(QUANTITY_MAX)) {
        let detail = format!("{} is wanted more than {QUANTITY_MAX} times in all", card.sku);
        return Err(Error::Fields(vec![FieldFault {
            pointer: "/items".into(),
            detail,
        }]));
    }
    Ok(Gathered {
        lines: lines(app, wanted),
        cart: None,
    })
}

/// The lines of the caller's cart. `None` when there is nothing in it; then the generation is told all the same.
pub async fn from_cart(app: &App, cx: &Cx, caller: &Caller) -> Result<Result<Gathered, Option<(CartId, i64)>>, Error> {
    let Some(contents) = app.cart.contents(cx, caller.id).await? else {
        return Ok(Err(None));
    };
    let cart = (contents.cart, contents.generation);
    if contents.lines.is_empty() {
        return Ok(Err(Some(cart)));
    }
    let ids: Vec<_> = contents.lines.iter().map(|line| line.variant).collect();
    let mut cards = app.catalog.cards(cx, &ids).await?;
    let mut wanted = Vec::with_capacity(ids.len());
    let mut gone = Vec::new();
    for Pieces { variant, quantity } in contents.lines {
        match cards.iter().position(|card| card.variant == variant) {
            Some(at) => wanted.push((cards.swap_remove(at), quantity.pieces())),
            None => gone.push(variant.to_string()),
        }
    }
    let lines = match gone.is_empty() {
        true => lines(app, wanted),
        false => Err(Error::NotForSale(gone)),
    };
    Ok(Ok(Gathered {
        lines,
        cart: Some(cart),
    }))
}

/// Lines of what can be had. What is plainly sold out is refused here, before anything is written.
fn lines(app: &App, wanted: Vec<(Card, i64)>) -> Result<Vec<Line>, Error> {
    let gone: Vec<String> = wanted
        .iter()
        .filter(|(card, _)| !card.for_sale)
        .map(|(card, _)| card.sku.clone())
        .collect();
    if !gone.is_empty() {
        return Err(Error::NotForSale(gone));
    }
    let short: Vec<Short> = wanted
        .iter()
        .filter(|(card, quantity)| card.available < *quantity)
        .map(|(card, quantity)| Short {
            variant_id: card.variant,
            sku: card.sku.clone(),
            requested: *quantity,
            available: card.available.max(0),
        })
        .collect();
    if !short.is_empty() {
        return Err(Error::OutOfStock(short));
    }
    let now = app.deps.clock.now();
    let line = |(card, quantity): (Card, i64)| Line {
        id: app.deps.ids.next(now),
        product: card.product,
        variant: card.variant,
        sku: card.sku,
        name: card.name,
        price: card.price,
        quantity,
    };
    Ok(wanted.into_iter().map(line).collect())
}
