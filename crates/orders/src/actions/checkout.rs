//! Placing an order, once however often it is asked for.

use std::sync::Arc;

use ::store::Once;
use api::identity::Role;
use api::orders::{NewItem, NewOrder};
use base::{CartId, Time, UserId};
use serve::Caller;
use wire::Cx;

use super::{Joined, called, some_token};
use crate::App;
use crate::domain::{Order, Placing, total};
use crate::drive;
use crate::error::Error;
use crate::gather::{self, Gathered};
use crate::store::{self, Inserted, Place};

/// Places an order and drives it until it rests or the patience ends. A twin of an earlier call joins its order.
pub async fn checkout(
    app: &Arc<App>,
    cx: &Cx,
    caller: &Caller,
    once: Option<Once>,
    body: NewOrder,
) -> Result<Joined, Error> {
    let arrived = app.deps.clock.now();
    let (method, token) = (
        body.payment_method.unwrap_or_default(),
        some_token(body.payment_token.clone()),
    );
    if let Some(user) = &body.user_id
        && called(app, cx, caller, user).await? != Some(caller.id)
    {
        return Err(Error::NotYours);
    }
    let body = gather::check(body)?;
    let key = once.map(|once| (once.key, once.fingerprint));
    if let Some(key) = &key
        && let Some(order) = by_key(app, caller.id, key).await?
    {
        return join(app, cx, order).await;
    }
    let (gathered, email) = tokio::join!(
        gather(app, cx, caller, &body.items),
        email_of(app, cx, caller, body.email)
    );
    let Gathered { lines, cart } = match gathered? {
        Ok(gathered) => gathered,
        Err(cart) => return twin_of_emptied_cart(app, cx, caller.id, &key, cart, arrived).await,
    };
    let lines = match lines {
        Ok(lines) => lines,
        // Its own twin may have taken the last pieces.
        Err(refusal) => match twin(app, caller.id, &key, cart).await? {
            Some(order) => return join(app, cx, order).await,
            None => return Err(refusal),
        },
    };
    let now = app.deps.clock.now();
    let currency = app.deps.shop.currency;
    let placing = Placing {
        id: app.deps.ids.next(now),
        user: caller.id,
        guest: caller.role == Role::Guest,
        email,
        method,
        token,
        totals: total(&lines, currency, store::PRICES_INCLUDE_TAX)?,
        lines,
        billing_address: body.billing_address.or_else(|| body.shipping_address.clone()),
        shipping_address: body.shipping_address,
        cart,
        key: key.clone(),
        expires_at: now.after(app.config.payment_window),
        resume_at: now.after(app.config.lease),
    };
    // The drive begins before the row is there, so that no twin finds the row without its driver.
    let driving = app.drives.begin(placing.id).map_err(|_| ::store::Error::Conflict)?;
    match place(app, cx, placing, now).await? {
        Inserted::New(order) => {
            let order = drive::to_rest(app, cx, *order, driving).await?;
            visible(order).map(|order| Joined { order, replayed: false })
        }
        Inserted::Twin(order) => {
            drop(driving);
            same_call(&order, &key)?;
            join(app, cx, *order).await
        }
    }
}

async fn place(app: &App, cx: &Cx, placing: Placing, now: Time) -> Result<Inserted, Error> {
    let (by, request_id) = (cx.actor().to_owned(), cx.request_id().to_owned());
    app.place
        .call(Place {
            placing,
            by,
            request_id,
            now,
        })
        .await
}

type FromCart = Result<Gathered, Option<(CartId, i64)>>;

async fn gather(app: &App, cx: &Cx, caller: &Caller, items: &Option<Vec<NewItem>>) -> Result<FromCart, Error> {
    match items {
        Some(items) => gather::from_items(app, cx, items).await.map(Ok),
        None => gather::from_cart(app, cx, caller).await,
    }
}

/// Where to write to: what the call says, else what the account says. An order is not refused for want of it.
async fn email_of(app: &App, cx: &Cx, caller: &Caller, given: Option<String>) -> Option<String> {
    if given.is_some() || caller.role == Role::Guest {
        return given;
    }
    app.identity
        .user(cx, caller.id)
        .await
        .ok()
        .flatten()
        .and_then(|user| user.email)
}

async fn by_key(app: &App, user: UserId, key: &(String, String)) -> Result<Option<Order>, Error> {
    let (text, wanted) = (key.0.clone(), Some(key.clone()));
    let order = app.db.read(move |tx| store::by_key(tx, user, &text)).await?;
    order.iter().try_for_each(|order| same_call(order, &wanted))?;
    Ok(order)
}

/// The order that a call has already, by its key or its cart.
async fn twin(
    app: &App,
    user: UserId,
    key: &Option<(String, String)>,
    cart: Option<(CartId, i64)>,
) -> Result<Option<Order>, Error> {
    let wanted = key.clone();
    let order = app
        .db
        .write(move |tx| store::twin_of(tx, user, wanted.as_ref(), cart))
        .await?;
    order.iter().try_for_each(|order| same_call(order, key))?;
    Ok(order)
}

/// Refuses a key that came with another call before.
fn same_call(order: &Order, key: &Option<(String, String)>) -> Result<(), Error> {
    match (&order.key, key) {
        (Some((theirs, print)), Some((ours, wanted))) if theirs == ours && print != wanted => {
            Err(::store::Error::KeyReused.into())
        }
        _ => Ok(()),
    }
}

async fn join(app: &Arc<App>, cx: &Cx, order: Order) -> Result<Joined, Error> {
    let order = drive::run(app, cx, order.id).await?;
    visible(order).map(|order| Joined { order, replayed: true })
}

/// An order that was refused while it was placed is nobody's to see: its refusal is the answer.
fn visible(order: Order) -> Result<Order, Error> {
    match order.refusal {
        Some(refusal) => Err(Error::OutOfStock(refusal.lines)),
        None => Ok(order),
    }
}

/// A twin that read the cart after the other call had emptied it, though it came before that: the same order is
/// its answer. A call that came later finds the cart empty.
async fn twin_of_emptied_cart(
    app: &Arc<App>,
    cx: &Cx,
    user: UserId,
    key: &Option<(String, String)>,
    cart: Option<(CartId, i64)>,
    arrived: Time,
) -> Result<Joined, Error> {
    let (cart, generation) = cart.ok_or(Error::Empty)?;
    let before = (cart, generation - 1);
    let order = app.db.read(move |tx| store::by_cart(tx, before.0, before.1)).await?;
    if order.is_none_or(|order| order.updated_at < arrived) {
        return Err(Error::Empty);
    }
    // Under its own key, too: a repeat comes later.
    let order = twin(app, user, key, Some(before)).await?.ok_or(Error::Empty)?;
    join(app, cx, order).await
}
