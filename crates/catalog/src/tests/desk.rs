//! A catalogue on a database of its own, and people and services in front of it.

use std::path::PathBuf;
use std::time::Duration;

use api::catalog::Client;
use axum::body::Body;
use base::{Currency, Id, Ids, OrderId, SessionId, UserId, VariantId};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use serve::{Keys, Role, Stop};
use store::{Db, Engine, Settings};
use testkit::service::{ask, local};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;
use wire::Cx;

use crate::Config;

/// The service, and tokens for those who call it.
pub(super) struct Desk {
    pub(super) db: Db,
    router: axum::Router,
    keys: Keys,
    stop: Stop,
    /// Keeps the search index up.
    following: Option<JoinHandle<()>>,
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
        Self::open_with(engine, currency, Ids::seeded(5), Some(Config::default())).await
    }

    /// Another process on the same database: its ids are others.
    pub(super) async fn open_beside(engine: Engine) -> Self {
        Self::open_with(engine, Currency::USD, Ids::seeded(6), Some(Config::default())).await
    }

    /// With its search index in this folder.
    pub(super) async fn open_searching(engine: Engine, search: Option<PathBuf>) -> Self {
        Self::open_with(engine, Currency::USD, Ids::seeded(7), Some(Config { search })).await
    }

    /// Without anybody who keeps a search index up.
    pub(super) async fn open_unfollowed(engine: Engine) -> Self {
        Self::open_with(engine, Currency::USD, Ids::seeded(8), None).await
    }

    /// Ends what goes on, in order.
    pub(super) async fn close(mut self) {
        self.unfollow().await;
        self.db.close().await;
    }

    /// From here on nobody keeps the search index up.
    pub(super) async fn unfollow(&mut self) {
        self.stop.stop();
        if let Some(following) = self.following.take() {
            following.await.unwrap();
        }
    }

    /// Sweeps all events, as happens after a week.
    pub(super) async fn forget_events(&self) {
        let later = self.db.clock().now().after(Duration::from_secs(1_000_000));
        let swept = self
            .db
            .write(move |tx| store::sweep_outbox(tx, i64::MAX, later, 1_000))
            .await;
        assert!(swept.unwrap() > 0);
    }

    /// With its search index kept up where there is a configuration.
    async fn open_with(engine: Engine, currency: Currency, ids: Ids, config: Option<Config>) -> Self {
        let mut deps = testkit::service::deps(ids, []);
        deps.shop.currency = currency;
        let keys = deps.keys.clone();
        let settings = Settings::new(engine, "catalog");
        let db = Db::open(settings, crate::MIGRATIONS, deps.clock.clone(), deps.ids.clone())
            .await
            .unwrap();
        let stop = deps.stop.clone();
        let is_followed = config.is_some();
        let part = crate::build(deps, db.clone(), config.unwrap_or_default())
            .await
            .unwrap();
        let following = part.tasks.iter().find(|task| is_followed && task.name == "search");
        Self {
            db,
            router: part.router,
            keys,
            following: following.map(|task| serve::spawn(task.run(stop.clone()))),
            stop,
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

    /// A clerk sends a file of CSV.
    pub(super) async fn clerk_file(&self, what: &str, file: &str, headers: &[(&str, &str)]) -> Answer {
        let (method, path) = what.split_once(' ').unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "text/csv")
            .header("authorization", format!("Bearer {}", self.token(Role::Staff)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(file.to_owned())).unwrap();
        let (status, headers, body) = ask(&self.router, request).await;
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

    /// What the audit log was told: `action` of each entry, in order.
    pub(super) async fn deeds(&self) -> Vec<(String, Value)> {
        let stored = self.db.read(|tx| store::outbox_after(tx, 0, 1_000)).await.unwrap();
        let told = stored
            .into_iter()
            .filter(|stored| stored.event.kind == api::trail::STAFF_ACTION);
        told.map(|stored| {
            let data: Value = serde_json::from_str(&stored.event.data).unwrap();
            (data["action"].as_str().unwrap().to_owned(), data)
        })
        .collect()
    }

    /// The events in the outbox, as `Kind subject sequence`, with the subject's prefix only; those of the audit log apart.
    pub(super) async fn events(&self) -> Vec<String> {
        let stored = self.db.read(|tx| store::outbox_after(tx, 0, 1_000)).await.unwrap();
        stored
            .into_iter()
            .filter(|stored| stored.event.kind != api::trail::STAFF_ACTION)
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
