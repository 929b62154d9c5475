//! Rows of failed sign-ins, and of tries within the present minute.

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

/// Counts a try under `key`; answers how many there were within this `window`, this one included, and since when.
pub fn count_try(tx: &mut Tx<'_>, key: &str, window: Duration, now: Time) -> Result<(i64, Time), Error> {
    tx.one(
        "INSERT INTO identity_try (key, tries, since) VALUES ($1, 1, $2) ON CONFLICT (key) DO UPDATE SET \
         tries = CASE WHEN identity_try.since <= $3 THEN 1 ELSE identity_try.tries + 1 END, \
         since = CASE WHEN identity_try.since <= $3 THEN $2 ELSE identity_try.since END RETURNING tries, since",
        &args![key, now, now.before(window)],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}
