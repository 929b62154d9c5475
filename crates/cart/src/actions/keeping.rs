//! How long carts are kept: whoever looks at theirs, or orders it, keeps it; one that nobody comes back to is forgotten.

use api::cart::Contents;
use api::catalog::Pieces;
use base::{Quantity, UserId};
use serve::Stop;
use store::{SWEEP_MAX, Tx};

use crate::App;
use crate::domain::{Cart, Line};
use crate::error::Error;
use crate::store as rows;

/// What is in a user's cart, for an order to be made of it; none when there never was one, or it was forgotten.
///
/// An order may be on its way for a day; so a cart that was not touched today is, before it is told, and no sweep that
/// is to come takes it away under the order.
///
/// # Errors
/// Only the database's.
pub async fn contents(app: &App, user: UserId) -> Result<Option<Contents>, Error> {
    let found = app.db.read(move |tx| rows::of_user(tx, user)).await;
    let Some(cart) = found.map_err(Error::Store)? else {
        return Ok(None);
    };
    if is_of_today(app, &cart) {
        return told(cart).map(Some);
    }
    let visited = app.db.write(move |tx| {
        let now = tx.clock().now();
        let cart = rows::of_user(tx, user)?;
        match cart {
            Some(cart) if rows::visit(tx, cart.id, now)? => Ok::<_, Error>(Some(cart)),
            _ => Ok(None),
        }
    });
    visited.await?.map(told).transpose()
}

/// Notes that the owner looks at their cart, once a day. That it could not be noted is no reason not to show it.
pub async fn visit(app: &App, cart: &Cart) {
    if cart.version == 0 || is_of_today(app, cart) {
        return;
    }
    let id = cart.id;
    let noted = app.db.write(move |tx| {
        let now = tx.clock().now();
        rows::visit(tx, id, now)
    });
    if let Err::<_, store::Error>(fault) = noted.await {
        tracing::debug!(cart = %id, %fault, "a visit of a cart could not be noted");
    }
}

fn is_of_today(app: &App, cart: &Cart) -> bool {
    cart.day >= rows::day_of(app.clock.now())
}

fn told(cart: Cart) -> Result<Contents, Error> {
    let pieces = |line: &Line| {
        let quantity = Quantity::new(line.quantity).map_err(|fault| store::Error::Corrupt(fault.to_string()))?;
        Ok(Pieces {
            variant: line.variant,
            quantity,
        })
    };
    let lines = cart.lines.iter().map(pieces).collect::<Result<_, Error>>()?;
    Ok(Contents {
        cart: cart.id,
        generation: cart.generation,
        lines,
    })
}

/// Forgets carts that nobody has changed or visited for as long as is set, those of guests sooner, and merges that
/// nobody asks about any more. In small transactions, so that the writer is never held for long.
///
/// # Errors
/// Only the database's.
pub async fn sweep(app: &App, stop: &Stop) -> Result<(), Error> {
    let now = app.clock.now();
    let full = u64::from(SWEEP_MAX);
    for (guests, kept) in [(true, app.config.guest_carts_kept), (false, app.config.carts_kept)] {
        let before = now.before(kept.max(crate::KEPT_MIN));
        let drop = move |tx: &mut Tx<'_>| rows::drop_carts(tx, guests, before, SWEEP_MAX);
        while !stop.is_stopped() && app.db.write(drop).await.map_err(Error::Store)? == full {}
    }
    let merges = now.before(bus::KEEP_CALLS);
    let drop = move |tx: &mut Tx<'_>| rows::drop_merges(tx, merges, SWEEP_MAX);
    while !stop.is_stopped() && app.db.write(drop).await.map_err(Error::Store)? == full {}
    Ok(())
}
