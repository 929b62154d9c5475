//! What every request passes at the edge, there and back, and the hop to its service.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base::{Clock, Ids};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serve::{BODY_MAX, Deps, Doorman, chassis};
use tokio::time::Instant;
use tower::service_fn;
use wire::{Cx, Peer, Problem};

use crate::compress;
use crate::cors::Cors;
use crate::table::service_of;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Nothing of an answer is to be run or framed; pages bring a policy of their own.
const CSP: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
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

/// What the edge knows.
pub(crate) struct Edge {
    door: Doorman,
    clock: Clock,
    ids: Ids,
    cors: Cors,
    tls: bool,
}

impl Edge {
    pub(crate) fn new(deps: &Deps, cors: Cors, tls: bool) -> Self {
        Self {
            door: Doorman::new(deps),
            clock: deps.clock.clone(),
            ids: deps.ids.clone(),
            cors,
            tls,
        }
    }
}

/// The way in and out.
pub(crate) async fn pass(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let began = now();
    // 1. Browsers ask before they call; nobody has to be known for that.
    if let Some(answer) = edge.cors.preflight(request.method(), request.headers()) {
        return answer;
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let timed = !request.uri().path().starts_with("/api/auth/");
    let logged =
        tracing::enabled!(tracing::Level::INFO).then(|| (request.method().clone(), nameless(request.uri().path())));
    // 2. Who calls, and the context; both go on with the request.
    let found = edge
        .door
        .identify(request.method(), request.uri().path(), request.headers())
        .await;
    let who = found.as_ref().cloned().unwrap_or_default();
    let cx = chassis::context(request.headers(), &who, &edge.clock, &edge.ids, chassis::REQUEST_TIME);
    // 3. Refusals that need no service.
    let refused = found.err().or_else(|| too_large(&request));
    let response = match refused {
        Some(problem) => {
            serve::drain(request.into_body()).await;
            problem.into_response()
        }
        None => {
            request.extensions_mut().insert(who);
            request.extensions_mut().insert(cx.clone());
            // 4. Compression stands inside the headers below, so that they are the same for all answers.
            compress::run(request, next).await
        }
    };
    let mut response = chassis::told(response, &cx);
    // 5. What browsers and operators need to know of every answer.
    let spent = began.elapsed();
    let out = response.headers_mut();
    out.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    out.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("strict-origin-when-cross-origin"),
    );
    out.entry(header::CONTENT_SECURITY_POLICY).or_insert(CSP);
    if edge.tls {
        out.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    edge.cors.permit(origin.as_ref(), out);
    if timed && let Ok(value) = HeaderValue::try_from(format!("total;dur={:.3}", spent.as_secs_f64() * 1e3)) {
        out.insert(SERVER_TIMING, value);
    }
    // 6. One line in the log; no query, no address, nobody's name.
    if let Some((method, path)) = logged {
        let (status, micros) = (response.status().as_u16(), spent.as_micros() as u64);
        tracing::info!(%method, path, status, micros, request_id = cx.request_id(), "answered");
    }
    response
}

/// A path without the e-mail addresses in it: users may be named by theirs, and the log holds nobody's.
fn nameless(path: &str) -> String {
    let hidden = |part: &str| part.contains('@') || part.to_ascii_lowercase().contains("%40");
    let parts = path.split('/').map(|part| if hidden(part) { "…" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Bodies that say that they are too large are refused before they are sent. Imports stream, however long.
fn too_large(request: &Request) -> Option<Problem> {
    let told = request
        .headers()
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse::<u64>()
        .ok()?;
    let streamed = request.uri().path().ends_with("/import");
    (told > BODY_MAX as u64 && !streamed).then(serve::too_large)
}

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
    service_fn(move |request: Request| {
        let peers = peers.clone();
        async move {
            let peer = service_of(request.uri().path()).and_then(|name| peers.get(name));
            Ok(match peer {
                Some(peer) => forward(peer, request).await.unwrap_or_else(IntoResponse::into_response),
                None => chassis::unknown().await.into_response(),
            })
        }
    })
}

async fn forward(peer: &Peer, mut request: Request) -> Result<Response, Problem> {
    // Nobody tells from outside where they are: failed sign-ins are counted by it.
    request.headers_mut().remove(&wire::header::CLIENT_ADDRESS);
    if peer.is_local() {
        return peer.forward(request).await;
    }
    let cx = request.extensions().get::<Cx>().cloned();
    prepare(&mut request, cx.as_ref());
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
fn prepare(request: &mut Request, cx: Option<&Cx>) {
    let address = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| info.0.ip());
    let headers = request.headers_mut();
    strip(headers);
    headers.remove(header::HOST);
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

#[allow(clippy::disallowed_methods)] // Durations and deadlines are of the runtime's clock, which tests can pause.
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_log_names_no_address() {
        let check = |path, logged| assert_eq!(super::nameless(path), logged);
        check("/api/users/ada@example.com", "/api/users/…");
        check("/api/users/ada%40example.com/export", "/api/users/…/export");
        check("/api/products/tea", "/api/products/tea");
        check("/", "/");
    }
}
