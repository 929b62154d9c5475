//! Webhooks: each once; what names no attempt yet waits for it.

use std::collections::HashSet;

use base::{AttemptId, Time};
use store::{Error, Tx, Value, args, texts};

use super::{DUE_MAX, ROWS_MAX};
use crate::domain::Outcome;
use crate::provider::Notice;

/// Marks what waits for these subjects as matched.
pub(super) const CLAIM_NOTICES: &str =
    "UPDATE payments_inbox SET matched_at = $2 WHERE subject = ANY($1) AND matched_at IS NULL";

/// Remembers a webhook; `false` when it came before.
pub fn receive(
    tx: &mut Tx<'_>,
    provider: &str,
    id: &str,
    subject: &str,
    notice: &str,
    now: Time,
    matched: bool,
) -> Result<bool, Error> {
    let sql = "INSERT INTO payments_inbox (provider, id, subject, notice, received_at, matched_at)
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (provider, id) DO NOTHING";
    let matched_at = matched.then_some(now);
    Ok(tx.run(sql, &args![provider, id, subject, notice, now, matched_at])? == 1)
}

/// What webhooks say of an attempt, in the order in which they came.
pub fn notices(tx: &mut Tx<'_>, id: AttemptId) -> Result<Vec<Outcome>, Error> {
    let sql = "SELECT notice FROM payments_inbox WHERE subject = $1 ORDER BY received_at, id LIMIT $2";
    let all = tx.all(sql, &args![id, ROWS_MAX], |row| row.json::<Notice>(0))?;
    Ok(all.into_iter().filter_map(Notice::into_outcome).collect())
}

/// Attempts of which a webhook waits although their row is there: the two crossed on their way in.
pub fn crossed(tx: &mut Tx<'_>) -> Result<Vec<AttemptId>, Error> {
    let sql = "SELECT DISTINCT a.id FROM payments_inbox i JOIN payments_attempt a ON a.id = i.subject
               WHERE i.matched_at IS NULL LIMIT $1";
    tx.all(sql, &args![DUE_MAX], |row| row.get(0))
}

/// Marks what waits for an attempt as matched.
pub fn match_notices(tx: &mut Tx<'_>, id: AttemptId, now: Time) -> Result<(), Error> {
    tx.run(CLAIM_NOTICES, &[texts([id]), now.into()]).map(drop)
}

/// Of which of these subjects (an array) webhooks speak.
pub(super) fn awaited(tx: &mut Tx<'_>, subjects: &[Value]) -> Result<HashSet<AttemptId>, Error> {
    let sql = "SELECT DISTINCT subject FROM payments_inbox WHERE subject = ANY($1)";
    Ok(tx.all(sql, subjects, |row| row.get(0))?.into_iter().collect())
}

/// Forgets webhooks that came before `matched` and met their subject, and all that came before `waiting`; `limit` of
/// each at most. Answers how many of each.
pub fn sweep_inbox(tx: &mut Tx<'_>, matched: Time, waiting: Time, limit: u32) -> Result<Vec<u64>, Error> {
    tx.batch(&[
        (
            "DELETE FROM payments_inbox WHERE (provider, id) IN (SELECT provider, id FROM payments_inbox
             WHERE received_at < $1 AND matched_at IS NOT NULL ORDER BY received_at LIMIT $2)",
            &args![matched, limit],
        ),
        (
            "DELETE FROM payments_inbox WHERE (provider, id) IN (SELECT provider, id FROM payments_inbox
             WHERE received_at < $1 ORDER BY received_at LIMIT $2)",
            &args![waiting, limit],
        ),
    ])
}
