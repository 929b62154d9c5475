//! What people can do with their accounts: register, sign in, change what is known of them; and how the first
//! administrator comes to be.

mod accounts;
mod admins;
mod arrivals;
mod guests;
pub(crate) mod keys;
mod mails;
mod passwords;
mod roles;
mod sessions;
mod signing;
mod tries;
mod users;

use base::UserId;
use serve::Mode;
use store::{Outgoing, Tx};
use wire::Cx;

use crate::domain::{PasswordRules, User};
use crate::store::users as rows;
use crate::{Config, Error};

pub(crate) use accounts::{Visit, login, register};
pub(crate) use admins::raise;
pub use admins::{Appointed, create_admin, ensure_first_admin};
pub(crate) use arrivals::take_over;
pub(crate) use guests::{Outcome, carry_out_merge, guest_ordered};
pub(crate) use mails::send_due;
pub(crate) use passwords::{change_password, forgot, reset};
pub(crate) use roles::change_role;
pub(crate) use sessions::{end_others, end_session, ended, guest, logout, refresh, sessions_of, verify};
pub use signing::note_signer;
pub(crate) use tries::TRY_WINDOW;
pub(crate) use users::{Wanted, change_user, enter_missing, known_user, list, user};

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
