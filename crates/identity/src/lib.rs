//! Identity: customers, guests and staff, their credentials and sessions.
//!
//! Owns `identity_user`, `identity_session`, `identity_refresh`, `identity_ended`, `identity_merge`, `identity_attempt`,
//! `identity_try`, `identity_mail`, `identity_reset`, `identity_word`, `identity_key` and `identity_signing`. Tells
//! `UserRegistered`; listens to nobody. Asks cart to merge a guest's cart and orders to hand over a guest's orders.
//!
//! What always holds:
//!
//! - a password is stored as its Argon2id hash only (bcrypt's, from another system, until the next sign-in); a refresh
//!   token and the token of a mail as their SHA-256 only;
//! - no two users have the same username or e-mail address, however it is spelled;
//! - a role is given by administrators, [`create_admin`] and [`ensure_first_admin`] only, never by a registration; another
//!   role ends the sessions that were begun with the old one, and there is always somebody who is an administrator;
//! - a user is found under the words that `domain/search.rs` makes of them, and under no others;
//! - an API key is stored as its SHA-256 only, and shown once;
//! - what staff do to others' accounts, roles, keys and sessions is recorded in the transaction that does it;
//! - unknown account and wrong password get the same answer after the same work, and so does the wish for a new one;
//! - a new password ends the sessions that were begun with the old one;
//! - a refresh token that comes back after its time ends its session;
//! - a guest's cart and orders go to one account, sooner or later, once they were promised to it;
//! - events and logs hold no names and no addresses.

mod actions;
mod domain;
mod error;
mod http;
mod passwords;
mod store;
mod tasks;
mod tokens;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use ::store::{Db, Migration, migrations};
use base::{Clock, Ids};

pub use actions::{Appointed, create_admin, ensure_first_admin, note_signer};
pub use domain::{Fault, PASSWORD_MAX, PASSWORD_MIN};
pub use error::Error;
pub use passwords::{Cost, Hasher};

/// How long an access token lasts: long enough that refreshing is rare, short enough that a stolen one is.
const ACCESS_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How long a refresh token lasts: who comes back every week stays signed in.
const REFRESH_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// After this quiet time failed sign-ins are forgotten.
const ATTEMPT_WINDOW: Duration = Duration::from_secs(15 * 60);

/// How long the link of a mail lets its reader set a new password: mail takes minutes, and a mailbox is read by others later.
const RESET_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// Tries a minute for an account from an address: more than people make, too few to guess.
const TRIES_PER_MINUTE: i64 = 10;

/// The tables.
pub const MIGRATIONS: &[Migration] = migrations!(
    "0001_identity",
    "0002_passwords",
    "0003_keys",
    "0004_resets",
    "0005_signing"
);

/// Settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long an access token lasts; [`serve::ACCESS_LIFETIME_MAX`] at most.
    pub access_lifetime: Duration,
    /// How long a refresh token lasts, and a session that nobody uses.
    pub refresh_lifetime: Duration,
    /// After this quiet time failed sign-ins are forgotten.
    pub attempt_window: Duration,
    /// The fewest characters of a password.
    pub password_min: usize,
    /// How dear it is to hash a password.
    pub password_cost: Cost,
    /// Passwords that may wait to be hashed.
    pub password_queue: usize,
    /// How long the link of a mail lets its reader set a new password.
    pub reset_lifetime: Duration,
    /// How often a minute one may try to sign in, register, ask for a new password, show that one knows the present one, or
    /// take another username, for an account from an address.
    pub tries_per_minute: i64,
    /// Where people see the shop, e.g. `https://shop.example`: what links in mails begin with.
    pub public_url: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            access_lifetime: ACCESS_LIFETIME,
            refresh_lifetime: REFRESH_LIFETIME,
            attempt_window: ATTEMPT_WINDOW,
            password_min: PASSWORD_MIN,
            password_cost: Cost::default(),
            password_queue: passwords::QUEUE,
            reset_lifetime: RESET_LIFETIME,
            tries_per_minute: TRIES_PER_MINUTE,
            public_url: String::new(),
        }
    }
}

/// What the actions stand on.
struct App {
    db: Db,
    clock: Clock,
    ids: Ids,
    keys: serve::Keys,
    mode: serve::Mode,
    hasher: Hasher,
    cart: api::cart::Client,
    orders: api::orders::Client,
    mail: mail::Mailer,
    /// Wakes what sends mails.
    wake: tokio::sync::Notify,
    /// The shop's name, for people.
    shop: String,
    config: Config,
}

/// Builds the service over its open database.
///
/// # Errors
/// A cost of passwords that is not possible, no threads to be had, access tokens that last too long, or a database
/// that does not answer.
pub async fn build(deps: serve::Deps, db: Db, config: Config) -> Result<serve::Part, Error> {
    let (part, _) = assemble(deps, db, config).await?;
    Ok(part)
}

async fn assemble(deps: serve::Deps, db: Db, config: Config) -> Result<(serve::Part, Arc<App>), Error> {
    if config.access_lifetime > serve::ACCESS_LIFETIME_MAX {
        return Err(Error::AccessTooLong {
            max: serve::ACCESS_LIFETIME_MAX.as_secs(),
        });
    }
    let app = Arc::new(App {
        hasher: Hasher::start(config.password_cost, config.password_queue, deps.ids.clone())?,
        db: db.clone(),
        clock: deps.clock.clone(),
        ids: deps.ids.clone(),
        keys: deps.keys.clone(),
        mode: deps.mode,
        cart: api::cart::Client(deps.peers.peer("cart")),
        orders: api::orders::Client(deps.peers.peer("orders")),
        mail: deps.mail.clone(),
        wake: tokio::sync::Notify::new(),
        shop: deps.shop.name.clone(),
        config,
    });
    // Before the first request: sessions that ended before a restart stay ended.
    let after = tasks::follow_ends(&app, 0).await?;
    let mut part = serve::Part::new("identity", &deps, http::routes().finish(app.clone()), Some(db));
    for task in tasks::all(&app, after) {
        part = part.task(task);
    }
    Ok((part, app))
}
