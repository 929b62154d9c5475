//! The hop from the edge to a service: a router of this process, or a connection to another one.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serve::{Deps, Keys, Known, chassis};
use tokio::time::Instant;
use tower::service_fn;
use wire::{Cx, Peer, Problem};

use crate::caching::{self, Caching};
use crate::client::FORWARDED_FOR;
use crate::table::service_of;

/// Headers that belong to one connection (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Where the edge found the caller to be; an extension of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallerAt(pub(crate) IpAddr);

/// Hands a request to the service that the table names.
pub(crate) fn proxy(
    deps: &Deps,
) -> impl tower::Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
    let peers: HashMap<&str, Peer> = crate::table::TABLE
        .iter()
        .map(|(_, name)| (*name, deps.peers.peer(name)))
        .collect();
    let peers = Arc::new(peers);
    let (keys, stop) = (deps.keys.clone(), deps.stop.clone());
    service_fn(move |request: Request| {
        let (peers, keys, stop) = (peers.clone(), keys.clone(), stop.clone());
        async move {
            let peer = service_of(request.uri().path()).and_then(|name| peers.get(name));
            Ok(match peer {
                // Streams of this process end by themselves, and say why.
                Some(peer) if peer.is_local() => answered(&keys, peer, request).await,
                Some(peer) => serve::until_stopped(&stop, answered(&keys, peer, request).await),
                None => chassis::unknown().await.into_response(),
            })
        }
    })
}

/// The answer of the service, marked for caches.
async fn answered(keys: &Keys, peer: &Peer, request: Request) -> Response {
    let caching = request
        .extensions()
        .get::<Caching>()
        .copied()
        .unwrap_or(Caching::Nothing);
    let known = match caching {
        Caching::Public => Known::from(request.headers()),
        _ => Known::default(),
    };
    let whole = *request.method() == Method::GET;
    let response = forward(keys, peer, request)
        .await
        .unwrap_or_else(IntoResponse::into_response);
    caching::marked(caching, &known, whole, response).await
}

async fn forward(keys: &Keys, peer: &Peer, mut request: Request) -> Result<Response, Problem> {
    // Nobody tells from outside where they are: failed sign-ins are counted by it.
    request.headers_mut().remove(&wire::header::CLIENT_ADDRESS);
    request.headers_mut().remove(&wire::header::VOUCHER);
    if peer.is_local() {
        return peer.forward(request).await;
    }
    let cx = request.extensions().get::<Cx>().cloned();
    prepare(keys, &mut request, cx.as_ref());
    let due = cx
        .and_then(|cx| cx.deadline())
        .unwrap_or_else(|| now() + chassis::REQUEST_TIME);
    let answer = tokio::time::timeout_at(due, peer.forward(request)).await;
    let late = || Problem::unavailable("The answer took too long. What was begun goes on; please ask again.");
    let mut response = answer.unwrap_or_else(|_| Err(late()))?;
    strip(response.headers_mut());
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Problem::unavailable("A service answered with another protocol."));
    }
    Ok(response)
}

/// What another process needs to be told by headers, and what it must not be.
fn prepare(keys: &Keys, request: &mut Request, cx: Option<&Cx>) {
    let address = request.extensions().get::<CallerAt>().map(|at| at.0);
    let headers = request.headers_mut();
    strip(headers);
    headers.remove(header::HOST);
    // Here leave to send the body is given as soon as it is read: the service is sent it unasked.
    headers.remove(header::EXPECT);
    headers.remove(header::FORWARDED);
    headers.remove(FORWARDED_FOR);
    let mut put = |name, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    if let Some(cx) = cx {
        put(wire::header::REQUEST_ID, cx.request_id());
        if let Some(trace) = cx.traceparent() {
            put(wire::header::TRACEPARENT, trace);
        }
    }
    if let Some(address) = address {
        let address = address.to_string();
        put(FORWARDED_FOR, &address);
        put(wire::header::CLIENT_ADDRESS, &address);
        // The request carries its caller's token, if any: that it comes through here is said beside it.
        put(wire::header::VOUCHER, &keys.service_token("gateway"));
    }
}

/// Takes out what belongs to one connection: the known headers, and those that `Connection` names.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

#[allow(clippy::disallowed_methods)] // Deadlines are of the runtime's clock, which tests can pause.
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use base::{Clock, Ids, Time};
    use serve::{Holder, Secret};

    use super::*;

    #[test]
    fn another_process_hears_where_the_caller_is_and_who_says_so() {
        let clock = Clock::paused(Time::from_micros(1_900_000_000_000_000));
        let keys = Keys::new(&Secret::Ed25519([7; 32]), &[], "shop", clock, Ids::seeded(1));
        let mut request = Request::builder()
            .header("x-forwarded-for", "6.6.6.6")
            .header("expect", "100-continue")
            .extension(CallerAt([10, 0, 0, 1].into()))
            .body(Body::empty())
            .unwrap();
        prepare(&keys, &mut request, None);
        let text = |name: &HeaderName| request.headers()[name].to_str().unwrap();
        assert_eq!(text(&wire::header::CLIENT_ADDRESS), "10.0.0.1");
        assert_eq!(text(&FORWARDED_FOR), "10.0.0.1");
        assert!(!request.headers().contains_key("expect"));
        let voucher = keys.verify(text(&wire::header::VOUCHER)).unwrap();
        assert!(
            matches!(&*voucher, Holder::Service(name) if name == "gateway"),
            "{voucher:?}"
        );
    }
}
