//! Payments that begin, with their first attempts, for many orders at once.

use std::collections::{BTreeMap, HashSet};

use api::payments::PaymentStatus;
use base::{AttemptId, OrderId, PaymentId};
use store::{Dialect, Error, RowColumn, Rows, Tx, Value, args, sql, texts};

use super::inbox::{self, CLAIM_NOTICES};
use crate::domain::{Attempt, Payment};

/// A payment that has just begun, and what it began with.
#[derive(Clone, Debug)]
pub struct First {
    /// The payment; the attempt is the one it is trying.
    pub payment: Payment,
    /// Its attempt.
    pub attempt: Attempt,
}

/// What became of several [`First`]s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Begun {
    /// Those that began. The orders of the others have a payment already; of them nothing was written.
    pub payments: HashSet<PaymentId>,
    /// Of which webhooks waited in the inbox; these are now marked as matched.
    pub awaited: HashSet<AttemptId>,
}

const PAYMENT: [RowColumn; 9] = [
    RowColumn::Text("id"),
    RowColumn::Text("order_id"),
    RowColumn::Text("user_id"),
    RowColumn::Int("amount"),
    RowColumn::Text("currency"),
    RowColumn::Text("method"),
    RowColumn::Text("provider"),
    RowColumn::Text("trying"),
    RowColumn::Int("at"),
];

const ATTEMPT: [RowColumn; 9] = [
    RowColumn::Text("id"),
    RowColumn::Text("payment_id"),
    RowColumn::Text("order_id"),
    RowColumn::Int("number"),
    RowColumn::Text("token"),
    RowColumn::Int("resume_at"),
    RowColumn::Text("actor"),
    RowColumn::Text("request_id"),
    RowColumn::Int("at"),
];

/// Writes payments with their first attempts, each unless its order has a payment already; of several for one order
/// the first begins. Three statements, whatever their number.
pub fn begin(tx: &mut Tx<'_>, firsts: &[impl AsRef<First>]) -> Result<Begun, Error> {
    let dialect = tx.dialect();
    // In key order, so that batches of several processes wait for each other and never in a circle.
    let mut orders: BTreeMap<OrderId, &First> = BTreeMap::new();
    for first in firsts {
        let first = first.as_ref();
        orders.entry(first.payment.order).or_insert(first);
    }
    let mut rows = Rows::new(PAYMENT);
    for first in orders.values() {
        rows.push(payment_row(first));
    }
    let insert = sql!(
        dialect,
        PAYMENT,
        1,
        "INSERT INTO payments_payment (id, order_id, user_id, amount, currency, method, provider, status, captured,
             refunded, refunding, trying, closed, version, revision, created_at, updated_at, metadata)
         SELECT id, order_id, NULLIF(user_id, ''), amount, currency, method, provider, 'processing', 0,
             0, 0, trying, 0, 0, 0, at, at, '{}'
         FROM {rows} WHERE true ON CONFLICT (order_id) DO NOTHING RETURNING id"
    );
    let payments: HashSet<PaymentId> = tx
        .all(insert, &rows.args(dialect), |row| row.get(0))?
        .into_iter()
        .collect();
    let begun = orders.values().filter(|first| payments.contains(&first.payment.id));
    let attempts: Vec<&Attempt> = begun.map(|first| &first.attempt).collect();
    let Some(one) = attempts.first() else {
        return Ok(Begun::default());
    };
    let claim = [texts(attempts.iter().map(|attempt| attempt.id)), one.created_at.into()];
    let done = tx.batch(&[
        (insert_attempts(dialect), &attempt_args(&attempts, dialect)),
        (CLAIM_NOTICES, &claim),
    ])?;
    if done[0] != attempts.len() as u64 {
        return Err(tx.conflict());
    }
    let awaited = match done[1] {
        0 => HashSet::new(),
        _ => inbox::awaited(tx, &claim[..1])?,
    };
    Ok(Begun { payments, awaited })
}

/// A payment that has just begun differs from others in this only; the rest is in the statement.
fn payment_row(first: &First) -> [Value; PAYMENT.len()] {
    let payment = &first.payment;
    debug_assert!(
        payment.status == PaymentStatus::Processing && payment.trying == Some(first.attempt.id),
        "{payment:?}"
    );
    debug_assert!(payment.captured == 0 && payment.version == 0 && payment.revision == 0 && !payment.closed);
    args![
        payment.id,
        payment.order,
        payment.user,
        payment.due.minor,
        payment.due.currency.code(),
        payment.method.as_str(),
        &payment.provider,
        first.attempt.id,
        payment.created_at,
    ]
}

/// Writes attempts that nobody has driven yet.
pub(super) fn insert_attempts(dialect: Dialect) -> &'static str {
    sql!(
        dialect,
        ATTEMPT,
        1,
        "INSERT INTO payments_attempt (id, payment_id, order_id, number, status, token, tries, resume_at, actor,
             request_id, created_at, updated_at)
         SELECT id, payment_id, order_id, number, 'open', NULLIF(token, ''), 0, resume_at, actor, request_id, at, at
         FROM {rows} WHERE true ON CONFLICT DO NOTHING"
    )
}

/// The arguments of [`insert_attempts`].
pub(super) fn attempt_args(attempts: &[&Attempt], dialect: Dialect) -> Vec<Value> {
    let mut rows = Rows::new(ATTEMPT);
    for attempt in attempts {
        rows.push(args![
            attempt.id,
            attempt.payment,
            attempt.order,
            attempt.number,
            attempt.token.as_deref(),
            attempt.resume_at,
            &attempt.cause.actor,
            &attempt.cause.request_id,
            attempt.created_at,
        ]);
    }
    rows.args(dialect)
}
