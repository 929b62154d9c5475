//! Rows and SQL of orders.

mod rows;

use std::sync::LazyLock;

use api::catalog::Pieces;
use api::orders::OrderStatus;
use base::{CartId, Currency, FulfilmentId, OrderId, Page, Time, UserId};
use serde::Serialize;
use store::{Outgoing, Tx, Value, args, texts};

use crate::domain::{Order, OrderEvent, Placing};
use crate::error::Error;
pub use rows::PRICES_INCLUDE_TAX;
use rows::{COLUMNS, changes_of, fill, insert_lines, json, lines_of, read_order, values};

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let marks: Vec<String> = (1..=37).map(|n| format!("${n}")).collect();
    format!(
        "INSERT INTO orders_order ({COLUMNS}) VALUES ({}) ON CONFLICT DO NOTHING",
        marks.join(", ")
    )
});
const UPDATE: &str = "UPDATE orders_order SET status = $3, payment_status = $4, payment_method = $5, payment_token = $6, \
     payment_failure = $7, attempt = $8, payment_version = $9, checkout_key = $10, cancel_key = $11, hidden = $12, refusal = $13, \
     sequence = $14, resume_at = $15, updated_at = $16, version = version + 1 WHERE id = $1 AND version = $2";
const INSERT_CHANGE: &str = "INSERT INTO orders_change (order_id, position, status, at, actor, reason, request_id) \
     SELECT $1, $2, $3, $4, $5, $6, $7 FROM orders_order WHERE id = $1 AND version = $8 ON CONFLICT DO NOTHING";
const DELETE_CHANGE: &str = "DELETE FROM orders_change WHERE order_id = $1 AND position = $2";
/// The counter that numbers orders.
const COUNTER: &str = "order";

/// What became of an attempt to place an order.
pub enum Inserted {
    /// It is placed.
    New(Box<Order>),
    /// The same call, or the same generation of the cart, placed this one before.
    Twin(Box<Order>),
}

/// Which orders a list shows; hidden ones never.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this user.
    pub user: Option<UserId>,
    /// In this state.
    pub status: Option<OrderStatus>,
    /// With this number.
    pub number: Option<i64>,
}

/// Places an order, unless its key or its cart's generation has one already.
pub fn insert(tx: &mut Tx<'_>, placing: &Placing, by: &str, request_id: &str, now: Time) -> Result<Inserted, Error> {
    if let Some(twin) = twin_of(tx, placing)? {
        remember_joined(tx, placing, &twin)?;
        return Ok(Inserted::Twin(Box::new(twin)));
    }
    let number = tx.next_number(COUNTER)?;
    let mut order = Order::place(placing.clone(), number, by, now);
    order.version = 1;
    let lines = lines_of(&order, tx.dialect());
    let changes = changes_of(&mut order, request_id);
    let row = values(&order)?;
    let mut all: Vec<(&str, &[Value])> = vec![(&INSERT, &row), (insert_lines(tx.dialect()), &lines)];
    all.extend(changes.iter().map(|change| (INSERT_CHANGE, change.as_slice())));
    if tx.batch(&all)?[0] == 0 {
        return Err(tx.conflict().into()); // A twin in another process was faster: the next run finds it.
    }
    emit(tx, &mut order, OrderEvent::Created, by, request_id, now)?;
    Ok(Inserted::New(Box::new(order)))
}

fn twin_of(tx: &mut Tx<'_>, placing: &Placing) -> Result<Option<Order>, Error> {
    if let Some((key, _)) = &placing.key
        && let Some(twin) = by_key(tx, placing.user, key)?
    {
        return Ok(Some(twin));
    }
    match placing.cart {
        Some((cart, generation)) => by_cart(tx, cart, generation),
        None => Ok(None),
    }
}

/// Writes an order that changed, unless somebody changed it since it was read: then `false`, and nothing is written.
pub fn save(
    tx: &mut Tx<'_>,
    order: &mut Order,
    told: Option<OrderEvent>,
    by: &str,
    request_id: &str,
    now: Time,
) -> Result<bool, Error> {
    let read_version = order.version;
    let next_sequence = order.sequence + i64::from(told.is_some());
    let update = args![
        order.id,
        read_version,
        order.status.as_str(),
        order.payment_status.as_str(),
        order.method.as_str(),
        order.token.as_deref(),
        json(&order.failure)?,
        order.attempt,
        order.payment_version,
        order.key.as_ref().map(|(key, _)| key.as_str()),
        order.cancel_key.as_deref(),
        order.refusal.is_some(),
        json(&order.refusal)?,
        next_sequence,
        order.resume_at,
        order.updated_at,
    ];
    order.version = read_version + 1;
    let changes = changes_of(order, request_id);
    let mut all: Vec<(&str, &[Value])> = vec![(UPDATE, &update)];
    all.extend(changes.iter().map(|change| (INSERT_CHANGE, change.as_slice())));
    let written = tx.batch(&all)?;
    if written[0] == 0 {
        // Whoever was faster brought the order to the very version that our changes asked for: those that found a
        // place behind theirs go again.
        for (change, _) in changes.iter().zip(&written[1..]).filter(|(_, count)| **count > 0) {
            tx.run(DELETE_CHANGE, &change[..2])?;
        }
        return Ok(false);
    }
    if let Some(event) = told {
        emit(tx, order, event, by, request_id, now)?;
    }
    Ok(true)
}

/// What an event of an order says. No personal data: other services ask for what they may see.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    order_id: OrderId,
    number: i64,
    status: &'a str,
    total: base::Amount,
    currency: Currency,
    item_count: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

fn emit(
    tx: &mut Tx<'_>,
    order: &mut Order,
    event: OrderEvent,
    by: &str,
    request_id: &str,
    now: Time,
) -> Result<(), Error> {
    order.sequence += 1;
    let told = Told {
        order_id: order.id,
        number: order.number,
        status: order.status.as_str(),
        total: order.totals.total.amount(),
        currency: order.totals.total.currency,
        item_count: order.lines.iter().map(|line| line.quantity).sum(),
        reason: order.history.last().and_then(|change| change.reason.as_deref()),
    };
    let outgoing = Outgoing {
        id: tx.ids().next(now),
        kind: event.kind().into(),
        subject: order.id.to_string(),
        sequence: order.sequence,
        at: now,
        actor: by.to_owned(),
        request_id: request_id.to_owned(),
        data: serde_json::to_string(&told).map_err(|fault| store::Error::Corrupt(fault.to_string()))?,
    };
    Ok(tx.emit(outgoing)?)
}

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
    let placed = find(tx, "user_id = $1 AND checkout_key = $2", &args![user, key])?;
    if placed.is_some() {
        return Ok(placed);
    }
    let sql = "SELECT order_id, fingerprint FROM orders_joined WHERE user_id = $1 AND checkout_key = $2";
    let joined = tx.maybe(sql, &args![user, key], |row| {
        Ok((row.get::<OrderId>(0)?, row.get::<String>(1)?))
    })?;
    let Some((id, print)) = joined else { return Ok(None) };
    let order = by_id(tx, id)?;
    Ok(order.map(|order| Order {
        key: Some((key.to_owned(), print)),
        ..order
    }))
}

/// Remembers that a call with a key of its own got this order, which another call had placed from the same cart:
/// its repeat gets it too, when the cart has long moved on.
fn remember_joined(tx: &mut Tx<'_>, placing: &Placing, order: &Order) -> Result<(), Error> {
    let Some((key, print)) = &placing.key else {
        return Ok(());
    };
    if order.key.as_ref().is_some_and(|(own, _)| own == key) {
        return Ok(());
    }
    let sql = "INSERT INTO orders_joined (user_id, checkout_key, fingerprint, order_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    tx.run(sql, &args![placing.user, key, print, order.id])?;
    Ok(())
}

/// The order that lives of a cart's generation.
pub fn by_cart(tx: &mut Tx<'_>, cart: CartId, generation: i64) -> Result<Option<Order>, Error> {
    find(
        tx,
        "cart_id = $1 AND cart_generation = $2 AND status <> 'failed' AND status <> 'cancelled'",
        &args![cart, generation],
    )
}

fn find(tx: &mut Tx<'_>, condition: &str, values: &[Value]) -> Result<Option<Order>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM orders_order WHERE {condition}");
    let order = tx.maybe(&sql, values, read_order)?;
    let mut orders: Vec<Order> = order.into_iter().collect();
    fill(tx, &mut orders)?;
    Ok(orders.pop())
}

/// A page of orders, newest first, and whether there are more.
pub fn list(
    tx: &mut Tx<'_>,
    filter: &Filter,
    after: Option<OrderId>,
    page: &Page,
) -> Result<(Vec<Order>, bool), Error> {
    let mut sql = format!("SELECT {COLUMNS} FROM orders_order WHERE hidden = 0");
    let mut values: Vec<Value> = Vec::new();
    let mut narrow = |condition: &str, value: Value| {
        values.push(value);
        sql.push_str(&format!(" AND {condition} ${}", values.len()));
    };
    if let Some(user) = filter.user {
        narrow("user_id =", user.into());
    }
    if let Some(status) = filter.status {
        narrow("status =", status.as_str().into());
    }
    if let Some(number) = filter.number {
        narrow("number =", number.into());
    }
    if let Some(id) = after {
        narrow("id <", id.into());
    }
    values.push(i64::from(page.limit + 1).into());
    sql.push_str(&format!(" ORDER BY id DESC LIMIT ${}", values.len()));
    let mut orders = tx.all(&sql, &values, read_order)?;
    let more = orders.len() > page.limit as usize;
    orders.truncate(page.limit as usize);
    fill(tx, &mut orders)?;
    Ok((orders, more))
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

/// Takes those of `ids` that are still due, so that no other process drives them until `until`; answers what was taken.
pub fn claim(tx: &mut Tx<'_>, ids: &[OrderId], until: Time, now: Time) -> Result<Vec<OrderId>, Error> {
    let sql = "UPDATE orders_order SET resume_at = $2 WHERE id = ANY($1) AND resume_at IS NOT NULL AND resume_at <= $3 RETURNING id";
    Ok(tx.all(sql, &args![texts(ids), until, now], |row| row.get(0))?)
}

/// Notes that confirmed orders are at rest. One that was cancelled meanwhile is not touched.
pub fn rest(tx: &mut Tx<'_>, ids: &[OrderId]) -> Result<(), Error> {
    let sql = "UPDATE orders_order SET resume_at = NULL WHERE id = ANY($1) AND status IN ('confirmed', 'processing', 'shipped', 'delivered')";
    tx.run(sql, &args![texts(ids)])?;
    Ok(())
}

/// Wakes orders whose payment changed behind their back, so that the sweep looks at them: those that wait for an
/// unknown outcome, and those of which something was given back. Cancelled and failed ones undo by themselves.
pub fn wake(tx: &mut Tx<'_>, unknown: &[OrderId], given_back: &[OrderId], now: Time) -> Result<(), Error> {
    tx.batch(&[
        (
            "UPDATE orders_order SET resume_at = $2 WHERE id = ANY($1) AND status = 'pending' AND payment_status = 'processing'",
            &args![texts(unknown), now],
        ),
        (
            "UPDATE orders_order SET resume_at = $2 WHERE id = ANY($1) AND status IN ('confirmed', 'processing', 'shipped', 'delivered')",
            &args![texts(given_back), now],
        ),
    ])?;
    Ok(())
}

/// Gives a guest's orders to an account.
pub fn hand_over(tx: &mut Tx<'_>, from: UserId, to: UserId, now: Time) -> Result<u64, Error> {
    let sql =
        "UPDATE orders_order SET user_id = $2, guest = 0, updated_at = $3, version = version + 1 WHERE user_id = $1";
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
