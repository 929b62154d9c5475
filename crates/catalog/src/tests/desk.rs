//! A catalogue on a database of its own, and people and services in front of it.

use std::time::Duration;

use api::catalog::Client;
use axum::body::Body;
use base::{Currency, Id, Ids, OrderId, SessionId, UserId, VariantId};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use serve::{Keys, Role};
use store::{Db, Engine, Settings};
use testkit::service::{ask, local};
use tower::ServiceExt as _;
use wire::Cx;

/// The service, and tokens for those who call it.
pub(super) struct Desk {
    pub(super) db: Db,
    router: axum::Router,
    keys: Keys,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Desk {
    pub(super) async fn open(engine: Engine) -> Self {
        Self::open_in(engine, Currency::USD).await
    }

    pub(super) async fn open_in(engine: Engine, currency: Currency) -> Self {
        Self::open_with(engine, currency, Ids::seeded(5)).await
    }

    /// Another process on the same database: its ids are others.
    pub(super) async fn open_beside(engine: Engine) -> Self {
        Self::open_with(engine, Currency::USD, Ids::seeded(6)).await
    }

    async fn open_with(engine: Engine, currency: Currency, ids: Ids) -> Self {
        let mut deps = testkit::service::deps(ids, []);
        deps.shop.currency = currency;
        let keys = deps.keys.clone();
        let settings = Settings::new(engine, "catalog");
        let db = Db::open(settings, crate::MIGRATIONS, deps.clock.clone(), deps.ids.clone())
            .await
            .unwrap();
        let part = crate::build(deps, db.clone(), crate::Config::default()).await.unwrap();
        Self {
            db,
            router: part.router,
            keys,
        }
    }

    /// The typed client that orders and cart have.
    pub(super) fn client(&self) -> Client {
        Client(local("catalog", self.router.clone()).speaking(self.keys.badge("orders")))
    }

    fn token(&self, role: Role) -> String {
        self.keys
            .sign_user(
                UserId::from_bits(7),
                role,
                SessionId::from_bits(7),
                Duration::from_secs(900),
            )
            .0
    }

    /// A clerk calls `"METHOD /path"`; the body is JSON, `null` for none.
    pub(super) async fn clerk(&self, what: &str, body: Value) -> Answer {
        self.clerk_with(what, body, &[]).await
    }

    pub(super) async fn clerk_with(&self, what: &str, body: Value, headers: &[(&str, &str)]) -> Answer {
        self.call(Some(self.token(Role::Staff)), what, body, headers).await
    }

    pub(super) async fn customer(&self, what: &str, body: Value) -> Answer {
        self.call(Some(self.token(Role::Customer)), what, body, &[]).await
    }

    /// Somebody without a token.
    pub(super) async fn anyone(&self, what: &str, body: Value) -> Answer {
        self.call(None, what, body, &[]).await
    }

    pub(super) async fn call(
        &self,
        token: Option<String>,
        what: &str,
        body: Value,
        headers: &[(&str, &str)],
    ) -> Answer {
        let (method, path) = what.split_once(' ').unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, headers, body) = ask(&self.router, request.body(Body::from(body)).unwrap()).await;
        Answer { status, headers, body }
    }

    /// A body that is no JSON, from a user or (without a role) from a service; answers status and bytes.
    pub(super) async fn send(&self, role: Option<Role>, what: &str, kind: &str, body: Body) -> (u16, Vec<u8>) {
        let (method, path) = what.split_once(' ').unwrap();
        let token = match role {
            Some(role) => self.token(role),
            None => self.keys.service_token("cli").to_string(),
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .header("authorization", format!("Bearer {token}"));
        let answer = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    /// A product that was just created.
    pub(super) async fn product(&self, body: Value) -> Value {
        let answer = self.clerk("POST /products", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body
    }

    /// A simple product with so many pieces; its variant.
    pub(super) async fn pieces(&self, name: &str, stock: i64) -> VariantId {
        let product = self.product(json!({ "name": name, "price": 5, "stock": stock })).await;
        product["variants"][0]["id"].as_str().unwrap().parse().unwrap()
    }

    /// Stock, reserved and available, as a clerk reads them.
    pub(super) async fn stock(&self, product: &str) -> (i64, i64, i64) {
        let answer = self.clerk(&format!("GET /products/{product}/stock"), Value::Null).await;
        let figure = |name: &str| answer.body[name].as_i64().unwrap_or_else(|| panic!("{answer:?}"));
        (figure("stock"), figure("reserved"), figure("available"))
    }

    /// The events in the outbox, as `Kind subject sequence`, with the subject's prefix only.
    pub(super) async fn events(&self) -> Vec<String> {
        let stored = self.db.read(|tx| store::outbox_after(tx, 0, 1_000)).await.unwrap();
        stored
            .into_iter()
            .map(|stored| {
                format!(
                    "{} {} {}",
                    stored.event.kind,
                    &stored.event.subject[..3],
                    stored.event.sequence
                )
            })
            .collect()
    }
}

impl Answer {
    /// The status, and the code of a problem.
    pub(super) fn told(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }

    pub(super) fn header(&self, name: &str) -> String {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    }

    pub(super) fn tag(&self) -> String {
        self.header("etag")
    }

    /// The names in a list.
    pub(super) fn names(&self) -> Vec<&str> {
        let list = self.body.as_array().unwrap_or_else(|| panic!("{self:?}"));
        list.iter().map(|product| product["name"].as_str().unwrap()).collect()
    }
}

pub(super) fn order(n: u128) -> OrderId {
    OrderId::from_bits(n)
}

pub(super) fn cx() -> Cx {
    Cx::new("req_test", "usr_test")
}
