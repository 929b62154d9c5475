//! The chassis through a small service of its own.

mod bodies;
mod document;
mod journey;
mod listening;
mod running;
mod tokens;

use std::time::Duration;

use axum::Router;
use axum::body::Body as RawBody;
use base::{Clock, Id, Ids, SessionId, Time, UserId};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower::ServiceExt as _;
use wire::Problem;

use crate::*;

/// What a test order holds.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewThing {
    /// What it is called.
    #[schemars(length(min = 1, max = 20))]
    name: String,
    /// How many.
    #[serde(alias = "qty")]
    #[schemars(range(min = 1, max = 9999))]
    quantity: u32,
    /// Where it goes.
    #[serde(default)]
    place: Option<Spot>,
    /// How it is packed; answered always, asked for never.
    #[serde(default)]
    wrapped: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spot {
    #[serde(alias = "zipCode")]
    postal_code: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Sought {
    /// How many.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    in_stock: Option<bool>,
    sort: Option<Sorted>,
    /// Some of these.
    #[schemars(regex(pattern = "^(tool|toy)(,(tool|toy))*$"), extend("x-words" = ["tool", "toy"]))]
    words: Option<String>,
}

/// The order of a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Sorted {
    /// The newest first.
    Newest,
    /// By name.
    Name,
}

/// What a write was called with.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Seen {
    scope: Option<String>,
    fingerprint: Option<String>,
    who: String,
    request: String,
}

async fn put_thing(Who(_): Who, In(cx): In, write: Write<NewThing>) -> Reply<Seen> {
    let (scope, fingerprint) = write.once.map(|once| (once.scope, once.fingerprint)).unzip();
    let seen = Seen {
        scope,
        fingerprint,
        who: cx.actor().to_owned(),
        request: cx.request_id().to_owned(),
    };
    Created::new("/api/things/1", seen)
}

async fn get_things(Query(sought): Query<Sought>) -> Json<Sought> {
    Json(sought)
}

async fn get_thing(Path(id): Path<UserId>) -> Json<String> {
    Json(id.to_string())
}

async fn act(write: Write<()>) -> Json<bool> {
    Json(write.once.is_some())
}

async fn crash() -> Json<()> {
    panic!("as asked")
}

async fn for_staff(clerk: May<CatalogRead>) -> Json<String> {
    Json(clerk.0.actor())
}

async fn for_services(Service(name): Service) -> Json<String> {
    Json(name)
}

fn things() -> Routes<()> {
    Routes::new("things", Some("thing"))
        .add(
            Route::post("/things", put_thing)
                .also(&["/my/{userId}/things"])
                .rights(Rights::User)
                .takes::<NewThing>()
                .gives::<Seen>(201)
                .refuses(&[(409, "out_of_stock")])
                .tells("Makes a thing", "Of what there is."),
        )
        .add(
            Route::get("/things", get_things)
                .query::<Sought>()
                .gives::<Vec<NewThing>>(200),
        )
        .add(Route::get("/things/{id}", get_thing).gives::<String>(200))
        .add(
            Route::post("/things/{id}/act", act)
                .also_as(Method::PUT, "/things/{id}/act")
                .rights(Rights::User),
        )
        .add(Route::get("/crash", crash))
        .add(Route::delete("/crash", crash))
        .add(Route::get("/staff", for_staff).rights(Rights::May(CATALOG_READ)))
        .add(Route::post("/login", |Body(_): Body<api::Nothing>| async { "in" }))
        .add(Route::get("/internal/who", for_services))
}

struct Bench {
    deps: Deps,
    router: Router,
}

fn deps() -> Deps {
    let clock = Clock::paused(Time::from_micros(1_900_000_000_000_000));
    let ids = Ids::seeded(1);
    Deps {
        keys: Keys::new(&Secret::Ed25519([7; 32]), &[], "shop", clock.clone(), ids.clone()),
        clock,
        ids,
        mode: Mode::Development,
        shop: Shop {
            name: "Test".to_owned(),
            currency: "EUR".parse().unwrap(),
        },
        peers: Peers::default(),
        mail: crate::Mailer::off(),
        stop: Stop::new(),
    }
}

fn bench() -> Bench {
    let deps = deps();
    let part = Part::new("things", &deps, things().finish(()), None);
    Bench {
        router: part.router,
        deps,
    }
}

struct Heard {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Heard {
    fn problem(&self) -> Problem {
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{}",
            self.body
        );
        serde_json::from_value(self.body.clone()).unwrap()
    }

    /// Pointers and details of the fields that were refused.
    fn faults(&self) -> Vec<String> {
        let all = self.problem().errors;
        all.into_iter()
            .map(|fault| format!("{} {}", fault.pointer, fault.detail))
            .collect()
    }
}

impl Bench {
    fn token(&self, role: Role) -> String {
        self.token_of(user(), role)
    }

    fn token_of(&self, user: UserId, role: Role) -> String {
        let session: SessionId = self.deps.ids.next(self.deps.clock.now());
        self.deps
            .keys
            .sign_user(user, role, session, Duration::from_secs(900))
            .0
    }

    async fn hear(&self, request: Request<RawBody>) -> Heard {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Heard {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Heard {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.hear(request.body(RawBody::from(body.to_owned())).unwrap()).await
    }

    async fn post(&self, path: &str, token: &str, body: &str) -> Heard {
        let bearer = format!("Bearer {token}");
        self.ask(
            "POST",
            path,
            &[("authorization", &bearer), ("content-type", "application/json")],
            body,
        )
        .await
    }

    async fn get(&self, path: &str) -> Heard {
        self.ask("GET", path, &[], "").await
    }

    async fn get_as(&self, path: &str, token: &str) -> Heard {
        self.ask("GET", path, &[("authorization", &format!("Bearer {token}"))], "")
            .await
    }
}

fn user() -> UserId {
    UserId::from_bits(42)
}
