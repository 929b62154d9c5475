//! What the gateway answers itself: whether the shop lives and is ready, its API's document and pages, its keys.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::response::{Html, IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::json;
use serve::{Deps, In, Keys, Known, openapi};
use wire::{Cx, Peer, Problem};

use crate::table::service_of;
use crate::{Config, caching};

/// A service that takes longer than this to say that it is ready is not.
const READY_TIME: Duration = Duration::from_secs(2);
/// Pages run our own script and style, and talk to our own address only.
const PAGE_CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'",
);

/// Asked every few seconds by balancers.
pub(crate) const PROBES: [&str; 3] = ["/health", "/healthz", "/ready"];

/// Every other address that is answered here.
pub(crate) const PATHS: [&str; 8] = [
    "/",
    "/favicon.ico",
    "/.well-known/jwks.json",
    "/openapi.json",
    "/docs",
    "/docs/",
    "/docs/app.js",
    "/docs/app.css",
];

/// What holds at this moment only.
const NOT_KEPT: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

const DOCS: &str = include_str!("docs/index.html");
const DOCS_SCRIPT: &str = include_str!("docs/app.js");
const DOCS_STYLE: &str = include_str!("docs/app.css");

pub(crate) fn routes(deps: &Deps, config: &Config) -> Router {
    // Made when somebody first asks: it takes as much memory as a small shop.
    let document = {
        let (declared, title, version) = (config.declared.clone(), deps.shop.name.clone(), config.version.clone());
        Arc::new(LazyLock::new(move || {
            let document = openapi::document(
                &declared,
                &openapi::Info {
                    title: &title,
                    version: &version,
                    server: "/",
                    routed: |path| service_of(path).is_some(),
                },
            );
            Bytes::from(serde_json::to_vec(&document).unwrap_or_default())
        }))
    };
    let peers: Arc<[Peer]> = deps.peers.all().cloned().collect();
    let rounds = Arc::new(Rounds::default());
    let (keys, shop) = (deps.keys.clone(), deps.shop.name.clone());
    let live = || async { (NOT_KEPT, Json(json!({ "status": "ok", "service": "gateway" }))) };
    Router::new()
        .route("/", get(move |headers| front(headers, shop.clone())))
        .route("/health", get(live))
        .route("/healthz", get(live))
        .route("/ready", get(move |cx| ready(cx, peers.clone(), rounds.clone())))
        // Browsers ask for one by themselves and complain about a 404.
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .route(
            "/openapi.json",
            file("application/json", move || Bytes::clone(&document)),
        )
        .route("/docs", get(|| page(DOCS)))
        .route("/docs/", get(|| page(DOCS)))
        .route(
            "/docs/app.js",
            file("text/javascript; charset=utf-8", || DOCS_SCRIPT.into()),
        )
        .route("/docs/app.css", file("text/css; charset=utf-8", || DOCS_STYLE.into()))
        .route("/.well-known/jwks.json", get(move || jwks(keys.clone())))
}

/// Names the shop and where to go on, to people as a page and to programs as JSON.
async fn front(headers: HeaderMap, shop: String) -> Response {
    let by_kind = [(header::VARY, "accept")];
    let wants_page = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if !wants_page.is_some_and(|kinds| kinds.contains("text/html")) {
        let links =
            json!({ "docs": "/docs", "openapi": "/openapi.json", "products": "/api/products", "ready": "/ready" });
        return (by_kind, Json(json!({ "shop": shop, "links": links }))).into_response();
    }
    let name = shop.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{name}</title><link rel=\"stylesheet\" href=\"/docs/app.css\"><main class=\"front\"><h1>{name}</h1>\
         <p>This shop answers programs here. <a href=\"/docs\">Read how to talk to it</a>, fetch its \
         <a href=\"/openapi.json\">OpenAPI document</a>, or look at <a href=\"/api/products\">the products</a>.</p></main>"
    );
    (by_kind, page(&text).await).into_response()
}

async fn page(text: &str) -> Response {
    let mut response = Html(text.to_owned()).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, PAGE_CSP);
    response
}

fn file(kind: &'static str, bytes: impl Fn() -> Bytes + Clone + Send + Sync + 'static) -> MethodRouter {
    get(
        move |method: Method, known: Known| async move { caching::of_file(&known, method == Method::GET, kind, bytes()) },
    )
}

async fn jwks(keys: Keys) -> Response {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(keys.jwks())).into_response()
}

/// Asks every service, all at once, for as many as want to know: probes are not counted, and must not cost the services
/// more the more of them come. Always holds: an answer is of a round that began after its asker came.
#[derive(Default)]
struct Rounds {
    begun: AtomicU64,
    /// The round that ended last, by its number.
    last: tokio::sync::Mutex<(u64, Answers)>,
}

type Answers = BTreeMap<&'static str, &'static str>;

impl Rounds {
    async fn ask(&self, cx: &Cx, peers: &[Peer]) -> Answers {
        let came = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if last.0 <= came {
            let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let asked = peers.iter().map(|peer| ask(cx, peer));
            *last = (
                number,
                futures_util::future::join_all(asked).await.into_iter().collect(),
            );
        }
        last.1.clone()
    }
}

async fn ready(In(cx): In, peers: Arc<[Peer]>, rounds: Arc<Rounds>) -> Response {
    let answers = rounds.ask(&cx, &peers).await;
    if answers.values().all(|answer| *answer == "ready") {
        return (NOT_KEPT, Json(json!({ "status": "ready", "parts": answers }))).into_response();
    }
    let detail = "Some services are not ready; `parts` says which.";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail);
    problem.with("parts", answers).retry_after(1).into_response()
}

async fn ask(cx: &Cx, peer: &Peer) -> (&'static str, &'static str) {
    let asked = peer.call(cx, Method::GET, "/ready").done();
    let answer = tokio::time::timeout(READY_TIME, asked).await;
    (
        peer.name(),
        if matches!(answer, Ok(Ok(()))) {
            "ready"
        } else {
            "not ready"
        },
    )
}
