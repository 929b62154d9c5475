//! What every request passes before a service sees it, and its answer on the way out.
//!
//! One layer, since each costs a request something; the order of its steps matters and is told at each.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base::{Clock, Id, Ids, RequestId};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::time::Instant;
use wire::{Cx, Problem};

use crate::addresses::Addresses;
use crate::caller::Who;
use crate::doorman::Doorman;
use crate::part::Deps;
use crate::routes::Declared;
use crate::spawn::spawn;
use crate::tokens::Holder;

/// What a request may take when its caller names no deadline: longer than the longest checkout, shorter than
/// the patience of balancers.
pub const REQUEST_TIME: Duration = Duration::from_secs(30);
/// The longest request id that is taken over.
const REQUEST_ID_MAX: usize = 64;

/// The second name of the request id's header.
const CORRELATION_ID: &str = "x-correlation-id";

/// Panics of handlers since the process started.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// How many handlers have panicked since the process started.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

struct Chassis {
    door: Doorman,
    clock: Clock,
    ids: Ids,
    /// What routes may take that name a time of their own.
    times: Addresses<Duration>,
}

/// Puts a service's routes behind the chassis.
pub(crate) fn mount(
    service: &'static str,
    deps: &Deps,
    routes: Router,
    declared: &[Declared],
    db: Option<store::Db>,
) -> Router {
    let chassis = Arc::new(Chassis {
        times: Addresses::new(declared, |_, _| true, |route| route.time),
        door: Doorman::new(deps),
        clock: deps.clock.clone(),
        ids: deps.ids.clone(),
    });
    routes
        .merge(health(service, db))
        .fallback(unknown)
        .method_not_allowed_fallback(other_method)
        .layer(axum::middleware::from_fn_with_state(chassis, pass))
}

async fn pass(State(chassis): State<Arc<Chassis>>, mut request: Request, next: Next) -> Response {
    // 1. Who calls. Known already when the gateway of this process asked; then only whether the session still
    //    lives. First, because the context believes a deadline and an actor only from a service.
    let found = match request.extensions().get::<Who>() {
        Some(known) => chassis.door.still_counts(known),
        None => {
            let (method, path) = (request.method(), request.uri().path());
            chassis.door.identify(method, path, request.headers()).await
        }
    };
    let (who, refusal) = match found {
        Ok(who) => (who, None),
        Err(problem) => (Who::default(), Some(problem)),
    };
    // 2. The context, so that whatever happens below can be told by the request's id.
    let cx = match request.extensions().get::<Cx>() {
        Some(known) => known.clone(),
        None => {
            let time = chassis.time_of(&request);
            context(request.headers(), &who, &chassis.clock, &chassis.ids, time)
        }
    };
    // 3. A bad token is refused before anything else is read.
    if let Some(problem) = refusal {
        return told(problem.into_response(), &cx);
    }
    // 4. Between services only, whatever the handler asks for.
    if request.uri().path().starts_with("/internal/")
        && let Err(problem) = who.service()
    {
        return told(problem.into_response(), &cx);
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let detached = !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS);
    request.extensions_mut().insert(who);
    request.extensions_mut().insert(cx.clone());
    // 5. The handler, at most until the deadline. What changes something runs detached: a shopper who closes
    //    the tab does not cancel half an order, and a deadline ends the waiting, not the work.
    let work = next.run(request);
    let deadline = cx.deadline().unwrap_or_else(|| from_now(REQUEST_TIME));
    let outcome = if detached {
        let work = spawn(work);
        tokio::time::timeout_at(deadline, work)
            .await
            .map(|done| done.map_err(panic_of))
    } else {
        tokio::time::timeout_at(deadline, AssertUnwindSafe(work).catch_unwind()).await
    };
    // 6. A panic ends this request and nothing else.
    let response = match outcome {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            PANICS.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                request_id = cx.request_id(),
                panic = text_of(&*panic),
                "a handler panicked"
            );
            Problem::internal().into_response()
        }
        Err(_) => {
            tracing::warn!(request_id = cx.request_id(), %method, path, "no answer within the request's time");
            Problem::unavailable("The answer took too long. What was begun goes on; please ask again.").into_response()
        }
    };
    // 7. The request's id on every answer.
    told(response, &cx)
}

impl Chassis {
    fn time_of(&self, request: &Request) -> Duration {
        if self.times.is_empty() {
            return REQUEST_TIME;
        }
        let time = self.times.find(request.method(), request.uri().path());
        time.copied().unwrap_or(REQUEST_TIME)
    }
}

/// The context of a request that may take `time`: its id and trace, taken or made; deadline and actor, believed only
/// from a service.
pub fn context(headers: &HeaderMap, who: &Who, clock: &Clock, ids: &Ids, time: Duration) -> Cx {
    let given = headers
        .get(wire::header::REQUEST_ID)
        .or_else(|| headers.get(CORRELATION_ID));
    let given = given.and_then(|value| value.to_str().ok()).filter(|id| is_safe(id));
    let trace = headers
        .get(wire::header::TRACEPARENT)
        .and_then(|value| value.to_str().ok());
    let trace = trace.filter(|trace| is_traceparent(trace));
    let made: Option<RequestId> = (given.is_none() || trace.is_none()).then(|| ids.next(clock.now()));
    let request_id = match (given, made) {
        (Some(given), _) => given.to_owned(),
        (None, made) => made.map(|id| id.to_string()).unwrap_or_default(),
    };
    let trace = match (trace, made) {
        (Some(trace), _) => Some(trace.to_owned()),
        // The id's own 128 random and time bits name the trace as well; the lower half names its first span.
        (None, made) => made.map(|id| format!("00-{:032x}-{:016x}-01", id.bits(), (id.bits() as u64) | 1)),
    };
    let by_service = matches!(who.0.as_deref(), Some(Holder::Service(_)));
    let told = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .filter(|_| by_service)
    };
    let actor = told(wire::header::ACTOR).map_or_else(|| who.actor(), str::to_owned);
    let left = told(wire::header::DEADLINE)
        .and_then(|text| text.parse().ok())
        .map(Duration::from_millis);
    Cx::new(request_id, actor)
        .traced(trace)
        .until(from_now(left.map_or(time, |left| left.min(time))))
}

#[allow(clippy::disallowed_methods)] // Deadlines are of the runtime's clock, which tests can pause.
fn from_now(span: Duration) -> Instant {
    Instant::now() + span
}

fn is_safe(id: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !id.is_empty() && id.len() <= REQUEST_ID_MAX && id.bytes().all(safe)
}

/// Version 00 of W3C Trace Context: `00-`, 32 digits, 16 digits, 2 digits, lower case, neither id all zero.
fn is_traceparent(text: &str) -> bool {
    let digits =
        |part: &str, count| part.len() == count && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let set = |part: &str| part.bytes().any(|byte| byte != b'0');
    let parts: Vec<&str> = text.split('-').collect();
    let &[version, trace, span, flags] = parts.as_slice() else {
        return false;
    };
    version == "00" && digits(trace, 32) && digits(span, 16) && digits(flags, 2) && set(trace) && set(span)
}

/// The answer with the request's id: in its header, and in a problem also in the body.
pub fn told(mut response: Response, cx: &Cx) -> Response {
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        problem.request_id = Some(cx.request_id().to_owned());
        *response.body_mut() = Body::from(serde_json::to_vec(&problem).unwrap_or_default());
        response.headers_mut().remove(header::CONTENT_LENGTH);
        if problem.is_fault() {
            tracing::warn!(request_id = cx.request_id(), code = %problem.code, "a request failed");
        }
    }
    if !response.headers().contains_key(wire::header::REQUEST_ID)
        && let Ok(id) = HeaderValue::from_str(cx.request_id())
    {
        response.headers_mut().insert(wire::header::REQUEST_ID, id);
    }
    response
}

fn panic_of(fault: tokio::task::JoinError) -> Box<dyn Any + Send> {
    fault
        .try_into_panic()
        .unwrap_or_else(|_| Box::new("the runtime is shutting down"))
}

/// What a panic said.
pub(crate) fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}

/// 404 for what no route knows.
pub async fn unknown() -> Problem {
    Problem::not_found("Nothing has this address.")
}

/// 405 for what a route knows only by another method.
pub async fn other_method() -> Problem {
    let detail = "This address knows other methods; the header Allow names them.";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

/// What a part's database did since it was opened, as `/internal/figures` tells benches and operators.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Figures {
    /// The part.
    pub service: String,
    /// The settings by which its engine keeps what was acknowledged, e.g. `synchronous` and `FULL`.
    pub durability: Vec<(String, String)>,
    /// What it counted.
    pub store: store::Figures,
}

/// `/health` and `/healthz`: the process lives. `/ready`: the database answers. `/internal/figures`: what it did.
fn health(service: &'static str, db: Option<store::Db>) -> Router {
    let counted = db.clone();
    let live = move || async move { Json(serde_json::json!({ "status": "ok", "service": service })) };
    let ready = move || async move {
        match &db {
            Some(db) => match db.ping().await {
                Ok(()) => Ok(Json(serde_json::json!({ "status": "ready", "service": service }))),
                Err(fault) => {
                    tracing::warn!(service, %fault, "the database does not answer");
                    Err(Problem::unavailable("The database does not answer."))
                }
            },
            None => Ok(Json(serde_json::json!({ "status": "ready", "service": service }))),
        }
    };
    let router = Router::new()
        .route("/health", get(live))
        .route("/healthz", get(live))
        .route("/ready", get(ready));
    match counted {
        Some(db) => router.route(
            "/internal/figures",
            get(move || async move { Json(figures(service, &db).await) }),
        ),
        None => router,
    }
}

async fn figures(service: &str, db: &store::Db) -> Figures {
    let told = db.durability().await.into_iter();
    Figures {
        service: service.to_owned(),
        durability: told.map(|(name, value)| (name.to_owned(), value)).collect(),
        store: db.figures(),
    }
}
