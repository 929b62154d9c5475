//! Pages of orders. Every one is a walk along an index from where the page before ended: what it costs does not grow
//! with its depth.

use api::orders::OrderStatus;
use api::payments::PaymentStatus;
use base::{Id as _, OrderId, Page, Time, UserId};
use store::{Tx, Value, texts};

use super::rows::{COLUMNS, fill, read_order};
use crate::domain::Order;
use crate::error::Error;

/// Which orders a list shows; hidden ones never.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this user.
    pub user: Option<UserId>,
    /// In one of these states; in any when there are none.
    pub statuses: Vec<OrderStatus>,
    /// With a payment in one of these states; in any when there are none.
    pub payments: Vec<PaymentStatus>,
    /// With this number.
    pub number: Option<i64>,
    /// Placed at this moment or later.
    pub from: Option<Time>,
    /// Placed before this moment.
    pub to: Option<Time>,
    /// The oldest first instead of the newest.
    pub oldest_first: bool,
}

const STATUSES: [OrderStatus; 7] = [
    OrderStatus::Pending,
    OrderStatus::Confirmed,
    OrderStatus::Processing,
    OrderStatus::Shipped,
    OrderStatus::Delivered,
    OrderStatus::Cancelled,
    OrderStatus::Failed,
];
const PAYMENTS: [PaymentStatus; 6] = [
    PaymentStatus::Pending,
    PaymentStatus::Processing,
    PaymentStatus::Completed,
    PaymentStatus::Failed,
    PaymentStatus::Refunded,
    PaymentStatus::PartiallyRefunded,
];

/// A page of orders in the order of their ids, which is that of their placing, and whether there are more.
pub fn list(
    tx: &mut Tx<'_>,
    filter: &Filter,
    after: Option<OrderId>,
    page: &Page,
) -> Result<(Vec<Order>, bool), Error> {
    let (sql, values) = statement(filter, after, page.limit);
    let ids: Vec<OrderId> = tx.all(&sql, &values, |row| row.get(0))?;
    let more = ids.len() > page.limit as usize;
    let ids = &ids[..ids.len().min(page.limit as usize)];
    let sql = format!("SELECT {COLUMNS} FROM orders_order WHERE id = ANY($1)");
    let mut orders = tx.all(&sql, &[texts(ids)], read_order)?;
    orders.sort_by_key(|order| order.id);
    if !filter.oldest_first {
        orders.reverse();
    }
    fill(tx, &mut orders)?;
    Ok((orders, more))
}

/// The statement that finds a page's ids and one more, and its arguments.
pub fn statement(filter: &Filter, after: Option<OrderId>, limit: u32) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = Vec::new();
    let mut common = String::from("hidden = 0");
    let mut narrow = |condition: &str, value: Value| {
        values.push(value);
        common.push_str(&format!(" AND {condition} ${}", values.len()));
    };
    let by_state = !filter.statuses.is_empty() || !filter.payments.is_empty();
    let in_pairs = by_state && filter.user.is_none() && filter.number.is_none();
    let key = if in_pairs { DESK_KEY } else { "id" };
    let (behind, direction) = match filter.oldest_first {
        true => (">", "ASC"),
        false => ("<", "DESC"),
    };
    if let Some(user) = filter.user {
        narrow("user_id =", user.into());
    }
    if let Some(number) = filter.number {
        narrow("number =", number.into());
    }
    // Ids begin with the moment in which they were made: a stretch of time is a stretch of ids. The moment itself
    // decides within the millisecond.
    if let Some(from) = filter.from {
        narrow(&format!("{key} >="), first_id(from).into());
        narrow("created_at >=", from.into());
    }
    if let Some(to) = filter.to {
        narrow(&format!("{key} <"), first_id(to.after(MILLISECOND)).into());
        narrow("created_at <", to.into());
    }
    if let Some(id) = after {
        narrow(&format!("{key} {behind}"), id.into());
    }
    values.push(i64::from(limit + 1).into());
    let last = values.len();
    let tail = format!("ORDER BY {key} {direction} LIMIT ${last}");
    if !by_state {
        return (format!("SELECT id FROM orders_order WHERE {common} {tail}"), values);
    }
    let statuses = some_or_all(&filter.statuses, &STATUSES);
    let payments = some_or_all(&filter.payments, &PAYMENTS);
    let words = |of: &mut dyn Iterator<Item = &'static str>| of.map(|word| format!("'{word}'")).collect::<Vec<_>>();
    let statuses = words(&mut statuses.iter().map(|status| status.as_str()));
    let payments = words(&mut payments.iter().map(|status| status.as_str()));
    if !in_pairs {
        // One person's orders are few: their own index leads, and the states are looked at on the way.
        let (statuses, payments) = (statuses.join(", "), payments.join(", "));
        let states = format!("status IN ({statuses}) AND payment_status IN ({payments})");
        return (
            format!("SELECT id FROM orders_order WHERE {common} AND {states} {tail}"),
            values,
        );
    }
    // The first rows of each pair of states, of which the first ones are the page: no pair is read further than that.
    let pairs = statuses
        .iter()
        .flat_map(|status| payments.iter().map(move |paid| (status, paid)));
    let first_of = |(place, (status, paid)): (usize, (&String, &String))| {
        format!(
            "SELECT k FROM (SELECT {key} AS k FROM orders_order WHERE status = {status} AND payment_status = {paid} AND {common} {tail}) AS p{place}"
        )
    };
    let each: Vec<String> = pairs.enumerate().map(first_of).collect();
    let union = each.join(" UNION ALL ");
    (
        format!("SELECT k FROM ({union}) AS page ORDER BY k {direction} LIMIT ${last}"),
        values,
    )
}

/// The id as the index of the desk has it: see the migration that makes it.
const DESK_KEY: &str = "id || ''";
const MILLISECOND: std::time::Duration = std::time::Duration::from_millis(1);

/// The smallest id that can be made in the millisecond of a moment.
fn first_id(at: Time) -> OrderId {
    let millis = u128::try_from(at.micros().div_euclid(1_000)).unwrap_or_default();
    OrderId::from_bits(millis << 80)
}

fn some_or_all<'a, T>(some: &'a [T], all: &'a [T]) -> &'a [T] {
    if some.is_empty() { all } else { some }
}

/// Makes a new order of every two there are, most of them delivered, and lets the engine count them; answers how many.
#[cfg(test)]
pub fn multiply(tx: &mut Tx<'_>) -> Result<u64, Error> {
    let columns = "user_id, guest, payment_method, attempt, payment_version, subtotal, discount, shipping, tax, total, \
         currency, prices_include_tax, channel, metadata, hidden, sequence, version, expires_at, created_at, updated_at";
    let of_a: Vec<String> = columns
        .split(", ")
        .map(|column| format!("a.{}", column.trim()))
        .collect();
    let sql = format!(
        "INSERT INTO orders_order (id, number, status, payment_status, {columns})
         SELECT substr(a.id, 1, 26) || substr(b.id, 27), a.number * 1000 + b.number,
             CASE WHEN b.number % 10 < 8 THEN 'delivered' ELSE 'pending' END,
             CASE WHEN b.number % 10 < 8 THEN 'completed' ELSE 'failed' END, {}
         FROM orders_order a, orders_order b WHERE TRUE ON CONFLICT DO NOTHING",
        of_a.join(", ")
    );
    let made = tx.run(&sql, &[])?;
    if tx.dialect() == store::Dialect::Postgres {
        tx.run("ANALYZE orders_order", &[])?;
    }
    Ok(made)
}
