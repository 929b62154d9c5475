//! What the tests of one service stand on: surroundings in which the clock stands still, both engines, and a way to
//! ask its router.

use axum::Router;
use axum::body::Body;
use base::{Clock, Currency, Ids, Time};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use serde_json::Value;
use serve::{Deps, Keys, Mode, Peers, Secret, Shop, Stop};
use tower::ServiceExt as _;
use wire::{Late, Peer};

/// The moment at which tests begin.
pub const NOW: Time = Time::from_micros(1_900_000_000_000_000);

/// The surroundings of a service in development, in a shop that counts in US dollars; the clock stands at [`NOW`].
pub fn deps(ids: Ids, peers: impl IntoIterator<Item = Peer>) -> Deps {
    let clock = Clock::paused(NOW);
    Deps {
        keys: Keys::new(&Secret::Shared(vec![7; 32]), &[], "test", clock.clone(), ids.clone()),
        clock,
        ids,
        mode: Mode::Development,
        shop: Shop {
            name: "Test".into(),
            currency: Currency::USD,
        },
        peers: Peers::new(peers),
        mail: mail::Mailer::kept().0,
        stop: Stop::new(),
    }
}

/// A service of this process, as others speak to it.
pub fn local(service: &'static str, router: Router) -> Peer {
    let late = Late::new();
    late.set(router);
    Peer::local(service, late)
}

/// What a router answers: the status code, the headers, and the body as JSON, null when there is none.
///
/// # Panics
/// When the body is not JSON.
pub async fn ask(router: &Router, request: Request<Body>) -> (u16, HeaderMap, Value) {
    let (parts, body) = match router.clone().oneshot(request).await {
        Ok(answer) => answer.into_parts(),
        Err(never) => match never {},
    };
    let body = body.collect().await.expect("a body").to_bytes();
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).expect("JSON")
    };
    (parts.status.as_u16(), parts.headers, body)
}

/// A SQLite database in memory.
pub fn memory() -> store::Engine {
    store::Engine::Memory
}

/// A PostgreSQL database of its own.
///
/// # Panics
/// When there is no server.
pub async fn postgres() -> store::Engine {
    let url = crate::postgres::database().await.expect("a server for tests");
    store::Engine::Postgres { url }
}

/// Makes each function a test on SQLite in memory and a test on a PostgreSQL database of its own. It gets what `open`
/// makes of the engine: `on_both! { crate::tests::Desk::open; it_sells it_refunds }`.
#[macro_export]
macro_rules! on_both {
    ($open:expr; $($case:ident)*) => {
        mod sqlite {$(
            #[tokio::test]
            async fn $case() {
                super::$case($open($crate::service::memory()).await).await;
            }
        )*}
        mod postgres {$(
            #[tokio::test]
            async fn $case() {
                super::$case($open($crate::service::postgres().await).await).await;
            }
        )*}
    };
}
