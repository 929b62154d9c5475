//! Routes: what is asked, one action, what is answered.
//!
//! What signs somebody in or out ignores `Idempotency-Key` and is never cached: an answer that holds tokens is
//! stored nowhere.

mod accounts;
mod internal;
mod keys;
mod sessions;
mod users;

use std::sync::Arc;

use api::identity::{
    Appoint, ChangeUser, Ended, GuestOrdered, Login, Logout, Profile, Refresh, Register, Session, User, Verified,
};
use api::{Nothing, Ref};
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::request::Parts;
use schemars::JsonSchema;
use serde::Deserialize;
use serve::{Body, Created, In, Known, Path, Query, Remote, Reply, Rights, Route, Routes, Write};
use wire::Problem;

use crate::{App, actions};

type Shop = State<Arc<App>>;
/// Nothing between us and the caller may keep the answer.
type Unstored<T> = ([(http::HeaderName, &'static str); 1], T);

fn unstored<T>(answer: T) -> Unstored<T> {
    ([(CACHE_CONTROL, "no-store")], answer)
}

pub(crate) fn routes() -> Routes<Arc<App>> {
    let routes = Routes::new("identity", Some("user"));
    let routes = accounts::routes(routes);
    let routes = sessions::routes(routes);
    let routes = users::routes(routes);
    let routes = keys::routes(routes);
    internal::routes(routes)
}

/// Where the caller is: what the gateway of another process says, else the other end of the connection. Only the
/// gateway may say it: it takes out what came from outside under that name.
struct Address(String);

impl<S: Send + Sync> FromRequestParts<S> for Address {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let told = parts
            .headers
            .get(wire::header::CLIENT_ADDRESS)
            .and_then(|value| value.to_str().ok());
        if let Some(told) = told {
            return Ok(Address(told.to_owned()));
        }
        let Remote(remote) = Remote::from_request_parts(parts, state).await?;
        Ok(Address(remote.map_or_else(
            || "unknown".to_owned(),
            |address| address.ip().to_string(),
        )))
    }
}
