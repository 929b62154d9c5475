//! The rows of payments. Whoever changes a payment's row does so through [`save`], [`add_attempt`] or, for many at
//! once, [`capture`], which check that nobody else did meanwhile; that guard keeps every other row of the payment
//! consistent, too.

mod audit;
mod captures;
mod due;
mod firsts;
mod inbox;
mod rows;

use api::payments::Failure;
use base::{AttemptId, OrderId, PaymentId, RefundId, Time};
use store::{Error, Tx, Value, args, texts};

use crate::domain::{Attempt, Capture, Payment, Refund, RefundStatus};

pub use audit::audit;
pub use captures::capture;
pub use due::{
    DUE_MAX, attempts_due, claim_attempt, claim_refund, doubt, refunds_due, release_attempt, release_refund,
};
pub use firsts::{First, begin};
pub use inbox::{crossed, match_notices, notices, receive, sweep_inbox};

use inbox::CLAIM_NOTICES;
use rows::{PAYMENT_COLUMNS, attempt_columns, payment_columns, refund_columns};

/// Rows of one payment that are read; a payment has a handful, so more is a runaway.
const ROWS_MAX: u32 = 1_000;

/// The payment of an order, a tombstone included.
pub fn payment_of(tx: &mut Tx<'_>, order: OrderId) -> Result<Option<Payment>, Error> {
    let sql = concat!(
        "SELECT ",
        payment_columns!(),
        " FROM payments_payment p WHERE p.order_id = $1"
    );
    tx.maybe(sql, &args![order], |row| rows::payment(row, 0))
}

/// A payment by its id.
pub fn payment(tx: &mut Tx<'_>, id: PaymentId) -> Result<Option<Payment>, Error> {
    let sql = concat!(
        "SELECT ",
        payment_columns!(),
        " FROM payments_payment p WHERE p.id = $1"
    );
    tx.maybe(sql, &args![id], |row| rows::payment(row, 0))
}

/// An attempt and its payment.
pub fn attempt(tx: &mut Tx<'_>, id: AttemptId) -> Result<Option<(Payment, Attempt)>, Error> {
    let sql = concat!(
        "SELECT ",
        payment_columns!(),
        ", ",
        attempt_columns!(),
        " FROM payments_attempt a JOIN payments_payment p ON p.id = a.payment_id WHERE a.id = $1"
    );
    tx.maybe(sql, &args![id], |row| {
        Ok((rows::payment(row, 0)?, rows::attempt(row, PAYMENT_COLUMNS)?))
    })
}

/// The newest attempt of an order.
pub fn last_attempt(tx: &mut Tx<'_>, order: OrderId) -> Result<Option<Attempt>, Error> {
    let sql = concat!(
        "SELECT ",
        attempt_columns!(),
        " FROM payments_attempt a WHERE a.order_id = $1 ORDER BY a.number DESC LIMIT 1"
    );
    tx.maybe(sql, &args![order], |row| rows::attempt(row, 0))
}

/// Every attempt of an order, the first one first.
pub fn attempts(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<Attempt>, Error> {
    let sql = concat!(
        "SELECT ",
        attempt_columns!(),
        " FROM payments_attempt a WHERE a.order_id = $1 ORDER BY a.number LIMIT $2"
    );
    tx.all(sql, &args![order, ROWS_MAX], |row| rows::attempt(row, 0))
}

/// Every capture of a payment, the first one first.
pub fn captures(tx: &mut Tx<'_>, payment: PaymentId) -> Result<Vec<Capture>, Error> {
    tx.all(
        "SELECT attempt_id, amount, charge, surplus, created_at FROM payments_capture
         WHERE payment_id = $1 ORDER BY attempt_id LIMIT $2",
        &args![payment, ROWS_MAX],
        rows::capture,
    )
}

/// Every refund of a payment, the first one first.
pub fn refunds(tx: &mut Tx<'_>, payment: PaymentId) -> Result<Vec<Refund>, Error> {
    let sql = concat!(
        "SELECT ",
        refund_columns!(),
        " FROM payments_refund r WHERE r.payment_id = $1 ORDER BY r.id LIMIT $2"
    );
    tx.all(sql, &args![payment, ROWS_MAX], rows::refund)
}

/// When the provider last refused to give something of a payment back.
pub fn last_refused(tx: &mut Tx<'_>, payment: PaymentId) -> Result<Option<Time>, Error> {
    let sql =
        "SELECT updated_at FROM payments_refund WHERE payment_id = $1 AND status = 'failed' ORDER BY id DESC LIMIT 1";
    tx.maybe(sql, &args![payment], |row| row.get(0))
}

/// A refund by its id.
pub fn refund(tx: &mut Tx<'_>, id: RefundId) -> Result<Option<Refund>, Error> {
    let sql = concat!("SELECT ", refund_columns!(), " FROM payments_refund r WHERE r.id = $1");
    tx.maybe(sql, &args![id], rows::refund)
}

fn failure_args(failure: Option<&Failure>) -> [Value; 2] {
    args![
        failure.map(|why| why.code.as_str()),
        failure.map(|why| why.detail.as_str())
    ]
}

fn insert_payment_args(payment: &Payment) -> Vec<Value> {
    let mut all = Vec::with_capacity(PAYMENT_COLUMNS);
    all.extend(args![
        payment.id,
        payment.order,
        payment.user,
        payment.due.minor,
        payment.due.currency.code(),
        payment.method.as_str(),
        &payment.provider,
        payment.status.as_str(),
        payment.captured,
        payment.refunded,
        payment.refunding,
        payment.paid_by,
        payment.trying,
        payment.closed,
    ]);
    all.extend(failure_args(payment.failure.as_ref()));
    all.extend(args![
        payment.version,
        payment.revision,
        payment.created_at,
        payment.updated_at
    ]);
    all
}

const INSERT_PAYMENT: &str = "INSERT INTO payments_payment (id, order_id, user_id, amount, currency, method, provider,
         status, captured, refunded, refunding, paid_by, trying, closed, failure_code, failure_detail, version, revision,
         created_at, updated_at, metadata)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, '{}')
     ON CONFLICT (order_id) DO NOTHING";

/// Writes the first row of an order's payment; `false` when there is one already.
pub fn add_payment(tx: &mut Tx<'_>, payment: &Payment) -> Result<bool, Error> {
    Ok(tx.run(INSERT_PAYMENT, &insert_payment_args(payment))? == 1)
}

/// The guarded update of a payment's row: [`Error::Conflict`] and another run when it changed meanwhile.
const SAVE_PAYMENT: &str = "UPDATE payments_payment
     SET method = $3, status = $4, captured = $5, refunded = $6, refunding = $7, paid_by = $8, trying = $9, closed = $10,
         failure_code = $11, failure_detail = $12, version = $13, updated_at = $14, revision = $2 + 1
     WHERE id = $1 AND revision = $2";

fn save_payment_args(payment: &Payment) -> Vec<Value> {
    let mut all = Vec::with_capacity(14);
    all.extend(args![
        payment.id,
        payment.revision,
        payment.method.as_str(),
        payment.status.as_str(),
        payment.captured,
        payment.refunded,
        payment.refunding,
        payment.paid_by,
        payment.trying,
        payment.closed,
    ]);
    all.extend(failure_args(payment.failure.as_ref()));
    all.extend(args![payment.version, payment.updated_at]);
    all
}

/// What became of a further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It began.
    Fresh,
    /// It began, and webhooks that came before it waited in the inbox; they are now marked as matched.
    Awaited,
}

/// Saves a payment and writes its next attempt.
pub fn add_attempt(tx: &mut Tx<'_>, payment: &mut Payment, attempt: &Attempt) -> Result<Next, Error> {
    let dialect = tx.dialect();
    let claim = [texts([attempt.id]), attempt.created_at.into()];
    let done = tx.batch(&[
        (SAVE_PAYMENT, &save_payment_args(payment)),
        (
            firsts::insert_attempts(dialect),
            &firsts::attempt_args(&[attempt], dialect),
        ),
        (CLAIM_NOTICES, &claim),
    ])?;
    let next = match done[..] {
        [1, 1, 0] => Next::Fresh,
        [1, 1, _] => Next::Awaited,
        _ => return Err(tx.conflict()),
    };
    payment.revision += 1;
    Ok(next)
}

/// What changes together with a payment's row.
#[derive(Clone, Debug, Default)]
pub struct Change<'a> {
    /// An attempt's outcome.
    pub attempt: Option<&'a Attempt>,
    /// New money.
    pub capture: Option<&'a Capture>,
    /// Money that is to go back.
    pub new_refund: Option<&'a Refund>,
    /// A refund's outcome: its id, and what it came to.
    pub refund: Option<(RefundId, RefundStatus)>,
}

/// Saves a payment and what changed with it, in one breath. Errors: [`Error::Conflict`] (and another run) when
/// the payment, or the refund that ends, changed meanwhile.
pub fn save(tx: &mut Tx<'_>, payment: &mut Payment, change: &Change<'_>) -> Result<(), Error> {
    let mut all: Vec<(&str, Vec<Value>)> = vec![(SAVE_PAYMENT, save_payment_args(payment))];
    if let Some(attempt) = change.attempt {
        let mut values = Vec::from(args![
            attempt.id,
            attempt.status.as_str(),
            attempt.charge.as_deref(),
            payment.updated_at
        ]);
        values.extend(failure_args(attempt.failure.as_ref()));
        let sql = "UPDATE payments_attempt SET status = $2, charge = $3, token = NULL, updated_at = $4,
                       failure_code = $5, failure_detail = $6
                   WHERE id = $1";
        all.push((sql, values));
    }
    if let Some(capture) = change.capture {
        let sql = "INSERT INTO payments_capture (attempt_id, payment_id, amount, charge, surplus, created_at)
                   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (attempt_id) DO NOTHING";
        let values = args![
            capture.attempt,
            payment.id,
            capture.amount,
            &capture.charge,
            capture.surplus,
            capture.created_at
        ];
        all.push((sql, values.into()));
    }
    if let Some(refund) = change.new_refund {
        let sql = "INSERT INTO payments_refund (id, payment_id, attempt_id, amount, surplus, status, reason, tries,
                       resume_at, actor, request_id, created_at, updated_at)
                   VALUES ($1, $2, $3, $4, $5, 'pending', $6, 0, $7, $8, $9, $10, $10) ON CONFLICT (id) DO NOTHING";
        let values = args![
            refund.id,
            refund.payment,
            refund.attempt,
            refund.amount,
            refund.surplus,
            refund.reason.as_deref(),
            refund.resume_at,
            &refund.cause.actor,
            &refund.cause.request_id,
            refund.created_at,
        ];
        all.push((sql, values.into()));
    }
    if let Some((id, status)) = change.refund {
        let sql = "UPDATE payments_refund SET status = $2, updated_at = $3 WHERE id = $1 AND status = 'pending'";
        all.push((sql, args![id, status.as_str(), payment.updated_at].into()));
    }
    let spoken: Vec<(&str, &[Value])> = all.iter().map(|(sql, values)| (*sql, &values[..])).collect();
    let done = tx.batch(&spoken)?;
    if done.iter().any(|&rows| rows != 1) {
        return Err(tx.conflict());
    }
    payment.revision += 1;
    Ok(())
}
