//! Events: the durable log of what happened, and the audit log of what staff changed, for people to read.
//!
//! One more consumer of everybody's events; nothing in the shop depends on it.
//!
//! - Tables: `events_event`, `events_audit`.
//! - Events out: none. In: all; those of the kind `StaffAction` go to the audit log and are no events to anybody.
//!
//! Always holds: an event is in the log once, however often it is delivered, since its id is the key; what is in
//! the log is never changed, and the audit log cannot be: the database refuses. Events are listed in the order of their
//! time, which is that of their sources' clocks: one whose delivery was held up stands where it belongs, not where it
//! arrived. Who follows the log (`stream`) gets them in the order of arrival, `seq`, so that none is missed and none
//! told twice.
//!
//! Who may read the log: staff with `settings:read`, and services. In development, where the shop is bound to the
//! developer's own machine, also anybody there without a token, so that a curious `curl` shows what the shop does. The
//! audit log is for staff with `settings:read` only.

mod actions;
mod domain;
mod error;
mod http;
mod store;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serve::Deps;
use tokio::sync::Semaphore;

use crate::error::Error;
use crate::stream::Arrivals;

/// The tables, in the order in which they came to be.
pub const MIGRATIONS: &[::store::Migration] = ::store::migrations!("0001_events", "0002_arrivals", "0003_audit");

/// What can be set. Nothing yet: the log keeps everything.
#[derive(Clone, Debug, Default)]
pub struct Config {}

/// What every action of events stands on.
pub(crate) struct App {
    db: ::store::Db,
    deps: Deps,
    inbox: bus::Inbox<Error>,
    arrivals: Arrivals,
    /// Room for those who follow the log.
    places: Arc<Semaphore>,
}

/// Builds the service on its opened database.
///
/// # Errors
/// None today; the same in every service.
pub async fn build(deps: Deps, db: ::store::Db, _: Config) -> Result<serve::Part, ::store::Error> {
    let app = Arc::new(App {
        db: db.clone(),
        deps: deps.clone(),
        inbox: bus::Inbox::of_repeatable(&db, "events", actions::take_in),
        arrivals: Arrivals::default(),
        places: Arc::new(Semaphore::new(stream::STREAMS_MAX)),
    });
    let routes = http::routes(&app).finish(app.clone());
    Ok(serve::Part::new("events", &deps, routes, Some(db)).task(stream::look(app)))
}
