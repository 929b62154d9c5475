//! Routes: what is asked, one action, what is answered.
//!
//! What signs somebody in or out, or sets a password by mail, ignores `Idempotency-Key` and is never cached: an answer that holds tokens is
//! stored nowhere.

mod accounts;
mod internal;
mod keys;
mod passwords;
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
use http::header::{CACHE_CONTROL, USER_AGENT};
use http::request::Parts;
use schemars::JsonSchema;
use serde::Deserialize;
use serve::{Body, Created, Holder, In, Known, Path, Query, Remote, Reply, Rights, Route, Routes, Write};
use wire::Problem;

use crate::actions::Visit;
use crate::domain::device::device;
use crate::{App, actions};

type Shop = State<Arc<App>>;
/// Nothing between us and the caller may keep the answer.
type Unstored<T> = ([(http::HeaderName, &'static str); 1], T);

fn unstored<T>(answer: T) -> Unstored<T> {
    ([(CACHE_CONTROL, "no-store")], answer)
}

/// 204, and whether it was done before under the same key.
fn gone(replayed: bool) -> Response {
    let mut answer = serve::no_content().into_response();
    if replayed {
        let value = http::HeaderValue::from_static("true");
        answer.headers_mut().insert(serve::REPLAYED, value);
    }
    answer
}

pub(crate) fn routes() -> Routes<Arc<App>> {
    let routes = Routes::new("identity", Some("user"));
    let routes = accounts::routes(routes);
    let routes = passwords::routes(routes);
    let routes = sessions::routes(routes);
    let routes = users::routes(routes);
    let routes = keys::routes(routes);
    internal::routes(routes)
}

/// Where the caller is: what the gateway of another process says, else the other end of the connection. The gateway is
/// known by its token; anybody else who reaches this port could say anything.
struct Address(String);

impl FromRequestParts<Arc<App>> for Address {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        if let (Some(told), Some(voucher)) = (text(wire::header::CLIENT_ADDRESS), text(wire::header::VOUCHER))
            && let Ok(holder) = app.keys.verify(voucher)
            && matches!(*holder, Holder::Service(_))
        {
            return Ok(Address(told.to_owned()));
        }
        let Remote(remote) = Remote::from_request_parts(parts, app).await?;
        Ok(Address(remote.map_or_else(
            || "unknown".to_owned(),
            |address| address.ip().to_string(),
        )))
    }
}

impl FromRequestParts<Arc<App>> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Address(address) = Address::from_request_parts(parts, app).await?;
        let agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Visit {
            address,
            device: agent.and_then(device),
        })
    }
}
