//! The public edge: one address for all services.
//!
//! Owns no rows. Every request gets its id, context and caller here, is handed to the service that the
//! [table] names, and leaves with the headers that browsers need. What the edge found out about a request
//! travels with it to services of this process, so that nothing is checked twice; other processes check for
//! themselves. `/internal/…` is in no table and cannot be reached from here.
//!
//! Always holds: a body is never copied on its way; no header of one hop reaches the next; nothing of
//! `/api/auth/…` is compressed or timed, so that neither size nor time tells of secrets.
//!
//! No `http`: what it declares of its own are `pages`; all else is the `edge`, which only passes on. No `error`:
//! its refusals are problems from the start, since no rule of its own comes before them.

mod compress;
mod cors;
mod edge;
mod pages;
pub mod table;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use serve::{Declared, Deps, Part};

pub use cors::OriginFault;

/// What the gateway can be told.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Web origins whose scripts may call, e.g. `https://shop.example`; `*` for all.
    pub origins: Vec<String>,
    /// Whether the shop stands behind TLS, so that browsers may be told never to use plain HTTP.
    pub tls: bool,
    /// The routes of every service, for the API's document.
    pub declared: Vec<Declared>,
    /// The program's version, for the API's document.
    pub version: String,
}

/// Builds the gateway over the services that `deps.peers` knows.
///
/// # Errors
/// An origin that is none.
pub fn build(deps: &Deps, config: Config) -> Result<Part, OriginFault> {
    let deps = deps.of("gateway");
    let cors = cors::Cors::new(&config.origins)?;
    let routes = pages::routes(&deps, &config).fallback_service(edge::proxy(&deps));
    let edge = Arc::new(edge::Edge::new(&deps, cors, config.tls));
    let router: Router = routes.layer(axum::middleware::from_fn_with_state(edge, edge::pass));
    Ok(Part::bare("gateway", router, Vec::new()))
}
