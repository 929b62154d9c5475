//! An order as rows, and back.

use api::orders::OrderStatus;
use api::payments::{PaymentMethod, PaymentStatus};
use base::{CartId, Currency, Money, OrderId};
use serde::Serialize;
use store::{Row, Tx, texts};

use crate::domain::{Change, Line, Order, SoFar, Totals};
use crate::error::Error;

/// The columns of `orders_order`, in the order in which [`read_order`] has them.
pub(super) const COLUMNS: &str = "id, number, user_id, guest, email, status, payment_status, payment_method, payment_token, payment_failure, \
     attempt, payment_version, subtotal, discount, shipping, tax, total, currency, prices_include_tax, channel, locale, \
     shipping_address, billing_address, metadata, cart_id, cart_generation, checkout_key, fingerprint, cancel_key, hidden, refusal, \
     sequence, version, expires_at, resume_at, created_at, updated_at";

/// Where an order was placed. Others come with other ways to sell.
pub(super) const CHANNEL: &str = "web";
/// Prices are gross until the shop's tax settings say otherwise.
pub const PRICES_INCLUDE_TAX: bool = true;

/// Something as JSON, for a column.
pub(super) fn json<T: Serialize>(value: &Option<T>) -> Result<Option<String>, store::Error> {
    let text = value.as_ref().map(serde_json::to_string).transpose();
    text.map_err(|fault| store::Error::Corrupt(fault.to_string()))
}

/// An order without its lines and states; [`fill`] reads those.
pub(super) fn read_order(row: &Row) -> Result<Order, store::Error> {
    let currency: Currency = row.parse(17)?;
    let money = |index| Ok::<_, store::Error>(Money::new(row.get(index)?, currency));
    let text = |index| row.get::<Option<String>>(index);
    let cart = row.get::<Option<CartId>>(24)?.zip(row.get::<Option<i64>>(25)?);
    let key = text(26)?.zip(text(27)?);
    Ok(Order {
        id: row.get(0)?,
        number: row.get(1)?,
        user: row.get(2)?,
        guest: row.get(3)?,
        email: text(4)?,
        status: word(row, 5, OrderStatus::parse)?,
        payment_status: word(row, 6, PaymentStatus::parse)?,
        method: word(row, 7, PaymentMethod::parse)?,
        token: text(8)?,
        failure: object(row, 9)?,
        attempt: row.get(10)?,
        payment_version: row.get(11)?,
        totals: Totals {
            subtotal: money(12)?,
            discount: money(13)?,
            shipping: money(14)?,
            tax: money(15)?,
            total: money(16)?,
        },
        lines: Vec::new(),
        shipping_address: object(row, 21)?,
        billing_address: object(row, 22)?,
        metadata: row.json(23)?,
        cart,
        key,
        cancel_key: text(28)?,
        refusal: object(row, 30)?,
        history: Vec::new(),
        recorded: 0,
        sequence: row.get(31)?,
        version: row.get(32)?,
        expires_at: row.get(33)?,
        resume_at: row.get(34)?,
        created_at: row.get(35)?,
        updated_at: row.get(36)?,
        so_far: SoFar::default(),
    })
}

fn word<T>(row: &Row, index: usize, parse: fn(&str) -> Option<T>) -> Result<T, store::Error> {
    let text: String = row.get(index)?;
    parse(&text).ok_or_else(|| store::Error::Corrupt(format!("column {index}: no such state")))
}

fn object<T: serde::de::DeserializeOwned>(row: &Row, index: usize) -> Result<Option<T>, store::Error> {
    match row.get::<Option<String>>(index)? {
        Some(_) => row.json(index).map(Some),
        None => Ok(None),
    }
}

/// Reads the lines and states of all `orders` with one statement each.
pub(super) fn fill(tx: &mut Tx<'_>, orders: &mut [Order]) -> Result<(), Error> {
    if orders.is_empty() {
        return Ok(());
    }
    let ids = texts(orders.iter().map(|order| order.id));
    let lines = tx.all(
        "SELECT order_id, id, product_id, variant_id, sku, name, price, quantity FROM orders_line WHERE order_id = ANY($1) ORDER BY order_id, position",
        std::slice::from_ref(&ids),
        |row| {
            let price = Money::new(row.get(6)?, Currency::USD); // The currency is the order's; see below.
            let line = Line { id: row.get(1)?, product: row.get(2)?, variant: row.get(3)?, sku: row.get(4)?, name: row.get(5)?, price, quantity: row.get(7)? };
            Ok((row.get::<OrderId>(0)?, line))
        },
    )?;
    let changes = tx.all(
        "SELECT order_id, status, at, actor, reason FROM orders_change WHERE order_id = ANY($1) ORDER BY order_id, position",
        &[ids],
        |row| {
            let change = Change { status: word(row, 1, OrderStatus::parse)?, at: row.get(2)?, by: row.get(3)?, reason: row.get(4)? };
            Ok((row.get::<OrderId>(0)?, change))
        },
    )?;
    for (id, mut line) in lines {
        if let Some(order) = orders.iter_mut().find(|order| order.id == id) {
            line.price.currency = order.totals.total.currency;
            order.lines.push(line);
        }
    }
    for (id, change) in changes {
        if let Some(order) = orders.iter_mut().find(|order| order.id == id) {
            order.history.push(change);
            order.recorded += 1;
        }
    }
    Ok(())
}
