//! Work that is not done yet: who drives it, and until when others leave it alone.

use base::{AttemptId, RefundId, Time};
use store::{Error, Tx, args};

use super::rows::{self, attempt_columns, refund_columns};
use crate::domain::{Attempt, Refund};

/// Rows that one look for unfinished work takes in, so that a round of the task stays short.
pub const DUE_MAX: u32 = 64;

/// The provider did not answer: what became of a live attempt is unknown.
pub fn doubt(tx: &mut Tx<'_>, id: AttemptId, now: Time) -> Result<(), Error> {
    let sql = "UPDATE payments_attempt SET status = 'unknown', updated_at = $2 WHERE id = $1 AND status = 'open'";
    tx.run(sql, &args![id, now]).map(drop)
}

/// Whoever drove the attempt stops: others may take it up from `at` on.
pub fn release_attempt(tx: &mut Tx<'_>, id: AttemptId, at: Time) -> Result<(), Error> {
    let sql = "UPDATE payments_attempt SET resume_at = $2 WHERE id = $1 AND status IN ('open', 'unknown')";
    tx.run(sql, &args![id, at]).map(drop)
}

/// Whoever drove the refund stops: others may take it up from `at` on.
pub fn release_refund(tx: &mut Tx<'_>, id: RefundId, at: Time) -> Result<(), Error> {
    let sql = "UPDATE payments_refund SET resume_at = $2 WHERE id = $1 AND status = 'pending'";
    tx.run(sql, &args![id, at]).map(drop)
}

/// Live attempts that nobody drives at `now`, the longest waiting first.
pub fn attempts_due(tx: &mut Tx<'_>, now: Time) -> Result<Vec<Attempt>, Error> {
    let sql = concat!(
        "SELECT ",
        attempt_columns!(),
        " FROM payments_attempt a WHERE a.status IN ('open', 'unknown') AND a.resume_at <= $1 ORDER BY a.resume_at LIMIT $2"
    );
    tx.all(sql, &args![now, DUE_MAX], |row| rows::attempt(row, 0))
}

/// Pending refunds that nobody drives at `now`, the longest waiting first.
pub fn refunds_due(tx: &mut Tx<'_>, now: Time) -> Result<Vec<Refund>, Error> {
    let sql = concat!(
        "SELECT ",
        refund_columns!(),
        " FROM payments_refund r WHERE r.status = 'pending' AND r.resume_at <= $1 ORDER BY r.resume_at LIMIT $2"
    );
    tx.all(sql, &args![now, DUE_MAX], rows::refund)
}

/// Takes up an attempt until `until`; `false` when somebody else did meanwhile.
pub fn claim_attempt(tx: &mut Tx<'_>, attempt: &Attempt, until: Time) -> Result<bool, Error> {
    let sql = "UPDATE payments_attempt SET resume_at = $3, tries = tries + 1
               WHERE id = $1 AND resume_at = $2 AND status IN ('open', 'unknown')";
    Ok(tx.run(sql, &args![attempt.id, attempt.resume_at, until])? == 1)
}

/// Takes up a refund until `until`; `false` when somebody else did meanwhile.
pub fn claim_refund(tx: &mut Tx<'_>, refund: &Refund, until: Time) -> Result<bool, Error> {
    let sql = "UPDATE payments_refund SET resume_at = $3, tries = tries + 1
               WHERE id = $1 AND resume_at = $2 AND status = 'pending'";
    Ok(tx.run(sql, &args![refund.id, refund.resume_at, until])? == 1)
}
