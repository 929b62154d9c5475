//! What people can do with their accounts: register, sign in, change what is known of them; and how the first
//! administrator comes to be.

mod accounts;
mod admins;
mod guests;
mod sessions;
mod users;

use base::UserId;
use serve::Mode;
use store::{Outgoing, Tx};
use wire::Cx;

use crate::domain::{self, PasswordRules, User};
use crate::store::{attempts as attempt_rows, users as rows};
use crate::{App, Config, Error};

pub(crate) use accounts::{login, register};
pub(crate) use admins::raise;
pub use admins::{Appointed, create_admin, ensure_first_admin};
pub(crate) use guests::{Outcome, carry_out_merge, guest_ordered};
pub(crate) use sessions::{ended, guest, logout, refresh, verify};
pub(crate) use users::{change_user, known_user, user};

fn password_rules(config: &Config, mode: Mode) -> PasswordRules {
    PasswordRules {
        min: config.password_min,
        refuse_common: mode == Mode::Production,
    }
}

/// The event that somebody has an account now: the first one about them.
fn registered(tx: &mut Tx<'_>, user: &User, cx: &Cx) -> Result<(), Error> {
    let now = tx.clock().now();
    // Who registers did not have a name yet when they called.
    let actor = if cx.actor() == wire::ANONYMOUS {
        user.id.to_string()
    } else {
        cx.actor().to_owned()
    };
    tx.emit(Outgoing {
        id: tx.ids().next(now),
        kind: "UserRegistered".into(),
        subject: user.id.to_string(),
        sequence: 1,
        at: now,
        actor,
        request_id: cx.request_id().to_owned(),
        data: serde_json::json!({ "role": user.role }).to_string(),
    })?;
    Ok(())
}

/// Refuses names that somebody else has.
fn check_taken(tx: &mut Tx<'_>, user: &User, of: Option<UserId>) -> Result<(), Error> {
    let (email, username) = rows::taken(tx, of, user.email.as_ref(), user.username.as_ref())?;
    if email || username {
        Err(Error::Taken { email, username })
    } else {
        Ok(())
    }
}

/// Whether the password is right; a failure is counted under `key`, and too many slow the next ones.
async fn check_password(
    app: &App,
    key: String,
    attempts: Option<(i64, base::Time)>,
    password: String,
    hash: Option<String>,
) -> Result<bool, Error> {
    let slowed = attempts.and_then(|(failures, last)| domain::session::slowed(failures, last, app.clock.now()));
    if let Some(seconds) = slowed {
        return Err(Error::Slowed { seconds });
    }
    if app.hasher.verify(password, hash).await? {
        return Ok(true);
    }
    let (now, window) = (app.clock.now(), app.config.attempt_window);
    app.db
        .write(move |tx| attempt_rows::count_failure(tx, &key, window, now))
        .await?;
    Ok(false)
}
