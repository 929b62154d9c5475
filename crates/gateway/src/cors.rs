//! Cross-origin calls (the Fetch standard's CORS protocol): which pages of other origins may call, and what they may see.
//!
//! No credentials: tokens travel in a header that scripts set, never in cookies.

use std::collections::HashSet;

use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, if-match, if-none-match, x-request-id, x-correlation-id, \
     traceparent, last-event-id",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Link, ETag, Location, Retry-After, RateLimit, RateLimit-Policy, Idempotency-Replayed, X-Request-ID",
);
/// Two hours: what browsers keep at the most.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// A text that is no web origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginFault(pub String);

impl std::fmt::Display for OriginFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?} is not a web origin such as https://shop.example, nor `*`",
            self.0
        )
    }
}

impl std::error::Error for OriginFault {}

/// Whether scripts of such an origin could call: `https://shop.example`, or `*` for all.
pub fn is_origin(origin: &str) -> bool {
    let host = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"));
    origin == "*" || host.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ', '*']))
}

/// Who may call.
#[derive(Debug)]
pub(crate) struct Cors {
    all: bool,
    allowed: HashSet<HeaderValue>,
}

impl Cors {
    pub(crate) fn new(origins: &[String]) -> Result<Self, OriginFault> {
        let mut cors = Self {
            all: false,
            allowed: HashSet::new(),
        };
        for origin in origins {
            match HeaderValue::from_str(origin) {
                _ if origin == "*" => cors.all = true,
                Ok(value) if is_origin(origin) => {
                    cors.allowed.insert(value);
                }
                _ => return Err(OriginFault(origin.clone())),
            }
        }
        Ok(cors)
    }

    fn answer_for(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        if self.all {
            return Some(HeaderValue::from_static("*"));
        }
        self.allowed.contains(origin).then(|| origin.clone())
    }

    /// The answer to a preflight, if this is one.
    pub(crate) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        let asks = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if *method != Method::OPTIONS || !asks {
            return None;
        }
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        let out = response.headers_mut();
        out.insert(
            header::VARY,
            HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers"),
        );
        // A stranger gets no permission, and the browser keeps its script from calling.
        if let Some(origin) = headers.get(header::ORIGIN).and_then(|origin| self.answer_for(origin)) {
            out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
            out.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        Some(response)
    }

    /// What a page of `origin` may do with an answer.
    pub(crate) fn permit(&self, origin: Option<&HeaderValue>, out: &mut HeaderMap) {
        if self.all || !self.allowed.is_empty() {
            out.append(header::VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = origin.and_then(|origin| self.answer_for(origin)) {
            out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            out.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}
