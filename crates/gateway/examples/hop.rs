//! What the edge and the chassis cost a small read: a bare route against the same route as a service's, with and
//! without the gateway before it. In one process, without sockets: `cargo run --release -p gateway --example hop`.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use base::{Clock, Id, Ids, SessionId, UserId};
use http::Request;
use http_body_util::BodyExt as _;
use serve::{Deps, Keys, Mode, Part, Peers, Role, Route, Routes, Secret, Shop, Stop};
use tower::ServiceExt as _;
use wire::{Late, Peer};

const ROUNDS: u32 = 200_000;
/// Some 300 bytes of JSON, as floor H has it.
const TEXT: &str = "a product with a name and a description that is long enough to make up three hundred bytes of JSON \
    when it is written, as the floor of the bench has it; it is about a hammer of forged steel with a handle of ash \
    that lies well in the hand and lasts for a working life if it is not left out in the rain";

async fn product(serve::Path(_): serve::Path<String>) -> serve::Json<&'static str> {
    serve::Json(TEXT)
}

async fn bare(axum::extract::Path(_): axum::extract::Path<String>) -> axum::Json<&'static str> {
    axum::Json(TEXT)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let late = Late::new();
    let (clock, ids) = (Clock::system(), Ids::random());
    let deps = Deps {
        keys: Keys::new(&Secret::Ed25519([7; 32]), &[], "shop", clock.clone(), ids.clone()),
        clock: clock.clone(),
        ids: ids.clone(),
        mode: Mode::Production,
        shop: Shop {
            name: "Bench".into(),
            currency: "EUR".parse().expect("a currency"),
        },
        peers: Peers::new([Peer::local("catalog", late.clone())]),
        mail: serve::Mailer::off(),
        stop: Stop::new(),
    };
    let session: SessionId = ids.next(clock.now());
    let (token, _) = deps
        .keys
        .sign_user(UserId::from_bits(1), Role::Customer, session, Duration::from_secs(900));
    let routes = Routes::<()>::new("catalog", Some("product"))
        .add(Route::get("/products/{id}", product))
        .finish(());
    let part = Part::new("catalog", &deps, routes, None);
    late.set(part.router.clone());
    // As a shop has it: routes are known, callers are counted (so many that nobody is refused), sealed bodies opened.
    let config = gateway::Config {
        declared: part.declared.clone(),
        encryption_key: Some("a secret that is long enough for it".to_owned()),
        quotas: gateway::Quotas {
            reads: 1_000_000_000,
            ..gateway::Quotas::default()
        },
        ..gateway::Config::default()
    };
    let gateway = gateway::build(&deps, config).expect("no origins").router;
    let bare = Router::new().route("/api/products/{id}", axum::routing::get(bare));
    let floor = measure("bare axum route", &bare, None, None).await;
    measure("service", &part.router, None, Some(floor)).await;
    measure("gateway and service", &gateway, None, Some(floor)).await;
    measure("gateway and service, with a token", &gateway, Some(&token), Some(floor)).await;
}

async fn measure(what: &str, router: &Router, token: Option<&str>, floor: Option<f64>) -> f64 {
    let caller = SocketAddr::from(([203, 0, 113, 7], 4711));
    let began = Instant::now();
    for _ in 0..ROUNDS {
        let mut request = Request::get("/api/products/prd_01j9zk3v5w8q2m4n6p7r8s9t0v").header("host", "localhost");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut request = request.body(Body::empty()).expect("a request");
        request.extensions_mut().insert(ConnectInfo(caller));
        let Ok(response) = router.clone().oneshot(request).await;
        assert!(response.status().is_success());
        let _ = black_box(response.into_body().collect().await);
    }
    let micros = began.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
    let more = floor
        .map(|floor| format!(", {:+.2} µs", micros - floor))
        .unwrap_or_default();
    println!("{what}: {micros:.2} µs a request{more}");
    micros
}
