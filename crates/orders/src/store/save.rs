//! Writes orders that changed, many in one batch, each only if nobody changed it since it was read.

use std::collections::HashSet;

use base::{Currency, OrderId, Time};
use serde::Serialize;
use store::{Dialect, Outgoing, RowColumn, Rows, Tx, Value, args, sql};

use super::rows::json;
use crate::domain::{Order, OrderEvent, REASONS};
use crate::error::Error;

/// An order that changed, and what the world is told of it.
#[derive(Clone)]
pub struct Save {
    /// The order, with the version that was read.
    pub order: Order,
    /// The event.
    pub event: Option<OrderEvent>,
    /// Who caused it.
    pub by: String,
    /// The request that caused it.
    pub request_id: String,
    /// When.
    pub now: Time,
}

/// An event to tell, and who caused it.
pub struct Told<'a> {
    /// What happened.
    pub event: OrderEvent,
    /// Who caused it.
    pub by: &'a str,
    /// The request that caused it.
    pub request_id: &'a str,
    /// When.
    pub now: Time,
}

// What may be absent is '' here, and 0 for a time; both become NULL in the statement.
const CHANGED: [RowColumn; 16] = [
    RowColumn::Text("id"),
    RowColumn::Int("was"),
    RowColumn::Text("status"),
    RowColumn::Text("payment_status"),
    RowColumn::Text("payment_method"),
    RowColumn::Text("payment_token"),
    RowColumn::Text("payment_failure"),
    RowColumn::Int("attempt"),
    RowColumn::Int("payment_version"),
    RowColumn::Text("checkout_key"),
    RowColumn::Text("cancel_key"),
    RowColumn::Int("hidden"),
    RowColumn::Text("refusal"),
    RowColumn::Int("sequence"),
    RowColumn::Int("resume_at"),
    RowColumn::Int("updated_at"),
];

/// Writes an order that changed, unless somebody changed it since it was read: then `false`, and nothing is written.
pub fn save(
    tx: &mut Tx<'_>,
    order: &mut Order,
    event: Option<OrderEvent>,
    by: &str,
    request_id: &str,
    now: Time,
) -> Result<bool, Error> {
    let save = Save {
        order: order.clone(),
        event,
        by: by.to_owned(),
        request_id: request_id.to_owned(),
        now,
    };
    match save_all(tx, std::slice::from_ref(&save))?.pop().flatten() {
        Some(saved) => {
            *order = saved;
            Ok(true)
        }
        None => Ok(false),
    }
}

/// [`save`] for many: each order as it then is, or none where somebody was faster. Of several for one order the first
/// one counts, since the others read before it wrote.
pub fn save_all(tx: &mut Tx<'_>, saves: &[Save]) -> Result<Vec<Option<Order>>, store::Error> {
    let mut rows = Rows::new(CHANGED);
    let mut seen = HashSet::with_capacity(saves.len());
    let firsts: Vec<bool> = saves.iter().map(|save| seen.insert(save.order.id)).collect();
    for (save, _) in saves.iter().zip(&firsts).filter(|(_, first)| **first) {
        rows.push(row_of(save)?);
    }
    let sql = sql!(
        tx.dialect(),
        CHANGED,
        1,
        "UPDATE orders_order SET status = d.status, payment_status = d.payment_status, payment_method = d.payment_method,
             payment_token = NULLIF(d.payment_token, ''), payment_failure = NULLIF(d.payment_failure, ''), attempt = d.attempt,
             payment_version = d.payment_version, checkout_key = NULLIF(d.checkout_key, ''), cancel_key = NULLIF(d.cancel_key, ''),
             hidden = d.hidden, refusal = NULLIF(d.refusal, ''), sequence = d.sequence, resume_at = NULLIF(d.resume_at, 0),
             updated_at = d.updated_at, version = d.was + 1
         FROM {rows} WHERE orders_order.id = d.id AND orders_order.version = d.was RETURNING orders_order.id"
    );
    let written = tx.all(sql, &rows.args(tx.dialect()), |row| row.get::<OrderId>(0))?;
    let written: HashSet<OrderId> = written.into_iter().collect();
    let mut states = changes();
    let mut saved = Vec::with_capacity(saves.len());
    for (save, first) in saves.iter().zip(firsts) {
        if !first || !written.contains(&save.order.id) {
            saved.push(None);
            continue;
        }
        let mut order = save.order.clone();
        order.version += 1;
        states.push_new(&mut order, &save.request_id);
        if let Some(event) = save.event {
            let told = Told {
                event,
                by: &save.by,
                request_id: &save.request_id,
                now: save.now,
            };
            emit(tx, &mut order, &told)?;
        }
        if order.refusal.is_some() {
            // Calls that joined it are decided anew, like the one that placed it.
            tx.run("DELETE FROM orders_joined WHERE order_id = $1", &args![order.id])?;
        }
        saved.push(Some(order));
    }
    if !states.is_empty() {
        let dialect = tx.dialect();
        tx.run(states.sql(dialect), &states.args(dialect))?;
    }
    Ok(saved)
}

fn row_of(save: &Save) -> Result<[Value; 16], store::Error> {
    let order = &save.order;
    Ok(args![
        order.id,
        order.version,
        order.status.as_str(),
        order.payment_status.as_str(),
        order.method.as_str(),
        order.token.as_deref().unwrap_or_default(),
        json(&order.failure)?.unwrap_or_default(),
        order.attempt,
        order.payment_version,
        order.key.as_ref().map_or("", |(key, _)| key),
        order.cancel_key.as_deref().unwrap_or_default(),
        order.refusal.is_some(),
        json(&order.refusal)?.unwrap_or_default(),
        order.sequence + i64::from(save.event.is_some()),
        order.resume_at.map_or(0, |at| at.micros()),
        order.updated_at,
    ])
}

/// States of orders on their way into their table.
pub struct Changes(Rows<7>);

const CHANGE: [RowColumn; 7] = [
    RowColumn::Text("order_id"),
    RowColumn::Int("position"),
    RowColumn::Text("status"),
    RowColumn::Int("at"),
    RowColumn::Text("actor"),
    RowColumn::Text("reason"),
    RowColumn::Text("request_id"),
];

/// No states yet.
pub fn changes() -> Changes {
    Changes(Rows::new(CHANGE))
}

impl Changes {
    /// The states of `order` that the rows do not have yet.
    pub fn push_new(&mut self, order: &mut Order, request_id: &str) {
        for (position, change) in order.history.iter().enumerate().skip(order.recorded) {
            let reason = change.reason.as_deref().unwrap_or_default();
            self.0.push(args![
                order.id,
                position as i64,
                change.status.as_str(),
                change.at,
                &change.by,
                reason,
                request_id
            ]);
        }
        order.recorded = order.history.len();
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// The statement that writes them.
    pub fn sql(&self, dialect: Dialect) -> &'static str {
        sql!(
            dialect,
            CHANGE,
            1,
            "INSERT INTO orders_change (order_id, position, status, at, actor, reason, request_id)
             SELECT order_id, position, status, at, actor, NULLIF(reason, ''), request_id FROM {rows}"
        )
    }

    /// Its arguments.
    pub fn args(self, dialect: Dialect) -> Vec<Value> {
        self.0.args(dialect)
    }
}

/// What an event of an order says. No personal data: other services ask for what they may see.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    order_id: OrderId,
    number: i64,
    status: &'a str,
    total: base::Amount,
    currency: Currency,
    item_count: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// Tells the world of an order.
pub fn emit(tx: &mut Tx<'_>, order: &mut Order, told: &Told<'_>) -> Result<(), store::Error> {
    order.sequence += 1;
    let data = Data {
        order_id: order.id,
        number: order.number,
        status: order.status.as_str(),
        total: order.totals.total.amount(),
        currency: order.totals.total.currency,
        item_count: order.lines.iter().map(|line| line.quantity).sum(),
        // People's own words stay in the history: they may name somebody.
        reason: order
            .history
            .last()
            .and_then(|change| change.reason.as_deref())
            .filter(|reason| REASONS.contains(reason)),
    };
    tx.emit(Outgoing {
        id: tx.ids().next(told.now),
        kind: told.event.kind().into(),
        subject: order.id.to_string(),
        sequence: order.sequence,
        at: told.now,
        actor: told.by.to_owned(),
        request_id: told.request_id.to_owned(),
        data: serde_json::to_string(&data).map_err(|fault| store::Error::Corrupt(fault.to_string()))?,
    })
}
