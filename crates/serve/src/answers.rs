//! What a handler answers with: records, new records, lists with a next page.

use axum::response::{IntoResponse, Response};
use base::Cursor;
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use serde::Serialize;
use wire::Problem;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Tells that the answer is that of an earlier call with the same key.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A record, with what belongs into the headers.
#[derive(Clone, Debug)]
#[must_use]
pub struct Reply<T> {
    status: StatusCode,
    value: T,
    location: Option<String>,
    tag: Option<String>,
    replayed: bool,
}

/// Names the constructor of an answer to a creation: see [`Created::new`].
#[derive(Clone, Copy, Debug)]
pub struct Created;

impl Created {
    /// 201 with the new record and its address.
    #[allow(clippy::new_ret_no_self)] // Reads as what it is: an answer that something was created.
    pub fn new<T>(location: impl Into<String>, value: T) -> Reply<T> {
        Reply {
            location: Some(location.into()),
            ..Reply::with(StatusCode::CREATED, value)
        }
    }
}

impl<T> Reply<T> {
    /// 200 with a record.
    pub fn ok(value: T) -> Self {
        Self::with(StatusCode::OK, value)
    }

    /// Any other success.
    pub fn with(status: StatusCode, value: T) -> Self {
        Self {
            status,
            value,
            location: None,
            tag: None,
            replayed: false,
        }
    }

    /// With its address, for `Location`.
    pub fn at(mut self, location: impl Into<String>) -> Self {
        self.location = Some(location.into());
        self
    }

    /// With the record's version, for `ETag`; quotes included.
    pub fn tagged(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Whether this is the answer of an earlier call with the same key.
    pub fn replayed(mut self, replayed: bool) -> Self {
        self.replayed = replayed;
        self
    }
}

impl<T> From<store::Answered<T>> for Reply<T> {
    fn from(answered: store::Answered<T>) -> Self {
        Self::ok(answered.value).replayed(answered.replayed)
    }
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        let mut response = json(&self.value);
        if response.status() == StatusCode::OK {
            *response.status_mut() = self.status;
        }
        let headers = response.headers_mut();
        let mut put = |name, text: Option<String>| {
            if let Some(Ok(value)) = text.map(HeaderValue::try_from) {
                headers.insert(name, value);
            }
        };
        put(header::LOCATION, self.location);
        put(header::ETAG, self.tag);
        if self.replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// 204, nothing to say.
pub fn no_content() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// 304: the caller's copy is the present one.
pub fn not_modified(tag: &str) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    if let Ok(value) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// A list: the bare array, and where there is more, `Link: <…>; rel="next"` to the same address with the
/// next cursor.
pub fn listed<T: Serialize>(uri: &Uri, items: Vec<T>, next: Option<Cursor>) -> Response {
    let link = next.map(|cursor| next_link(uri, "cursor", &cursor.encode()));
    with_link(json(&items), link)
}

/// A list by page number: the bare array, and where there is more, the same `Link` to page `next`.
pub fn listed_page<T: Serialize>(uri: &Uri, items: Vec<T>, next: Option<u32>) -> Response {
    let link = next.map(|page| next_link(uri, "page", &page.to_string()));
    with_link(json(&items), link)
}

/// What most records take; lists grow beyond it.
const JSON_BYTES: usize = 1_024;

/// JSON in one piece of memory: axum's own writes byte by byte into a buffer that tells its length each time.
fn json<T: Serialize>(value: &T) -> Response {
    let mut text = Vec::with_capacity(JSON_BYTES);
    match serde_json::to_writer(&mut text, value) {
        Ok(()) => ([(header::CONTENT_TYPE, JSON)], text).into_response(),
        Err(fault) => {
            tracing::error!(%fault, "an answer could not be written");
            Problem::internal().into_response()
        }
    }
}

fn with_link(mut response: Response, link: Option<String>) -> Response {
    if let Some(Ok(value)) = link.map(HeaderValue::try_from) {
        response.headers_mut().insert(header::LINK, value);
    }
    response
}

/// The same address with one parameter set; the other parameters stay as they were written.
fn next_link(uri: &Uri, name: &str, value: &str) -> String {
    let kept = uri.query().unwrap_or_default().split('&').filter(|pair| {
        let given = pair.split('=').next().unwrap_or_default();
        !pair.is_empty() && given != "cursor" && given != "page"
    });
    let mut query: String = kept.flat_map(|pair| [pair, "&"]).collect();
    query.push_str(name);
    query.push('=');
    query.push_str(value);
    format!("<{}?{query}>; rel=\"next\"", uri.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_keeps_the_filters() {
        let uri: Uri = "/api/products?search=a%20b&cursor=00&limit=2".parse().unwrap();
        let response = listed(&uri, vec![1, 2], Some(Cursor::new(["7".to_owned()])));
        assert_eq!(
            response.headers()["link"],
            "</api/products?search=a%20b&limit=2&cursor=37>; rel=\"next\""
        );
        assert!(!listed(&uri, vec![1], None).headers().contains_key("link"));
    }
}
