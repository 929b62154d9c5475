//! Rows and SQL of orders.

mod lists;
mod mails;
mod place;
mod rows;
mod save;
mod sweep;

use api::catalog::Pieces;
use api::payments::PaymentStatus;
use base::{CartId, FulfilmentId, OrderId, Time, UserId};
use store::{Tx, Value, args, texts};

use crate::domain::Order;
use crate::error::Error;
pub use lists::{Filter, list};
#[cfg(test)]
pub use lists::{multiply, statement as lists_statement};
pub use mails::{Mail, MailStatus, add_mails, claim_mail, forget_mails, mail_done, mails_due, mails_of, retry_mails};
pub use place::{Inserted, Place, insert};
pub use rows::PRICES_INCLUDE_TAX;
use rows::{COLUMNS, fill, json, read_order};
pub use save::{Save, save, save_all};
pub use sweep::{forget_joined, forget_refused};

/// The counter that numbers orders.
const COUNTER: &str = "order";

/// An order by its id.
pub fn by_id(tx: &mut Tx<'_>, id: OrderId) -> Result<Option<Order>, Error> {
    find(tx, "id = $1", &args![id])
}

/// An order by its number.
pub fn by_number(tx: &mut Tx<'_>, number: i64) -> Result<Option<Order>, Error> {
    find(tx, "number = $1", &args![number])
}

/// The order that a caller's key placed, or that a call with this key joined: as if it had been placed under it.
pub fn by_key(tx: &mut Tx<'_>, user: UserId, key: &str) -> Result<Option<Order>, Error> {
    let sql = "SELECT id, fingerprint FROM orders_order WHERE user_id = $1 AND checkout_key = $2
               UNION ALL SELECT order_id, fingerprint FROM orders_joined WHERE user_id = $1 AND checkout_key = $2";
    let named = tx.all(sql, &args![user, key], |row| {
        Ok((row.get::<OrderId>(0)?, row.get::<String>(1)?))
    })?;
    let Some((id, print)) = named.into_iter().next() else {
        return Ok(None);
    };
    let order = by_id(tx, id)?;
    Ok(order.map(|order| Order {
        key: Some((key.to_owned(), print)),
        ..order
    }))
}

/// The order that lives of a cart's generation.
pub fn by_cart(tx: &mut Tx<'_>, cart: CartId, generation: i64) -> Result<Option<Order>, Error> {
    find(
        tx,
        "cart_id = $1 AND cart_generation = $2 AND status <> 'failed' AND status <> 'cancelled'",
        &args![cart, generation],
    )
}

/// The order that a call has already: by its key, or by the generation of the cart.
pub fn twin_of(
    tx: &mut Tx<'_>,
    user: UserId,
    key: Option<&(String, String)>,
    cart: Option<(CartId, i64)>,
) -> Result<Option<Order>, Error> {
    let mut order = match key {
        Some((key, _)) => by_key(tx, user, key)?,
        None => None,
    };
    if let (None, Some((cart, generation))) = (&order, cart) {
        order = by_cart(tx, cart, generation)?;
    }
    if let Some(order) = &mut order {
        place::remember(tx, user, key, order)?;
    }
    Ok(order)
}

fn find(tx: &mut Tx<'_>, condition: &str, values: &[Value]) -> Result<Option<Order>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM orders_order WHERE {condition}");
    let order = tx.maybe(&sql, values, read_order)?;
    let mut orders: Vec<Order> = order.into_iter().collect();
    fill(tx, &mut orders)?;
    Ok(orders.pop())
}

/// The oldest orders that somebody should drive on by now.
pub fn due(tx: &mut Tx<'_>, now: Time, limit: u32) -> Result<Vec<OrderId>, Error> {
    let sql = "SELECT id FROM orders_order WHERE resume_at IS NOT NULL AND resume_at <= $1 ORDER BY resume_at LIMIT $2";
    Ok(tx.all(sql, &args![now, i64::from(limit)], |row| row.get(0))?)
}

/// A page of orders for the doctor, refused ones too, by id.
pub fn audit(tx: &mut Tx<'_>, after: Option<OrderId>, limit: u32) -> Result<Vec<Order>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM orders_order WHERE id > $1 ORDER BY id LIMIT $2");
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let mut orders = tx.all(&sql, &args![after, i64::from(limit)], read_order)?;
    fill(tx, &mut orders)?;
    Ok(orders)
}

/// The versions of orders; one that is not there is absent.
pub fn versions(tx: &mut Tx<'_>, ids: &[OrderId]) -> Result<Vec<(OrderId, i64)>, Error> {
    let sql = "SELECT id, version FROM orders_order WHERE id = ANY($1)";
    Ok(tx.all(sql, &[texts(ids)], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// Takes those of `ids` that are still due, so that no other process drives them until `until`; answers what was taken.
pub fn claim(tx: &mut Tx<'_>, ids: &[OrderId], until: Time, now: Time) -> Result<Vec<OrderId>, Error> {
    let sql = "UPDATE orders_order SET resume_at = $2 WHERE id = ANY($1) AND resume_at IS NOT NULL AND resume_at <= $3 RETURNING id";
    Ok(tx.all(sql, &args![texts(ids), until, now], |row| row.get(0))?)
}

/// Notes that confirmed orders are at rest. One that was cancelled meanwhile is not touched, nor one that was delivered
/// and whose cash payments has not heard of.
pub fn rest(tx: &mut Tx<'_>, ids: &[OrderId]) -> Result<(), store::Error> {
    let sql = "UPDATE orders_order SET resume_at = NULL
         WHERE id = ANY($1) AND status IN ('confirmed', 'processing', 'shipped', 'delivered')
             AND NOT (status = 'delivered' AND payment_method = 'cash_on_delivery' AND payment_status = 'pending' AND total > 0)";
    tx.run(sql, &args![texts(ids)])?;
    Ok(())
}

/// Wakes orders that wait for an unknown outcome, so that the sweep looks at them.
pub fn wake(tx: &mut Tx<'_>, unknown: &[OrderId], now: Time) -> Result<(), Error> {
    tx.run(
        "UPDATE orders_order SET resume_at = $2 WHERE id = ANY($1) AND status = 'pending' AND payment_status = 'processing'",
        &args![texts(unknown), now],
    )?;
    Ok(())
}

/// Takes over how payments stand of which something was given back, unless something newer is known. Done here and
/// not left to the sweep: whoever drove the order notes that it rests about now, and a wake would be gone with that.
/// Whoever is about to confirm a pending order on the word of before loses, reads again, and asks payments.
pub fn given_back(tx: &mut Tx<'_>, standings: &[(OrderId, PaymentStatus, i64)], now: Time) -> Result<(), Error> {
    let heard = "UPDATE orders_order SET payment_status = $2, payment_version = $3, updated_at = $4, version = version + 1 \
         WHERE id = $1 AND payment_version < $3 AND status <> 'pending'";
    let pending = "UPDATE orders_order SET resume_at = $3, version = version + 1 \
         WHERE id = $1 AND payment_version < $2 AND status = 'pending'";
    let values: Vec<_> = standings
        .iter()
        .map(|(order, status, version)| {
            (
                args![*order, status.as_str(), *version, now],
                args![*order, *version, now],
            )
        })
        .collect();
    let statements: Vec<(&str, &[Value])> = values
        .iter()
        .flat_map(|(rested, waiting)| [(heard, rested.as_slice()), (pending, waiting.as_slice())])
        .collect();
    tx.batch(&statements)?;
    Ok(())
}

/// Gives a guest's orders to an account.
pub fn hand_over(tx: &mut Tx<'_>, from: UserId, to: UserId, now: Time) -> Result<u64, Error> {
    // A key that the account has used itself stays the account's: the guest's call is over.
    let sql = "UPDATE orders_order SET user_id = $2, guest = 0, updated_at = $3, version = version + 1,
             checkout_key = CASE WHEN EXISTS (SELECT 1 FROM orders_order o
                 WHERE o.user_id = $2 AND o.checkout_key = orders_order.checkout_key) THEN NULL ELSE checkout_key END
         WHERE user_id = $1";
    Ok(tx.run(sql, &args![from, to, now])?)
}

/// Notes that everything of an order left in one parcel.
pub fn fulfil(tx: &mut Tx<'_>, id: FulfilmentId, order: &Order, by: &str, now: Time) -> Result<(), Error> {
    let lines: Vec<Pieces> = order
        .lines
        .iter()
        .filter_map(|line| {
            Some(Pieces {
                variant: line.variant,
                quantity: base::Quantity::new(line.quantity).ok()?,
            })
        })
        .collect();
    tx.batch(&[
        (
            "INSERT INTO orders_fulfilment (id, order_id, lines, carrier, tracking, at, actor) VALUES ($1, $2, $3, NULL, NULL, $4, $5)",
            &args![id, order.id, json(&Some(lines))?, now, by],
        ),
        ("UPDATE orders_line SET fulfilled = quantity WHERE order_id = $1", &args![order.id]),
    ])?;
    Ok(())
}
