//! Payments: what is captured for an order, refunded or given back.
//!
//! Owns `payments_payment` (one row an order; the row decides), `payments_attempt`, `payments_capture`,
//! `payments_refund`, `payments_inbox`. Orders decides whether and when to pay; this service obeys commands that
//! are keyed by the order (`pay`, `collect`, `undo`), remembers them, and may be told everything twice.
//!
//! Events out: `PaymentProcessed` (captured), `PaymentFailed`, `PaymentRefunded`; the subject is the payment, the
//! sequence its `version`. Events in: none.
//!
//! What always holds, whatever crashes or repeats:
//! - an attempt or refund is committed, with the key that the provider will see, before the provider is called;
//! - no answer means unknown, never failed: nothing new is tried for an order until the provider has been asked by
//!   that key, and what is given up is voided there first, so that no late capture is left standing;
//! - at most one attempt of an order is live (a unique index says so);
//! - `refunded + refunding ≤ captured`; a closed payment gives back whatever is captured, also later on;
//! - what nobody drives any more is taken up by a task once its `resume_at` has passed.
//!
//! A missing token, with a provider that has no default, is not tried: such a payment is `pending` with nothing
//! captured, and orders waits for a token.
//!
//! Cash on delivery is `pending` from before its order is confirmed. When the order is delivered, orders tells
//! `collect`: an attempt and its capture, which no provider knows of. What is given back of it is what staff gave back by
//! hand: recorded, with nobody to ask.
//!
//! A provider is an adapter behind [`provider::Provider`]. The simulated one is a part of its own: [`simulated`].

mod actions;
mod domain;
mod error;
mod http;
mod lanes;
pub mod provider;
pub mod signature;
pub mod simulated;
mod store;
mod tasks;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Currency, Ids};

pub use error::Error;

/// The service's name, which is also the prefix of its tables.
pub const NAME: &str = "payments";
/// The tables, step by step.
pub const MIGRATIONS: &[::store::Migration] = ::store::migrations!("0001_payments");

/// One call of a provider: cards take a second or two; longer than this, asking again is the better bet.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a transient fault is met with retries before the attempt is given up.
const RETRY_FOR: Duration = Duration::from_secs(10);
/// The first wait between two tries; doubles, with jitter.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait between two tries while somebody waits for the answer.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How often unfinished work is looked for.
const RESUME_EVERY: Duration = Duration::from_secs(1);
/// The longest wait between two tries of unfinished work: a provider that is down for hours is asked now and then.
const LONGEST_RESUME: Duration = Duration::from_secs(300);
/// How long a driver that vanished is waited for: all its retries, the calls at the end of them, and some more for
/// a slow machine.
const LEASE: Duration = Duration::from_secs(22);

/// What can be set.
#[derive(Clone)]
pub struct Config {
    /// How long one call of the provider may take.
    pub call_timeout: Duration,
    /// How long transient faults are retried before an attempt is given up.
    pub retry_for: Duration,
    /// The first wait between two tries; doubles, with jitter.
    pub first_wait: Duration,
    /// The longest wait between two tries while somebody waits.
    pub longest_wait: Duration,
    /// How often unfinished work is looked for.
    pub resume_every: Duration,
    /// The longest wait between two tries of unfinished work.
    pub longest_resume: Duration,
    /// How long a driver that vanished is waited for before others take its work up. Longer than all its retries, or
    /// two do the same harmless thing.
    pub lease: Duration,
    /// What the simulated provider signs its webhooks with; the same in [`simulated::Config`]. Empty: every
    /// webhook is refused.
    pub webhook_secret: Vec<u8>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            call_timeout: CALL_TIMEOUT,
            retry_for: RETRY_FOR,
            first_wait: FIRST_WAIT,
            longest_wait: LONGEST_WAIT,
            resume_every: RESUME_EVERY,
            longest_resume: LONGEST_RESUME,
            lease: LEASE,
            webhook_secret: Vec::new(),
        }
    }
}

/// What every action has at hand.
pub(crate) struct App {
    db: ::store::Db,
    clock: Clock,
    ids: Ids,
    config: Config,
    /// Of tombstones, which have nothing due.
    currency: Currency,
    orders: api::orders::Client,
    provider: Arc<dyn provider::Provider>,
    lanes: lanes::Lanes,
    firsts: actions::Firsts,
    captures: actions::Captures,
}

/// The service, with the simulated provider (`deps.peers` knows it as `simulated`). `db` was opened with
/// [`MIGRATIONS`].
pub async fn build(deps: serve::Deps, db: ::store::Db, config: Config) -> serve::Part {
    let deps = deps.of(NAME);
    let provider = simulated::Adapter::new(deps.peers.peer(simulated::NAME), &config);
    part(&deps, app(&deps, db, config, Arc::new(provider)))
}

fn part(deps: &serve::Deps, app: Arc<App>) -> serve::Part {
    let db = Some(app.db.clone());
    serve::Part::new(NAME, deps, http::routes().finish(app.clone()), db)
        .task(tasks::resume(app.clone()))
        .task(tasks::sweep(app))
}

fn app(deps: &serve::Deps, db: ::store::Db, config: Config, provider: Arc<dyn provider::Provider>) -> Arc<App> {
    Arc::new(App {
        firsts: actions::firsts(&db),
        captures: actions::captures(&db),
        db,
        clock: deps.clock.clone(),
        ids: deps.ids.clone(),
        config,
        currency: deps.shop.currency,
        orders: api::orders::Client(deps.peers.peer("orders")),
        provider,
        lanes: lanes::Lanes::default(),
    })
}
