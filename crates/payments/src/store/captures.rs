//! Captures that settle their payments, for many payments at once.

use std::collections::{BTreeMap, HashSet};

use base::PaymentId;
use store::{Error, RowColumn, Rows, Tx, args, sql};

use crate::domain::{Capture, Settled};

const PAYMENT: [RowColumn; 7] = [
    RowColumn::Text("payment_id"),
    RowColumn::Int("was"),
    RowColumn::Text("became"),
    RowColumn::Int("amount"),
    RowColumn::Text("attempt_id"),
    RowColumn::Int("told"),
    RowColumn::Int("at"),
];

const CAPTURE: [RowColumn; 5] = [
    RowColumn::Text("attempt"),
    RowColumn::Text("payment"),
    RowColumn::Int("captured"),
    RowColumn::Text("name"),
    RowColumn::Int("at"),
];

/// Saves what [`Settled::is_plain`] captures came to; answers which payments took theirs. The others changed since
/// they were read, and nothing was written of them. Of several for one payment the first counts. Three statements,
/// whatever their number.
pub fn capture(tx: &mut Tx<'_>, settled: &[impl AsRef<Settled>]) -> Result<HashSet<PaymentId>, Error> {
    let dialect = tx.dialect();
    // In key order, which is also the order of the locks as long as the plan walks the rows; should two processes
    // meet the other way round all the same, the batch of one of them runs again.
    let mut payments: BTreeMap<PaymentId, (&Settled, &Capture)> = BTreeMap::new();
    for one in settled {
        let one = one.as_ref();
        if let Some(capture) = &one.capture {
            payments.entry(one.payment.id).or_insert((one, capture));
        }
    }
    let mut rows = Rows::new(PAYMENT);
    for (id, (settled, capture)) in &payments {
        debug_assert!(settled.is_plain(), "{settled:?}");
        let payment = &settled.payment;
        rows.push(args![
            id,
            payment.revision,
            payment.status.as_str(),
            payment.captured,
            capture.attempt,
            payment.version,
            payment.updated_at,
        ]);
    }
    let update = sql!(
        dialect,
        PAYMENT,
        1,
        "UPDATE payments_payment AS p SET status = d.became, captured = d.amount, paid_by = d.attempt_id, trying = NULL,
             failure_code = NULL, failure_detail = NULL, version = d.told, updated_at = d.at, revision = d.was + 1
         FROM {rows} WHERE p.id = d.payment_id AND p.revision = d.was RETURNING id"
    );
    let taken: HashSet<PaymentId> = tx
        .all(update, &rows.args(dialect), |row| row.get(0))?
        .into_iter()
        .collect();
    if taken.is_empty() {
        return Ok(taken);
    }
    let mut rows = Rows::new(CAPTURE);
    for (id, (_, capture)) in payments.iter().filter(|(id, _)| taken.contains(id)) {
        rows.push(args![
            capture.attempt,
            id,
            capture.amount,
            &capture.charge,
            capture.created_at
        ]);
    }
    let rows = rows.args(dialect);
    let done = tx.batch(&[
        (
            sql!(
                dialect,
                CAPTURE,
                1,
                "UPDATE payments_attempt AS a SET status = 'captured', charge = d.name, token = NULL, failure_code = NULL,
                     failure_detail = NULL, updated_at = d.at
                 FROM {rows} WHERE a.id = d.attempt"
            ),
            &rows,
        ),
        (
            sql!(
                dialect,
                CAPTURE,
                1,
                "INSERT INTO payments_capture (attempt_id, payment_id, amount, charge, surplus, created_at)
                 SELECT attempt, payment, captured, name, 0, at FROM {rows} WHERE true
                 ON CONFLICT (attempt_id) DO NOTHING"
            ),
            &rows,
        ),
    ])?;
    if done.iter().any(|&changed| changed != taken.len() as u64) {
        return Err(tx.conflict());
    }
    Ok(taken)
}
