//! One call to a peer: built, sent within its deadline, tried again where that is harmless.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Cx, Peer, Problem, cx};

/// How often a call is sent at the most: a short hiccup passes, a real outage is told soon.
pub const RETRIES_MAX: u32 = 3;
/// The wait before the second try; it doubles from there, with jitter.
const RETRY_WAIT: Duration = Duration::from_millis(25);
/// What a call may take when its request brings no deadline.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(15);
/// The largest answer that is read: an answer between services is a page at the most.
const ANSWER_MAX: usize = 16 << 20;

/// A call to a peer. Idempotent ones (GET, and those with [`Call::once`]) are tried again on faults.
#[must_use = "a call does nothing until it is sent"]
pub struct Call<'a> {
    peer: &'a Peer,
    cx: &'a Cx,
    method: Method,
    path: String,
    body: Result<Bytes, Problem>,
    repeatable: bool,
    key: Option<String>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(peer: &'a Peer, cx: &'a Cx, method: Method, path: String) -> Self {
        let repeatable = method == Method::GET || method == Method::PUT || method == Method::DELETE;
        Self {
            peer,
            cx,
            method,
            path,
            body: Ok(Bytes::new()),
            repeatable,
            key: None,
        }
    }

    /// With query parameters.
    pub fn query(mut self, query: &impl Serialize) -> Self {
        match serde_urlencoded::to_string(query) {
            Ok(text) if text.is_empty() => {}
            Ok(text) => self.path = format!("{}?{text}", self.path),
            Err(_) => self.body = Err(Problem::internal()),
        }
        self
    }

    /// With a JSON body.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.body = serde_json::to_vec(body)
            .map(Bytes::from)
            .map_err(|_| Problem::internal());
        self
    }

    /// Repeating this call is harmless, since what it names remembers it (an order's id, say).
    pub fn once(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// With an idempotency key, under which the peer remembers the answer.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self.once()
    }

    /// Sends the call and reads the answer. Errors: the peer's problem, or 503 when there is no answer in time.
    pub async fn fetch<T: DeserializeOwned>(self) -> Result<T, Problem> {
        let name = self.peer.name();
        let body = self.send().await?;
        serde_json::from_slice(&body).map_err(|fault| {
            tracing::error!(peer = name, %fault, "an answer of a peer cannot be read");
            Problem::unavailable(format!("The {name} service gave an answer that cannot be read."))
        })
    }

    /// Like [`Call::fetch`], with a 404 as `None`.
    pub async fn find<T: DeserializeOwned>(self) -> Result<Option<T>, Problem> {
        match self.fetch().await {
            Ok(found) => Ok(Some(found)),
            Err(problem) if problem.status == StatusCode::NOT_FOUND => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// Sends the call; what the answer says does not matter beyond success.
    pub async fn done(self) -> Result<(), Problem> {
        self.send().await.map(drop)
    }

    #[allow(clippy::disallowed_methods)] // The runtime's clock bounds the call; tests can pause it.
    async fn send(self) -> Result<Bytes, Problem> {
        let body = self.body.clone()?;
        let cx = self.cx.clone().until(tokio::time::Instant::now() + TIMEOUT_DEFAULT);
        let deadline = cx.deadline().unwrap_or_else(tokio::time::Instant::now);
        let mut wait = RETRY_WAIT;
        let mut tries = 1;
        loop {
            let attempt = self.attempt(&cx, body.clone());
            let outcome = tokio::time::timeout_at(deadline, attempt).await;
            let problem = match outcome {
                Ok(Ok(body)) => return Ok(body),
                Ok(Err(problem)) => problem,
                Err(_) => {
                    return Err(Problem::unavailable(format!(
                        "The {} service did not answer in time. Please try again.",
                        self.peer.name()
                    )));
                }
            };
            let transient =
                problem.status == StatusCode::SERVICE_UNAVAILABLE || problem.status == StatusCode::BAD_GATEWAY;
            if !transient || !self.repeatable || tries >= RETRIES_MAX {
                return Err(problem);
            }
            tokio::time::sleep_until((tokio::time::Instant::now() + jitter(wait)).min(deadline)).await;
            tries += 1;
            wait *= 2;
        }
    }

    async fn attempt(&self, cx: &Cx, body: Bytes) -> Result<Bytes, Problem> {
        let mut request = Request::builder().method(self.method.clone()).uri(&self.path);
        if let Some(headers) = request.headers_mut() {
            cx.write(headers);
            if !body.is_empty() {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            let badge = self
                .peer
                .badge()
                .map(|token| HeaderValue::from_str(&format!("Bearer {token}")));
            if let Some(Ok(badge)) = badge {
                headers.insert(header::AUTHORIZATION, badge);
            }
            if let Some(Ok(key)) = self.key.as_deref().map(HeaderValue::from_str) {
                headers.insert(cx::header::IDEMPOTENCY_KEY, key);
            }
        }
        let request = request.body(Body::from(body)).map_err(|fault| {
            tracing::error!(%fault, path = self.path, "a call cannot be written");
            Problem::internal()
        })?;
        let answer = self.peer.forward(request).await?;
        let status = answer.status();
        let body = http_body_util::Limited::new(answer.into_body(), ANSWER_MAX)
            .collect()
            .await;
        let body = body
            .map_err(|_| Problem::unavailable(format!("The {} service broke off its answer.", self.peer.name())))?
            .to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        Err(serde_json::from_slice(&body).unwrap_or_else(|_| {
            let status = if status.is_client_error() {
                status
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            Problem::new(
                status,
                "unavailable",
                format!("The {} service answered {status}.", self.peer.name()),
            )
        }))
    }
}

/// Between half of `wait` and the whole, so that callers that failed together do not return together.
fn jitter(wait: Duration) -> Duration {
    let half = wait / 2;
    half + Duration::from_micros(base::Ids::random().below(half.as_micros() as u64))
}
