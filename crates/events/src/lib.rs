//! Events: the durable log of what happened, for people to read.
//!
//! One more consumer of everybody's events; nothing in the shop depends on it.
//!
//! - Tables: `events_event`.
//! - Events out: none. In: all.
//!
//! Always holds: an event is in the log once, however often it is delivered, since its id is the key; what is in
//! the log is never changed. Events are told in the order of their time, which is that of their sources' clocks: one
//! whose delivery was held up stands where it belongs, not where it arrived.
//!
//! Who may read: staff and services. In development, where the shop is bound to the developer's own machine, also
//! anybody there without a token, so that a curious `curl` shows what the shop does.

mod actions;
mod domain;
mod error;
mod http;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;

/// The tables, in the order in which they came to be.
pub const MIGRATIONS: &[::store::Migration] = ::store::migrations!("0001_events");

/// What can be set. Nothing yet: the log keeps everything.
#[derive(Clone, Debug, Default)]
pub struct Config {}

/// What every action of events stands on.
pub(crate) struct App {
    db: ::store::Db,
    mode: serve::Mode,
}

/// Builds the service on its opened database.
///
/// # Errors
/// None today; the same in every service.
pub async fn build(deps: serve::Deps, db: ::store::Db, _: Config) -> Result<serve::Part, ::store::Error> {
    let app = App {
        db: db.clone(),
        mode: deps.mode,
    };
    Ok(serve::Part::new(
        "events",
        &deps,
        http::routes().finish(Arc::new(app)),
        Some(db),
    ))
}
