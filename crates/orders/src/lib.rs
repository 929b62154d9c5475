//! Orders: what was bought, by whom, for how much, and how far it is; and the process of checkout.
//!
//! Owns the tables `orders_order`, `orders_joined`, `orders_line`, `orders_change`, `orders_fulfilment` and `orders_mail`. Tells
//! `OrderCreated`, `OrderConfirmed`, `OrderFailed`, `OrderCancelled`, `OrderShipped`, `OrderDelivered`; listens to payments, and
//! to itself for mails to buyers (`actions::note_mails`).
//!
//! What always holds: a generation of a cart, and a caller's key, become at most one order that lives; an order
//! that was acknowledged is never lost; every order comes to rest (confirmed, failed or cancelled) by itself.
//! Orders alone decides; catalog, payments and cart obey, and remember what they obeyed.
//!
//! A newcomer's way through a purchase: `http::place` → `actions::checkout` → `store::insert` →
//! `drive::run`, which asks `domain` what is next until the order rests.

mod actions;
mod consumers;
pub mod domain;
mod drive;
mod error;
mod gather;
mod http;
mod store;
mod tasks;
#[cfg(test)]
mod tests;
mod view;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use ::store::{Combiner, Db, Migration, migrations};
use base::OrderId;
use serve::{Deps, Part};

use crate::store::{Inserted, Place, Save};

/// The tables, in the order in which they came to be.
pub const MIGRATIONS: &[Migration] = migrations!["0001_orders", "0002_desk", "0003_cash"];

/// What can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long an unpaid order keeps its pieces.
    pub payment_window: Duration,
    /// How long a request waits for its order to come to rest.
    pub patience: Duration,
    /// Whoever drives an order is left alone for this long.
    pub lease: Duration,
    /// How often orders are looked for that nobody drives any more.
    pub sweep_every: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            payment_window: Duration::from_secs(30 * 60),
            patience: Duration::from_secs(12),
            lease: Duration::from_secs(22),
            sweep_every: Duration::from_secs(1),
        }
    }
}

/// What the handlers and tasks of orders work with.
pub(crate) struct App {
    pub db: Db,
    pub deps: Deps,
    pub config: Config,
    pub catalog: api::catalog::Client,
    pub cart: api::cart::Client,
    pub payments: api::payments::Client,
    pub identity: api::identity::Client,
    pub drives: drive::Drives,
    /// Who follows orders.
    pub watched: watch::Watched,
    /// Places orders, many in one write.
    pub place: Combiner<Place, Inserted, error::Error>,
    /// Writes orders that changed, many in one write.
    pub save: Combiner<Save, Option<domain::Order>, error::Error>,
    /// Notes that orders are at rest, many in one write.
    pub rest: Combiner<OrderId, (), error::Error>,
}

/// Builds the service on its database.
pub fn build(deps: &Deps, db: Db, config: Config) -> Part {
    part(&app(&deps.of("orders"), db, config))
}

fn part(app: &Arc<App>) -> Part {
    let part = Part::new("orders", &app.deps, http::routes(app), Some(app.db.clone()))
        .task(tasks::resume(app.clone()))
        .task(tasks::forget(app.clone()))
        .task(watch::look(app.clone()));
    // Into a developer's log, mails about orders would only hide what is looked for there.
    match app.deps.mail.reaches_people() {
        true => part
            .task(tasks::note_mails(app.clone()))
            .task(tasks::send_mails(app.clone())),
        false => part,
    }
}

fn app(deps: &Deps, db: Db, config: Config) -> Arc<App> {
    let place = Combiner::new(&db, store::insert);
    let save = Combiner::new(&db, |tx, saves: &[Save]| {
        Ok(store::save_all(tx, saves)?.into_iter().map(Ok).collect())
    });
    let rest = Combiner::new(&db, |tx, ids: &[OrderId]| {
        store::rest(tx, ids)?;
        Ok(ids.iter().map(|_| Ok(())).collect())
    });
    Arc::new(App {
        catalog: api::catalog::Client(deps.peers.peer("catalog")),
        cart: api::cart::Client(deps.peers.peer("cart")),
        payments: api::payments::Client(deps.peers.peer("payments")),
        identity: api::identity::Client(deps.peers.peer("identity")),
        drives: drive::Drives::default(),
        watched: watch::Watched::default(),
        place,
        save,
        rest,
        deps: deps.clone(),
        db,
        config,
    })
}
