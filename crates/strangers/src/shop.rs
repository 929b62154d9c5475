//! A whole shop in memory, asked through its gateway: every list that takes parameters.

use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use base::{Clock, Ids};
use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use ironmonger::compose::{self, Place, Seams};
use ironmonger::config::Config;
use serve::Role;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// How long the shop may take to end, which it never does.
const GRACE: Duration = Duration::from_secs(1);
/// What would not end: streams. And what only services ask.
const LEFT_OUT: [&str; 2] = ["/events/stream", "/orders/{id}/events"];

struct Shop {
    runtime: Runtime,
    gateway: Router,
    admin: String,
    /// Every address that reads parameters.
    lists: Vec<String>,
}

/// The first byte says which list is asked, the rest is what stands behind the question mark. The shop answers or
/// refuses.
pub(crate) fn query(bytes: &[u8]) {
    static SHOP: OnceLock<Shop> = OnceLock::new();
    let shop = SHOP.get_or_init(Shop::open);
    let Some((list, rest)) = bytes.split_first() else {
        return;
    };
    let list = &shop.lists[usize::from(*list) % shop.lists.len()];
    let (status, text) = shop.ask(&format!("{list}?{}", written(rest)));
    assert!(status < 500, "{list}: {status} {text}");
    assert!([200, 304, 400, 404].contains(&status), "{list}: {status} {text}");
}

/// Bytes as an address may hold them: what it may not is encoded.
fn written(bytes: &[u8]) -> String {
    let letter = |byte: &u8| match byte {
        b'!' | b'$'..=b';' | b'=' | b'?'..=b'_' | b'a'..=b'z' | b'~' => char::from(*byte).to_string(),
        other => format!("%{other:02X}"),
    };
    bytes.iter().map(letter).collect()
}

impl Shop {
    #[allow(clippy::disallowed_methods)] // The shop lives beside the reader, as long as the process.
    fn open() -> Shop {
        let runtime = Runtime::new().expect("a runtime");
        let (gateway, deps, declared) = runtime.block_on(async {
            let environment = [
                (
                    "IRONMONGER_SECRETS_SIGNING_KEY",
                    "5f1d0c9be2a74386905b7f3e8d1c2a4b6e9f80317c5d4a2b1e0f9d8c7b6a5948",
                ),
                (
                    "IRONMONGER_SECRETS_WEBHOOK_SECRET",
                    "the provider and the shop both know this",
                ),
            ];
            let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let config = Config::read(None, environment.into_iter()).expect("the settings are right");
            let services = compose::named(&[]).expect("all services");
            let (clock, ids, seams) = (Clock::system(), Ids::random(), Seams::default());
            let composed = compose::compose_with(&config, &services, &Place::Memory, clock, ids, &seams);
            let composed = composed.await.expect("the shop can be put together");
            let declared: Vec<_> = composed.parts.iter().flat_map(|part| part.declared.clone()).collect();
            let gateway = composed.parts.iter().find(|part| part.name == "gateway");
            let gateway = gateway.expect("a gateway").router.clone();
            let (deps, stop) = (composed.deps.clone(), composed.deps.stop.clone());
            tokio::spawn(serve::run(composed.parts, Vec::new(), stop, GRACE));
            (gateway, deps, declared)
        });
        let lists = declared.iter().filter(|route| {
            let is_read = route.method == Method::GET && route.query.is_some();
            is_read && !route.is_internal() && !LEFT_OUT.contains(&route.path)
        });
        let slots = ["{id}", "{variantId}", "{userId}", "{session}"];
        let filled = |path: &str| slots.iter().fold(path.to_owned(), |path, slot| path.replace(slot, "1"));
        let mut lists: Vec<String> = lists.map(|route| format!("/api{}", filled(route.path))).collect();
        lists.sort();
        let now = deps.clock.now();
        let (user, session) = (deps.ids.next(now), deps.ids.next(now));
        let (admin, _) = deps
            .keys
            .sign_user(user, Role::Admin, session, serve::ACCESS_LIFETIME_MAX);
        let shop = Shop {
            runtime,
            gateway,
            admin,
            lists,
        };
        shop.fill();
        shop
    }

    /// Something to be found.
    fn fill(&self) {
        let product = r#"{"name":"Anvil","price":1,"stock":1,"tags":["iron"],"category":"Tools"}"#;
        let (status, text) = self.call(Method::POST, "/api/products", product);
        assert_eq!(status, 201, "{text}");
    }

    fn ask(&self, address: &str) -> (u16, String) {
        self.call(Method::GET, address, "")
    }

    fn call(&self, method: Method, address: &str, body: &'static str) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .uri(address)
            .header(header::HOST, "127.0.0.1:3000")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.admin));
        // Longer than any address may be.
        let Ok(request) = request.body(Body::from(body)) else {
            return (400, String::new());
        };
        self.runtime.block_on(async {
            let answer = self.gateway.clone().oneshot(request).await;
            let answer = answer.unwrap_or_else(|never| match never {});
            let status = answer.status().as_u16();
            let bytes = answer.into_body().collect().await.map(|body| body.to_bytes());
            (status, String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
        })
    }
}
