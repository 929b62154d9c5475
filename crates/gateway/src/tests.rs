//! The edge with one service behind it, in this process and in another.

mod answers;
mod guarding;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use base::{Clock, Id, Ids, SessionId, Time, UserId};
use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::Value;
use serve::{Deps, In, Keys, Mode, Part, Peers, Rights, Role, Route, Routes, Secret, Shop, Stop};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;
use wire::{Late, Peer};

use super::*;

const ORIGIN: &str = "https://shop.example";
const SECRET: &str = "a secret of the test, long enough";

async fn products() -> serve::Json<Vec<String>> {
    serve::Json(vec!["a product with a name".to_owned(); 100])
}

async fn one(headers: HeaderMap, In(cx): In, serve::Path(id): serve::Path<String>) -> impl IntoResponse {
    let forwarded = headers.get("x-forwarded-for").is_some();
    let hop = headers.contains_key("x-hop");
    let body = serde_json::json!({ "id": id, "request": cx.request_id(), "forwarded": forwarded, "hop": hop });
    ([("connection", "x-secret"), ("x-secret", "1")], serve::Json(body))
}

async fn echo(serve::Body(body): serve::Body<Vec<u8>>) -> serve::Json<usize> {
    serve::Json(body.len())
}

fn catalog(deps: &Deps) -> Part {
    let routes = Routes::<()>::new("catalog", Some("product"))
        .add(Route::get("/products", products).gives::<Vec<String>>(200))
        .add(Route::get("/products/{id}", one))
        .add(Route::post("/products", echo).rights(Rights::May(serve::CATALOG_WRITE)))
        .add(Route::post("/products/webhooks/{who}", |body: String| async { body }).takes_text("application/json"))
        .add(Route::get("/internal/secret", || async { "secret" }));
    Part::new("catalog", &deps.of("catalog"), routes.finish(()), None)
}

struct Town {
    deps: Deps,
    router: Router,
}

fn deps(peers: Peers) -> Deps {
    let clock = Clock::paused(Time::from_micros(1_900_000_000_000_000));
    let ids = Ids::seeded(1);
    Deps {
        keys: Keys::new(&Secret::Ed25519([7; 32]), &[], "shop", clock.clone(), ids.clone()),
        clock,
        ids,
        mode: Mode::Development,
        shop: Shop {
            name: "Test <&> Co".to_owned(),
            currency: "EUR".parse().unwrap(),
        },
        peers,
        mail: serve::Mailer::off(),
        stop: Stop::new(),
    }
}

fn gateway_of(deps: Deps, declared: Vec<serve::Declared>) -> Town {
    gateway_with(deps, declared, Config::default())
}

fn gateway_with(deps: Deps, declared: Vec<serve::Declared>, change: Config) -> Town {
    let config = Config {
        origins: vec![ORIGIN.to_owned()],
        tls: true,
        declared,
        version: "1".to_owned(),
        encryption_key: Some(SECRET.to_owned()),
        ..change
    };
    Town {
        router: build(&deps, config).unwrap().router,
        deps,
    }
}

fn town() -> Town {
    let late = Late::new();
    let deps = deps(Peers::new([Peer::local("catalog", late.clone())]));
    let part = catalog(&deps);
    late.set(part.router);
    gateway_of(deps, part.declared)
}

/// The same with catalog in another process, as far as HTTP is concerned.
async fn split_town() -> Town {
    let bound = serve::bind(&[("catalog", "127.0.0.1:0".parse().unwrap())])
        .await
        .unwrap();
    let peer = Peer::remote("catalog", &format!("http://{}", bound[0].address)).unwrap();
    let deps = deps(Peers::new([peer]));
    let part = catalog(&deps);
    let declared = part.declared.clone();
    drop(serve::spawn(serve::run(
        vec![part],
        bound,
        deps.stop.clone(),
        Duration::from_secs(1),
    )));
    gateway_of(deps, declared)
}

impl Town {
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> Response<Body> {
        self.ask("GET", path, &[], "").await
    }
}

fn staff_of(town: &Town) -> String {
    let session: SessionId = town.deps.ids.next(town.deps.clock.now());
    let minute = Duration::from_secs(60);
    let (token, _) = town
        .deps
        .keys
        .sign_user(UserId::from_bits(1), Role::Admin, session, minute);
    format!("Bearer {token}")
}

async fn text_of(response: Response<Body>) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn json_of(response: Response<Body>) -> Value {
    serde_json::from_str(&text_of(response).await).unwrap()
}

#[tokio::test]
async fn requests_reach_their_service_here_and_elsewhere() {
    for town in [town(), split_town().await] {
        for path in ["/api/products/7", "/api/product/products/7"] {
            let headers = [("x-request-id", "abc"), ("connection", "x-hop"), ("x-hop", "1")];
            let response = town.ask("GET", path, &headers, "").await;
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["x-request-id"], "abc");
            assert_eq!(json_of(response).await["request"], "abc");
        }
        for path in ["/internal/secret", "/api/internal/secret", "/products", "/api/nothing"] {
            let response = town.get(path).await;
            assert_eq!(response.status(), 404, "{path}");
            assert!(json_of(response).await["requestId"].is_string());
        }
        let absent = town.get("/api/cart").await;
        assert_eq!(
            (absent.status(), absent.headers().contains_key("retry-after")),
            (StatusCode::SERVICE_UNAVAILABLE, true)
        );
        town.deps.stop.stop();
    }
}

#[tokio::test]
async fn headers_of_one_hop_do_not_reach_the_next() {
    let town = split_town().await;
    let headers = [("connection", "x-hop"), ("x-hop", "1")];
    let response = town.ask("GET", "/api/products/7", &headers, "").await;
    assert!(!response.headers().contains_key("x-secret") && !response.headers().contains_key("connection"));
    assert_eq!(json_of(response).await["hop"], false);
}

#[tokio::test]
async fn bad_tokens_and_large_bodies_stop_at_the_edge() {
    let town = town();
    let bad = town
        .ask("GET", "/api/products", &[("authorization", "Bearer x")], "")
        .await;
    assert_eq!(bad.status(), 401);
    assert!(bad.headers().contains_key("www-authenticate"));
    assert_eq!(json_of(bad).await["code"], "unauthorized");
    let session: SessionId = town.deps.ids.next(town.deps.clock.now());
    let sign = |role| {
        town.deps
            .keys
            .sign_user(UserId::from_bits(1), role, session, Duration::from_secs(60))
            .0
    };
    let post = async |role, body: &str| {
        let bearer = format!("Bearer {}", sign(role));
        let length = body.len().to_string();
        let headers = [
            ("authorization", &*bearer),
            ("content-length", &*length),
            ("content-type", "application/json"),
        ];
        town.ask("POST", "/api/products", &headers, body)
            .await
            .status()
            .as_u16()
    };
    assert_eq!(post(Role::Customer, "[]").await, 403);
    assert_eq!(post(Role::Staff, "[1,2]").await, 200);
    assert_eq!(post(Role::Staff, &format!("[{}1]", "1,".repeat(600_000))).await, 413);
    // What no route reads is refused before anybody asks who sends it; a file may be of any length.
    for (path, status) in [("/api/products", 413), ("/api/products/webhooks/them", 200)] {
        let headers = [("content-length", "9000000"), ("content-type", "application/json")];
        assert_eq!(town.ask("POST", path, &headers, "").await.status(), status, "{path}");
    }
    town.deps.keys.revoked().end(session);
    assert_eq!(post(Role::Staff, "[1]").await, 401);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_its_senders_fault_wherever_it_was_sent() {
    for town in [town(), split_town().await] {
        let pieces = [Ok("[1,"), Err(std::io::Error::other("gone"))];
        let request = Request::post("/api/products")
            .header("authorization", staff_of(&town))
            .header("content-type", "application/json")
            .body(Body::from_stream(futures_util::stream::iter(pieces)));
        let refused = town.router.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(refused.status(), 400);
        assert_eq!(json_of(refused).await["code"], "malformed");
        town.deps.stop.stop();
    }
}

#[tokio::test]
async fn answers_carry_what_browsers_need() {
    let town = town();
    let response = town.ask("GET", "/api/products", &[("origin", ORIGIN)], "").await;
    let headers = response.headers();
    assert_eq!(headers["access-control-allow-origin"], ORIGIN);
    assert!(
        headers["access-control-expose-headers"]
            .to_str()
            .unwrap()
            .contains("Idempotency-Replayed")
    );
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(
        headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("frame-ancestors 'none'")
    );
    assert!(headers.contains_key("strict-transport-security") && !headers.contains_key("server"));
    assert!(headers["server-timing"].to_str().unwrap().starts_with("total;dur="));
    let auth = town.get("/api/auth/verify").await;
    assert!(!auth.headers().contains_key("server-timing"));
    let stranger = town
        .ask("GET", "/api/products", &[("origin", "https://evil.example")], "")
        .await;
    assert!(!stranger.headers().contains_key("access-control-allow-origin"));
    let asked = [("origin", ORIGIN), ("access-control-request-method", "PUT")];
    let preflight = town.ask("OPTIONS", "/api/products", &asked, "").await;
    assert_eq!(preflight.status(), 204);
    assert!(
        preflight.headers()["access-control-allow-methods"]
            .to_str()
            .unwrap()
            .contains("PUT")
    );
    assert!(cors::Cors::new(&["shop.example".to_owned()]).is_err());
    assert!(cors::Cors::new(&["https://shop.example/".to_owned()]).is_err());
}

#[tokio::test]
async fn large_answers_are_compressed_as_the_caller_likes() {
    let town = town();
    let coding = async |path: &str, taken: &str| {
        let response = town.ask("GET", path, &[("accept-encoding", taken)], "").await;
        response
            .headers()
            .get("content-encoding")
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(coding("/api/products", "gzip, br, zstd").await.as_deref(), Some("zstd"));
    assert_eq!(
        coding("/api/products", "zstd").await.as_deref(),
        Some("zstd"),
        "again, from what is kept"
    );
    assert_eq!(coding("/api/products", "gzip").await.as_deref(), Some("gzip"));
    assert_eq!(coding("/api/products", "br").await.as_deref(), Some("br"));
    assert_eq!(coding("/api/products", "identity").await, None);
    assert_eq!(coding("/api/products/7", "gzip").await, None, "small ones are not");
    let sent = async || {
        let response = town
            .ask("GET", "/api/products", &[("accept-encoding", "gzip")], "")
            .await;
        let vary = response
            .headers()
            .get_all("vary")
            .iter()
            .filter_map(|line| line.to_str().ok());
        assert!(vary.collect::<Vec<_>>().join(",").contains("accept-encoding"));
        axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap()
    };
    let first = sent().await;
    assert!(first.starts_with(&[0x1f, 0x8b]) && first.len() < 1_000);
    assert_eq!(first, sent().await, "kept or made anew, it is the same");
}

#[tokio::test]
async fn the_shop_tells_of_itself() {
    let town = town();
    assert_eq!(json_of(town.get("/health").await).await["status"], "ok");
    assert_eq!(town.get("/healthz").await.status(), 200);
    assert_eq!(json_of(town.get("/ready").await).await["parts"]["catalog"], "ready");
    assert_eq!(
        json_of(town.get("/.well-known/jwks.json").await).await["keys"][0]["crv"],
        "Ed25519"
    );
    let document = json_of(town.get("/openapi.json").await).await;
    assert!(document["paths"]["/api/products/{id}"]["get"].is_object());
    let docs = town.get("/docs").await;
    assert!(
        docs.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("script-src 'self'")
    );
    let docs = text_of(docs).await;
    assert!(docs.contains("/docs/app.js") && !docs.contains("http://") && !docs.contains("https://"));
    assert_eq!(
        town.get("/docs/app.js").await.headers()["content-type"],
        "text/javascript; charset=utf-8"
    );
    assert_eq!(json_of(town.get("/").await).await["shop"], "Test <&> Co");
    let page = town.ask("GET", "/", &[("accept", "text/html")], "").await;
    assert!(text_of(page).await.contains("Test &lt;&amp;> Co"));
    assert_eq!(town.ask("POST", "/health", &[], "").await.status(), 405);
}

#[tokio::test]
async fn a_shop_with_a_part_missing_is_not_ready() {
    let late = Late::new();
    let town = gateway_of(deps(Peers::new([Peer::local("catalog", late)])), Vec::new());
    let response = town.get("/ready").await;
    assert_eq!(response.status(), 503);
    assert_eq!(json_of(response).await["parts"]["catalog"], "not ready");
}

#[tokio::test]
async fn many_who_ask_whether_the_shop_is_ready_share_an_answer() {
    let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let late = Late::new();
    let answer = {
        let (asked, gate) = (asked.clone(), gate.clone());
        move || async move {
            asked.fetch_add(1, Ordering::Relaxed);
            let _ = gate.acquire().await;
        }
    };
    late.set(Router::new().route("/ready", axum::routing::get(answer)));
    let town = gateway_of(deps(Peers::new([Peer::local("catalog", late)])), Vec::new());
    let many = futures_util::future::join_all((0..20).map(|_| town.get("/ready")));
    let (answers, ()) = tokio::join!(many, async { gate.add_permits(100) });
    assert!(answers.iter().all(|answer| answer.status() == 200));
    assert_eq!(
        asked.load(Ordering::Relaxed),
        2,
        "the first one's, and one for all who came meanwhile"
    );
    assert_eq!(town.get("/ready").await.status(), 200);
    assert_eq!(asked.load(Ordering::Relaxed), 3, "who comes later gets a fresh one");
}
