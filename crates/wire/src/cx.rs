//! The context of a call: what travels with a request through every service and into events.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

/// The names of our headers.
pub mod header {
    use http::HeaderName;
    /// The request's id.
    pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
    /// W3C trace context.
    pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
    /// Milliseconds left for the answer. Between services only.
    pub const DEADLINE: HeaderName = HeaderName::from_static("x-deadline-ms");
    /// Who caused the call, e.g. a user's id. Between services only.
    pub const ACTOR: HeaderName = HeaderName::from_static("x-actor");
    /// Where the caller is, as the gateway of another process sees it; what came from outside under this name it
    /// takes out. Believed only beside [`VOUCHER`].
    pub const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("x-client-address");
    /// A service's token beside the caller's own, from whoever hands the call on: without it nobody believes where the
    /// caller is said to be.
    pub const VOUCHER: HeaderName = HeaderName::from_static("x-vouched-by");
    /// The caller's key for a call that must act once.
    pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
}

/// The actor of a call that nobody signed in for.
pub const ANONYMOUS: &str = "anonymous";

/// The context of a call. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cx(Arc<Context>);

#[derive(Clone, Debug)]
struct Context {
    request_id: String,
    traceparent: Option<String>,
    deadline: Option<Instant>,
    actor: String,
}

impl Cx {
    /// A context of its own, for a call that no request caused or for the first one of a request.
    pub fn new(request_id: impl Into<String>, actor: impl Into<String>) -> Self {
        Self(Arc::new(Context {
            request_id: request_id.into(),
            traceparent: None,
            deadline: None,
            actor: actor.into(),
        }))
    }

    /// With a W3C `traceparent`.
    pub fn traced(self, traceparent: Option<String>) -> Self {
        self.edit(|context| context.traceparent = traceparent)
    }

    /// To be answered by `deadline`, if that is earlier than before.
    pub fn until(self, deadline: Instant) -> Self {
        self.edit(|context| context.deadline = Some(context.deadline.map_or(deadline, |old| old.min(deadline))))
    }

    /// Without a deadline: for work that goes on after its caller has been answered.
    pub fn unhurried(self) -> Self {
        self.edit(|context| context.deadline = None)
    }

    /// Caused by `actor`.
    pub fn by(self, actor: impl Into<String>) -> Self {
        self.edit(|context| context.actor = actor.into())
    }

    fn edit(mut self, change: impl FnOnce(&mut Context)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The request's id, at most 64 safe characters.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// The W3C `traceparent`, if there is one.
    pub fn traceparent(&self) -> Option<&str> {
        self.0.traceparent.as_deref()
    }

    /// Who caused the call: a user's id, `service:orders`, or [`ANONYMOUS`].
    pub fn actor(&self) -> &str {
        &self.0.actor
    }

    /// When the answer is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// What is left of the time; none when there is no deadline.
    #[allow(clippy::disallowed_methods)] // Deadlines are of the runtime's clock, which tests can pause.
    pub fn left(&self) -> Option<Duration> {
        self.0
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Writes what travels into the headers of a call to another service.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let mut put = |name, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        };
        put(header::REQUEST_ID, self.request_id());
        put(header::ACTOR, self.actor());
        if let Some(trace) = self.traceparent() {
            put(header::TRACEPARENT, trace);
        }
        if let Some(left) = self.left() {
            headers.insert(header::DEADLINE, HeaderValue::from(left.as_millis() as u64));
        }
    }
}
