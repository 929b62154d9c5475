//! Rows of failed sign-ins.

use std::time::Duration;

use base::Time;
use store::{Error, Tx, args};

/// Failed sign-ins under `key`: how many, and when the last was.
pub fn attempts(tx: &mut Tx<'_>, key: &str) -> Result<Option<(i64, Time)>, Error> {
    tx.maybe(
        "SELECT failures, last_at FROM identity_attempt WHERE key = $1",
        &args![key],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Counts a failed sign-in; after a quiet `window` the count begins anew.
pub fn count_failure(tx: &mut Tx<'_>, key: &str, window: Duration, now: Time) -> Result<(), Error> {
    tx.run(
        "INSERT INTO identity_attempt (key, failures, last_at) VALUES ($1, 1, $2) ON CONFLICT (key) DO UPDATE SET \
         failures = CASE WHEN identity_attempt.last_at < $3 THEN 1 ELSE identity_attempt.failures + 1 END, last_at = $2",
        &args![key, now, now.before(window)],
    )
    .map(drop)
}

/// Forgets failed sign-ins: this one succeeded.
pub fn forgive(tx: &mut Tx<'_>, key: &str) -> Result<(), Error> {
    tx.run("DELETE FROM identity_attempt WHERE key = $1", &args![key])
        .map(drop)
}
