//! Places orders, many in one batch: what came at once is one look for twins and one write.

use std::collections::HashMap;

use base::{CartId, OrderId, Time, UserId};
use store::{RowColumn, Rows, Tx, Value, args, sql};

use super::rows::json;
use super::rows::{CHANNEL, PRICES_INCLUDE_TAX};
use super::save::{Told, changes, emit};
use super::{COUNTER, by_id};
use crate::domain::{Line, Order, OrderEvent, Placing};
use crate::error::Error;

/// An order that somebody asks to place.
pub struct Place {
    /// What is to be placed.
    pub placing: Placing,
    /// Who asks.
    pub by: String,
    /// The request that asks.
    pub request_id: String,
    /// When.
    pub now: Time,
}

/// What became of an attempt to place an order.
pub enum Inserted {
    /// It is placed.
    New(Box<Order>),
    /// The same call, or the same generation of the cart, placed this one before.
    Twin(Box<Order>),
}

const ASKED: [RowColumn; 5] = [
    RowColumn::Int("n"),
    RowColumn::Text("user_id"),
    RowColumn::Text("checkout_key"),
    RowColumn::Text("cart_id"),
    RowColumn::Int("generation"),
];

// What may be absent is '' here and becomes NULL in the statement.
const ORDER: [RowColumn; 26] = [
    RowColumn::Text("id"),
    RowColumn::Int("number"),
    RowColumn::Text("user_id"),
    RowColumn::Int("guest"),
    RowColumn::Text("email"),
    RowColumn::Text("status"),
    RowColumn::Text("payment_status"),
    RowColumn::Text("payment_method"),
    RowColumn::Text("payment_token"),
    RowColumn::Int("subtotal"),
    RowColumn::Int("discount"),
    RowColumn::Int("shipping"),
    RowColumn::Int("tax"),
    RowColumn::Int("total"),
    RowColumn::Text("currency"),
    RowColumn::Text("shipping_address"),
    RowColumn::Text("billing_address"),
    RowColumn::Text("cart_id"),
    RowColumn::Int("cart_generation"),
    RowColumn::Text("checkout_key"),
    RowColumn::Text("fingerprint"),
    RowColumn::Int("expires_at"),
    RowColumn::Int("resume_at"),
    RowColumn::Int("created_at"),
    RowColumn::Int("prices_include_tax"),
    RowColumn::Text("channel"),
];

const LINE: [RowColumn; 9] = [
    RowColumn::Text("order_id"),
    RowColumn::Text("id"),
    RowColumn::Int("position"),
    RowColumn::Text("product_id"),
    RowColumn::Text("variant_id"),
    RowColumn::Text("sku"),
    RowColumn::Text("name"),
    RowColumn::Int("price"),
    RowColumn::Int("quantity"),
];

/// Places the orders, each unless its key or its cart's generation has one already, in the order in which they came.
///
/// # Errors
/// What the engine refuses. A twin of another process that was faster is a conflict: the next run finds it.
pub fn insert(tx: &mut Tx<'_>, asked: &[Place]) -> Result<Vec<Result<Inserted, Error>>, store::Error> {
    let twins = twins(tx, asked)?;
    let fresh: Vec<usize> = (0..asked.len()).filter(|n| !twins.contains_key(n)).collect();
    let mut placed = write(tx, asked, &fresh)?;
    let mut answers = Vec::with_capacity(asked.len());
    for (n, place) in asked.iter().enumerate() {
        answers.push(match twins.get(&n) {
            None => match placed.remove(&n) {
                Some(order) => Ok(Inserted::New(Box::new(order))),
                None => Err(store::Error::Absent.into()),
            },
            Some(id) => twin(tx, place, *id)?,
        });
    }
    Ok(answers)
}

/// The order that each of `asked` has already: in the rows, or placed by one before it in this batch.
fn twins(tx: &mut Tx<'_>, asked: &[Place]) -> Result<HashMap<usize, OrderId>, store::Error> {
    let mut rows = Rows::new(ASKED);
    for (n, place) in asked.iter().enumerate() {
        let Placing { user, cart, key, .. } = &place.placing;
        if cart.is_none() && key.is_none() {
            continue; // Nothing makes it anybody's twin.
        }
        let key = key.as_ref().map_or("", |(key, _)| key);
        let (cart, generation) = cart.map_or((String::new(), 0), |(cart, generation)| (cart.to_string(), generation));
        rows.push(args![n as i64, *user, key, cart, generation]);
    }
    let mut twins = HashMap::new();
    if rows.len() > 0 {
        let sql = sql!(
            tx.dialect(),
            ASKED,
            1,
            "SELECT d.n, o.id FROM {rows} JOIN orders_order o ON o.user_id = d.user_id AND o.checkout_key = d.checkout_key
             UNION ALL SELECT d.n, j.order_id FROM {rows}
                 JOIN orders_joined j ON j.user_id = d.user_id AND j.checkout_key = d.checkout_key
             UNION ALL SELECT d.n, o.id FROM {rows}
                 JOIN orders_order o ON o.cart_id = d.cart_id AND o.cart_generation = d.generation
                 WHERE o.cart_id IS NOT NULL AND o.status <> 'failed' AND o.status <> 'cancelled'"
        );
        let found = tx.all(sql, &rows.args(tx.dialect()), |row| {
            Ok((row.get::<i64>(0)?, row.get(1)?))
        })?;
        for (n, id) in found {
            twins.entry(n as usize).or_insert(id); // A key's own order comes before its cart's.
        }
    }
    let mut keys: HashMap<(UserId, &str), OrderId> = HashMap::new();
    let mut carts: HashMap<(CartId, i64), OrderId> = HashMap::new();
    for (n, place) in asked.iter().enumerate() {
        let Placing {
            id, user, cart, key, ..
        } = &place.placing;
        let key = key.as_ref().map(|(key, _)| (*user, key.as_str()));
        let before = key
            .and_then(|key| keys.get(&key))
            .or_else(|| carts.get(cart.as_ref()?))
            .copied();
        if let Some(before) = before {
            twins.entry(n).or_insert(before);
        }
        let id = *twins.get(&n).unwrap_or(id);
        key.map(|key| keys.entry(key).or_insert(id));
        cart.map(|cart| carts.entry(cart).or_insert(id));
    }
    Ok(twins)
}

/// The order that `place` has already.
fn twin(tx: &mut Tx<'_>, place: &Place, id: OrderId) -> Result<Result<Inserted, Error>, store::Error> {
    let mut order = match by_id(tx, id) {
        Ok(Some(order)) => order,
        Ok(None) => return Err(store::Error::Absent),
        Err(error) => return Ok(Err(error)),
    };
    remember(tx, place.placing.user, place.placing.key.as_ref(), &mut order)?;
    Ok(Ok(Inserted::Twin(Box::new(order))))
}

/// A call with a key of its own is remembered to have got another's order: its repeat gets it too, when the cart has
/// long moved on.
pub(super) fn remember(
    tx: &mut Tx<'_>,
    user: UserId,
    key: Option<&(String, String)>,
    order: &mut Order,
) -> Result<(), store::Error> {
    if let Some((key, print)) = key
        && order.key.as_ref().is_none_or(|(own, _)| own != key)
    {
        tx.run(
            "INSERT INTO orders_joined (user_id, checkout_key, fingerprint, order_id, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            &args![user, key, print, order.id, tx.clock().now()],
        )?;
        let print = tx.maybe(
            "SELECT fingerprint FROM orders_joined WHERE user_id = $1 AND checkout_key = $2",
            &args![user, key],
            |row| row.get::<String>(0),
        )?;
        order.key = print.map(|print| (key.clone(), print));
    }
    Ok(())
}

/// Writes the orders at `fresh` with their lines and first states.
fn write(tx: &mut Tx<'_>, asked: &[Place], fresh: &[usize]) -> Result<HashMap<usize, Order>, store::Error> {
    let mut placed = HashMap::with_capacity(fresh.len());
    if fresh.is_empty() {
        return Ok(placed);
    }
    let first = tx.next_numbers(COUNTER, fresh.len() as u32)?;
    let (mut orders, mut lines, mut states) = (Rows::new(ORDER), Rows::new(LINE), changes());
    for (n, number) in fresh.iter().zip(first..) {
        let Place {
            placing,
            by,
            request_id,
            now,
        } = &asked[*n];
        let mut order = Order::place(placing.clone(), number, by, *now);
        order.version = 1;
        orders.push(row_of(&order)?);
        for (position, line) in order.lines.iter().enumerate() {
            let Line {
                id,
                product,
                variant,
                sku,
                name,
                price,
                quantity,
            } = line;
            lines.push(args![
                order.id,
                *id,
                position as i64,
                *product,
                *variant,
                sku,
                name,
                price.minor,
                *quantity
            ]);
        }
        states.push_new(&mut order, request_id);
        emit(
            tx,
            &mut order,
            &Told {
                event: OrderEvent::Created,
                by,
                request_id,
                now: *now,
            },
        )?;
        placed.insert(*n, order);
    }
    let dialect = tx.dialect();
    let insert_orders = sql!(
        dialect,
        ORDER,
        1,
        "INSERT INTO orders_order (id, number, user_id, guest, email, status, payment_status, payment_method, payment_token,
             payment_failure, attempt, payment_version, subtotal, discount, shipping, tax, total, currency, prices_include_tax,
             channel, locale, shipping_address, billing_address, metadata, cart_id, cart_generation, checkout_key, fingerprint,
             cancel_key, hidden, refusal, sequence, version, expires_at, resume_at, created_at, updated_at)
         SELECT id, number, user_id, guest, NULLIF(email, ''), status, payment_status, payment_method, NULLIF(payment_token, ''),
             NULL, 1, 0, subtotal, discount, shipping, tax, total, currency, prices_include_tax, channel, NULL, NULLIF(shipping_address, ''),
             NULLIF(billing_address, ''), '{}', NULLIF(cart_id, ''), CASE WHEN cart_id = '' THEN NULL ELSE cart_generation END,
             NULLIF(checkout_key, ''), NULLIF(fingerprint, ''), NULL, 0, NULL, 1, 1, expires_at, resume_at, created_at, created_at
         FROM {rows} WHERE TRUE ON CONFLICT DO NOTHING"
    );
    let insert_lines = sql!(
        dialect,
        LINE,
        1,
        "INSERT INTO orders_line (order_id, id, position, product_id, variant_id, sku, name, price, quantity,
             fulfilled, returned, refunded, discount, tax_rate, tax)
         SELECT order_id, id, position, product_id, variant_id, sku, name, price, quantity, 0, 0, 0, 0, 0, 0 FROM {rows}"
    );
    let insert_states = states.sql(dialect);
    let written = tx.batch(&[
        (insert_orders, &orders.args(dialect)),
        (insert_lines, &lines.args(dialect)),
        (insert_states, &states.args(dialect)),
    ])?;
    if written[0] != fresh.len() as u64 {
        return Err(tx.conflict());
    }
    Ok(placed)
}

fn row_of(order: &Order) -> Result<[Value; 26], store::Error> {
    let totals = &order.totals;
    let (cart, generation) = order
        .cart
        .map_or((String::new(), 0), |(cart, generation)| (cart.to_string(), generation));
    let (key, print) = order.key.as_ref().map_or(("", ""), |(key, print)| (key, print));
    Ok(args![
        order.id,
        order.number,
        order.user,
        order.guest,
        order.email.as_deref().unwrap_or_default(),
        order.status.as_str(),
        order.payment_status.as_str(),
        order.method.as_str(),
        order.token.as_deref().unwrap_or_default(),
        totals.subtotal.minor,
        totals.discount.minor,
        totals.shipping.minor,
        totals.tax.minor,
        totals.total.minor,
        totals.total.currency.code(),
        json(&order.shipping_address)?.unwrap_or_default(),
        json(&order.billing_address)?.unwrap_or_default(),
        cart,
        generation,
        key,
        print,
        order.expires_at,
        order.resume_at,
        order.created_at,
        PRICES_INCLUDE_TAX,
        CHANNEL,
    ])
}
