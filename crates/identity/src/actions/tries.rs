//! Proving who one is: passwords held against their hashes, failures that slow the next ones, and how often one may try.

use std::net::IpAddr;
use std::time::Duration;

use base::{Time, UserId};
use serve::Mode;
use store::Tx;

use crate::domain::session::slowed;
use crate::store::{attempts as rows, passwords as password_rows};
use crate::{App, Error, tokens};

/// Within this time tries are counted together.
pub(crate) const TRY_WINDOW: Duration = Duration::from_secs(60);

/// Tries to show that one knows one's present password. Counted before it is checked: failures are noted afterwards only,
/// so that guesses that come all at once would not meet them.
pub(super) const PROOF: &str = "proof";

/// What a password is held against.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    /// The hash; none where there is no such account, or no password.
    pub(super) hash: Option<String>,
    /// Failures so far under the key, and when the last was.
    failures: Option<(i64, Time)>,
    bcrypt_cost: Option<u32>,
}

impl Proof {
    /// Reads what is needed to check the password of `user`, whose failures are counted under `key`.
    pub(super) fn read(tx: &mut Tx<'_>, key: &str, user: Option<UserId>) -> Result<Self, Error> {
        let hash = match user {
            Some(id) => password_rows::password_hash(tx, id)?,
            None => None,
        };
        Ok(Self {
            hash,
            failures: rows::attempts(tx, key)?,
            bcrypt_cost: password_rows::bcrypt_cost(tx)?,
        })
    }

    /// Whether there are failures that a success forgives.
    pub(super) fn has_failures(&self) -> bool {
        self.failures.is_some()
    }

    /// Refuses who has to wait after their last failure.
    pub(super) fn check_wait(&self, now: Time) -> Result<(), Error> {
        match self.failures.and_then(|(failures, last)| slowed(failures, last, now)) {
            Some(seconds) => Err(Error::Slowed { seconds }),
            None => Ok(()),
        }
    }
}

/// Whether the password is right; a failure is counted under `key`, and too many slow the next ones.
pub(super) async fn check_password(app: &App, key: String, proof: Proof, password: String) -> Result<bool, Error> {
    proof.check_wait(app.clock.now())?;
    if app.hasher.verify(password, proof.hash, proof.bcrypt_cost).await? {
        return Ok(true);
    }
    let (now, window) = (app.clock.now(), app.config.attempt_window);
    app.db
        .write(move |tx| rows::count_failure(tx, &key, window, now))
        .await?;
    Ok(false)
}

/// Counts a try of `what` for an account from an address, and refuses one too many within a minute. Each address has
/// a count of its own, so that nobody can keep somebody else out. On a developer's own machine nobody is refused.
pub(super) async fn count_try(app: &App, what: &'static str, account: &str, address: &str) -> Result<(), Error> {
    let (key, now) = (tokens::try_key(what, account, address), app.clock.now());
    let (tries, since) = app
        .db
        .write(move |tx| rows::count_try(tx, &key, TRY_WINDOW, now))
        .await?;
    let own = address.parse::<IpAddr>().map_or(true, |address| address.is_loopback());
    let exempt = app.mode == Mode::Development && own;
    if tries <= app.config.tries_per_minute || exempt {
        return Ok(());
    }
    let left = since.after(TRY_WINDOW).since(now).as_secs_f64().ceil();
    Err(Error::TooManyTries {
        seconds: (left as u32).max(1),
    })
}
