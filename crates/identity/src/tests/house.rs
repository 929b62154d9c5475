//! A shop with nothing in it but identity, and people who talk to it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use base::{Clock, Ids};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, Request};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use serve::{Deps, Keys, Mode, Peers, Secret};
use store::{Db, Engine, Settings};
use testkit::service::{ask, local};

use crate::{App, Config, Cost, MIGRATIONS};

pub const PASSWORD: &str = "correct horse battery";

pub struct House {
    pub app: Arc<App>,
    pub deps: Deps,
    door: Router,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The body, which must have the status and be of the type that the route declares.
    #[track_caller]
    pub fn is<T: DeserializeOwned>(self, status: u16) -> T {
        assert_eq!(self.status, status, "{}", self.body);
        serde_json::from_value(self.body.clone()).unwrap_or_else(|fault| panic!("{fault}: {}", self.body))
    }

    /// A refusal with this status and code; answers the pointers of the fields that are wrong.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Vec<String> {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.body
        );
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        errors
            .iter()
            .map(|fault| fault["pointer"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

pub fn config() -> Config {
    Config {
        password_cost: Cost::least(),
        public_url: "https://shop.example".to_owned(),
        ..Config::default()
    }
}

impl House {
    pub async fn open(engine: Engine) -> Self {
        let mut deps = testkit::service::deps(Ids::random(), []);
        deps.keys = keys(&deps.clock, &deps.ids);
        let settings = Settings::new(engine, "identity");
        let db = Db::open(settings, MIGRATIONS, deps.clock.clone(), deps.ids.clone())
            .await
            .unwrap();
        Self::with(deps, db).await
    }

    async fn with(deps: Deps, db: Db) -> Self {
        let (part, app) = crate::assemble(deps.of("identity"), db, config()).await.unwrap();
        Self {
            app,
            deps,
            door: part.router,
        }
    }

    /// The same house after a restart of the process: same database and secrets, nothing remembered.
    pub async fn restarted(self) -> Self {
        let keys = keys(&self.deps.clock, &self.deps.ids);
        Self::with(
            Deps {
                keys,
                ..self.deps.clone()
            },
            self.app.db.clone(),
        )
        .await
    }

    /// The same house in production.
    pub async fn in_production(self) -> Self {
        Self::with(
            Deps {
                mode: Mode::Production,
                ..self.deps.clone()
            },
            self.app.db.clone(),
        )
        .await
    }

    /// The same house with this mailer.
    pub async fn with_mailer(self, mail: mail::Mailer, mode: Mode) -> Self {
        Self::with(
            Deps {
                mail,
                mode,
                ..self.deps.clone()
            },
            self.app.db.clone(),
        )
        .await
    }

    /// The same house, and the drawer that its mails go to.
    pub async fn mailing(self) -> (Self, mail::Kept) {
        let (mailer, kept) = mail::Mailer::kept();
        (self.with_mailer(mailer, Mode::Development).await, kept)
    }

    /// The same house, next to these other services.
    pub async fn beside(self, others: impl IntoIterator<Item = (&'static str, Router)>) -> Self {
        let peers = others.into_iter().map(|(name, router)| local(name, router));
        Self::with(
            Deps {
                peers: Peers::new(peers),
                ..self.deps.clone()
            },
            self.app.db.clone(),
        )
        .await
    }

    /// The same house, which asks itself whose an API key is.
    pub async fn asking_itself(self) -> Self {
        let own = ("identity", self.door.clone());
        self.beside([own]).await
    }

    pub fn wait(&self, seconds: u64) {
        self.deps.clock.advance(Duration::from_secs(seconds));
    }

    /// Sends a request; headers come as pairs.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let (status, headers, body) = ask(&self.door, request.body(body).unwrap()).await;
        Answer { status, headers, body }
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[], Some(&body)).await
    }

    pub async fn post_as(&self, token: &str, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[("authorization", &bearer(token))], Some(&body))
            .await
    }

    pub async fn get_as(&self, token: &str, path: &str) -> Answer {
        self.send(Method::GET, path, &[("authorization", &bearer(token))], None)
            .await
    }

    pub async fn patch_as(&self, token: &str, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, &[("authorization", &bearer(token))], Some(&body))
            .await
    }

    pub async fn put_as(&self, token: &str, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, &[("authorization", &bearer(token))], Some(&body))
            .await
    }

    pub async fn delete_as(&self, token: &str, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[("authorization", &bearer(token))], None)
            .await
    }

    /// An administrator, made as the command line does it, and signed in.
    pub async fn admin(&self) -> api::identity::Session {
        let config = config();
        crate::create_admin(&self.app.db, &config, Mode::Development, "root@x.org", PASSWORD)
            .await
            .unwrap();
        self.login_root().await
    }

    /// The administrator, signed in once more.
    pub async fn login_root(&self) -> api::identity::Session {
        let body = json!({ "email": "root@x.org", "password": PASSWORD });
        self.post("/api/auth/login", body).await.is(200)
    }

    /// Signs in by username.
    pub async fn login(&self, username: &str) -> api::identity::Session {
        let body = json!({ "username": username, "password": PASSWORD });
        self.post("/api/auth/login", body).await.is(200)
    }

    /// A clerk with these permissions, signed in.
    pub async fn clerk(&self, root: &api::identity::Session, name: &str, may: &[&str]) -> api::identity::Session {
        self.register(name).await;
        let body = json!({ "role": "staff", "permissions": may });
        let path = format!("/api/users/{name}/role");
        self.put_as(&root.token, &path, body).await.is::<Value>(200);
        self.login(name).await
    }

    /// What a token says.
    pub fn claims(&self, token: &str) -> Value {
        let payload = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    /// What staff did, as it is told to the audit log.
    pub async fn deeds(&self) -> Vec<store::Outgoing> {
        let mut told = self.events().await;
        told.retain(|event| event.kind == api::trail::STAFF_ACTION);
        told
    }

    /// A service's token.
    pub fn badge(&self) -> String {
        self.deps.keys.service_token("orders").to_string()
    }

    /// Opens an account by username.
    pub async fn register(&self, username: &str) -> api::identity::Session {
        let body = json!({ "username": username, "password": PASSWORD });
        self.post("/api/auth/register", body).await.is(201)
    }

    pub async fn guest(&self) -> api::identity::Session {
        self.send(Method::POST, "/api/auth/guest", &[], None).await.is(200)
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("/api/auth/refresh", json!({ "refreshToken": token })).await
    }

    /// Events told so far.
    pub async fn events(&self) -> Vec<store::Outgoing> {
        let told = self.app.db.read(|tx| store::outbox_after(tx, 0, 100)).await.unwrap();
        told.into_iter().map(|stored| stored.event).collect()
    }

    /// A column of texts, as they are stored.
    pub async fn column(&self, table: &'static str, column: &'static str) -> Vec<String> {
        let db = &self.app.db;
        db.read(move |tx| crate::store::column(tx, table, column))
            .await
            .unwrap()
    }

    /// How many rows a table has.
    pub async fn rows(&self, table: &'static str) -> i64 {
        self.app
            .db
            .read(move |tx| crate::store::count(tx, table))
            .await
            .unwrap()
    }
}

pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn keys(clock: &Clock, ids: &Ids) -> Keys {
    Keys::new(&Secret::Ed25519([7; 32]), &[], "test", clock.clone(), ids.clone())
}
