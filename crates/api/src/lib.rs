//! The contract in types: what each service takes and answers, and a typed client for it.
//!
//! A module a service. First the public types, as people see them; then the internal ones, which
//! only services exchange; then the client, whose methods are what other services may ask for.

pub mod audit;
pub mod cart;
pub mod catalog;
pub mod events;
pub mod identity;
pub mod orders;
pub mod payments;
mod refs;
pub mod rights;
pub mod trail;

pub use refs::Ref;

/// An empty body: `{}` or nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}
