//! The simulated payment provider: a part of its own, with its own file and its own HTTP face, so that its statement
//! can be held against our books like that of a real one. For development only.
//!
//! Owns `simulated_charge`, `simulated_refund`, `simulated_fault`, `simulated_webhook`. Always holds: it commits
//! before it answers; a key has one outcome for good, and the same key again gets the same answer; no more is given
//! back than was captured.
//!
//! How a charge goes is up to its token: the constants `TOKEN_…` say what each does.
//!
//! Between services its paths are `/internal/simulated/…`; [`Client`] speaks them.

mod adapter;
mod client;
mod domain;
mod http;
mod store;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Ids};

use crate::signature::Signer;

#[cfg(test)]
pub(crate) use store::forget;
#[cfg(test)]
pub(crate) use webhooks::send_due;

pub use adapter::Adapter;
pub use client::{Charge, ChargeStatus, Client, Line, NewCharge, NewRefund, Statement, StatementQuery};
pub use domain::{TOKEN_DECLINED, TOKEN_DEFAULT, TOKEN_FLAKY, TOKEN_INSUFFICIENT, TOKEN_LATE, TOKEN_SLOW};
pub use webhooks::Address;

/// The part's name, which is also the prefix of its tables.
pub const NAME: &str = "simulated";
/// The tables, step by step.
pub const MIGRATIONS: &[::store::Migration] = &[::store::Migration::new(
    "0001_simulated",
    include_str!("simulated/migrations/0001_simulated.sql"),
)];
/// What webhooks are signed for; keeps the derived key apart from others of the same secret.
pub const WEBHOOK_PURPOSE: &str = "simulated provider: webhooks";

/// How long `tok_slow` takes: within a caller's time-out.
const SLOW: Duration = Duration::from_secs(2);
/// How long `tok_timeout_then_captured` takes: beyond a caller's time-out.
const LATE: Duration = Duration::from_secs(5);

/// What can be set.
#[derive(Clone)]
pub struct Config {
    /// How long `tok_slow` takes.
    pub slow: Duration,
    /// How long `tok_timeout_then_captured` takes.
    pub late: Duration,
    /// Where outcomes are told by webhook; nowhere by default.
    pub webhooks: Option<Address>,
    /// What webhooks are signed with; the same as the shop's.
    pub webhook_secret: Vec<u8>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            slow: SLOW,
            late: LATE,
            webhooks: None,
            webhook_secret: Vec::new(),
        }
    }
}

pub(crate) struct App {
    pub(crate) db: ::store::Db,
    clock: Clock,
    ids: Ids,
    config: Config,
    signer: Signer,
    pub(crate) charges: http::Charges,
}

/// The provider. `db` was opened with [`MIGRATIONS`].
pub async fn build(deps: serve::Deps, db: ::store::Db, config: Config) -> serve::Part {
    let deps = deps.of(NAME);
    part(&deps, app(&deps, db, config))
}

pub(crate) fn app(deps: &serve::Deps, db: ::store::Db, config: Config) -> Arc<App> {
    let signer = Signer::new(&config.webhook_secret, WEBHOOK_PURPOSE);
    Arc::new(App {
        charges: http::charges_on(&db, config.webhooks.is_some()),
        db,
        clock: deps.clock.clone(),
        ids: deps.ids.clone(),
        config,
        signer,
    })
}

pub(crate) fn part(deps: &serve::Deps, app: Arc<App>) -> serve::Part {
    let db = Some(app.db.clone());
    let part = serve::Part::new(NAME, deps, http::routes().finish(app.clone()), db);
    if app.config.webhooks.is_some() {
        part.task(webhooks::send(app))
    } else {
        part
    }
}
