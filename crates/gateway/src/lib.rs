//! The public edge: one address for all services.
//!
//! Owns no rows. Every request gets its id, context and caller here, is handed to the service that the
//! [table] names, and leaves with the headers that browsers need. What the edge found out about a request
//! travels with it to services of this process, so that nothing is checked twice; other processes check for
//! themselves. `/internal/…` is in no table and cannot be reached from here.
//!
//! Always holds: a body is never copied on its way, unless it is sealed; no header of one hop reaches the next; nothing of
//! `/api/auth/…` is compressed or timed, so that neither size nor time tells of secrets.
//!
//! No `http`: what it declares of its own are `pages`; all else is the `edge`, which only passes on. No `error`:
//! its refusals are problems from the start, since no rule of its own comes before them.

mod access;
mod caching;
mod client;
mod compress;
mod cors;
mod edge;
mod forward;
mod hosts;
mod known;
mod limits;
mod pages;
pub mod sealed;
mod sealing;
pub mod table;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use serve::{Declared, Deps, Mode, Part};

pub use client::Proxies;
pub use cors::{OriginFault, is_origin};
pub use limits::Quotas;

use sealed::SealKeys;

/// What the gateway can be told.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Web origins whose scripts may call, e.g. `https://shop.example`; `*` for all.
    pub origins: Vec<String>,
    /// Names under which the shop answers, e.g. `shop.example`; none: under every name.
    pub hosts: Vec<String>,
    /// Proxies that are believed when they say who calls through them.
    pub proxies: Proxies,
    /// How many requests a caller may make.
    pub quotas: Quotas,
    /// What sealed bodies are opened with; none: they are not opened.
    pub encryption_key: Option<String>,
    /// Whether the shop stands behind TLS, its own or a proxy's, so that browsers may be told never to use plain HTTP.
    pub tls: bool,
    /// The routes of every service, for the API's document and for what the edge must know before it asks one.
    pub declared: Vec<Declared>,
    /// The program's version, for the API's document.
    pub version: String,
}

/// Builds the gateway over the services that `deps.peers` knows.
///
/// # Errors
/// An origin that is none.
pub fn build(deps: &Deps, mut config: Config) -> Result<Part, OriginFault> {
    let deps = deps.of("gateway");
    let cors = cors::Cors::new(&config.origins)?;
    let seal = config.encryption_key.as_deref().map(SealKeys::new);
    let mut desk = Router::new();
    if let Some(keys) = seal.clone().filter(|_| deps.mode == Mode::Development) {
        let ids = deps.ids.clone();
        let (router, declared) = sealing::routes(sealing::Desk { keys, ids });
        desk = router;
        config.declared.extend(declared);
    }
    let routes = pages::routes(&deps, &config)
        .merge(desk)
        .method_not_allowed_fallback(serve::chassis::other_method)
        .fallback_service(forward::proxy(&deps));
    let edge = Arc::new(edge::Edge::of(&deps, cors, &config, seal));
    let router: Router = routes.layer(axum::middleware::from_fn_with_state(edge, edge::pass));
    Ok(Part::bare("gateway", router, Vec::new()))
}

/// The routes that the gateway answers itself in development, for the API's document.
pub fn declared() -> Vec<Declared> {
    let desk = sealing::Desk {
        keys: SealKeys::new(""),
        ids: base::Ids::random(),
    };
    sealing::routes(desk).1
}
