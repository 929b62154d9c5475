//! A cart service on a database of its own, with a shelf beside it and people in front of it.

use std::time::Duration;

use axum::body::Body;
use base::{Clock, Id, Ids, SessionId, UserId};
use http::{HeaderMap, Request};
use serde_json::Value;
use serve::{Keys, Permission, Permissions, Role};
use store::{Db, Engine, Settings};
use testkit::service::ask;
use wire::Peer;

use super::shelf::Shelf;

/// The service and its surroundings.
pub(crate) struct Shop {
    pub(crate) shelf: Shelf,
    pub(crate) db: Db,
    pub(crate) app: crate::App,
    pub(crate) clock: Clock,
    router: axum::Router,
    keys: Keys,
}

/// Somebody who calls.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: UserId,
    token: String,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Shop {
    pub(crate) async fn open(engine: Engine) -> Self {
        let shelf = Shelf::default();
        let peers = shelf.peers();
        Self::open_with(engine, shelf, peers).await
    }

    pub(crate) async fn open_with(engine: Engine, shelf: Shelf, peers: impl IntoIterator<Item = Peer>) -> Self {
        let deps = testkit::service::deps(Ids::random(), peers);
        let (clock, keys) = (deps.clock.clone(), deps.keys.clone());
        let settings = Settings::new(engine, "cart");
        let db = Db::open(settings, crate::MIGRATIONS, clock.clone(), deps.ids.clone())
            .await
            .unwrap();
        let app = crate::App::new(&deps, &db, crate::Config::default());
        let part = crate::build(deps, db.clone(), crate::Config::default()).await.unwrap();
        Self {
            shelf,
            db,
            app,
            clock,
            router: part.router,
            keys,
        }
    }

    pub(crate) fn person(&self, number: u128, role: Role) -> Person {
        let id = UserId::from_bits(number);
        let (token, _) = self
            .keys
            .sign_user(id, role, SessionId::from_bits(number), Duration::from_secs(900));
        Person { id, token }
    }

    /// A clerk with these permissions.
    pub(crate) fn clerk(&self, number: u128, permissions: &[Permission]) -> Person {
        let (id, session) = (UserId::from_bits(number), SessionId::from_bits(number));
        let permissions: Permissions = permissions.iter().copied().collect();
        let time = Duration::from_secs(900);
        let (token, _) = self.keys.sign_permitted(id, Role::Staff, permissions, session, time);
        Person { id, token }
    }

    pub(crate) fn customer(&self, number: u128) -> Person {
        self.person(number, Role::Customer)
    }

    /// A service, as far as tokens go.
    pub(crate) fn service(&self) -> Person {
        Person {
            id: UserId::from_bits(0),
            token: self.keys.service_token("orders").to_string(),
        }
    }

    /// Calls `"METHOD /path"` as `who`; the body is JSON, `null` for none.
    pub(crate) async fn call(&self, who: &Person, what: &str, body: Value) -> Answer {
        self.call_with(Some(who), what, body, &[]).await
    }

    pub(crate) async fn call_with(
        &self,
        who: Option<&Person>,
        what: &str,
        body: Value,
        headers: &[(&str, &str)],
    ) -> Answer {
        let (method, path) = what.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        if let Some(who) = who {
            request = request.header("authorization", format!("Bearer {}", who.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = request
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap();
        let (status, headers, body) = ask(&self.router, request).await;
        Answer { status, headers, body }
    }
}

impl Answer {
    /// The status and, of a problem, its code.
    pub(crate) fn told(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }

    /// The lines as `SKU×quantity`, in their order.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<String> {
        assert!(self.status < 300, "{self:?}");
        let lines = self.body["cart"].as_array().expect("a cart");
        lines
            .iter()
            .map(|line| format!("{}×{}", line["sku"].as_str().unwrap(), line["quantity"]))
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
