//! What caches on the way may keep of an answer (RFC 9111), and tags of public reads (RFC 9110 §8.8.3).
//!
//! Always holds: a public read may be kept, but is asked for again before each use, so that it is fresh at the next
//! request after a change; the tag makes that cheap. An answer to somebody with a token is theirs alone, and nothing of
//! `/api/auth/` is kept anywhere.

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::response::{IntoResponse as _, Response};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serve::Known;
use wire::Problem;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::compress::Whole;

/// Longer answers get no tag of ours: they are seldom asked for twice, and would have to be whole in memory.
const TAGGED_MAX: u64 = 256 << 10;

const PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=0, must-revalidate");
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");
const NOTHING: HeaderValue = HeaderValue::from_static("no-store");
/// Names nothing.
const NO_TAG: HeaderValue = HeaderValue::from_static("W/\"\"");
/// Who asks with a token may see more, and another person after them in the same browser something else.
const VARY: HeaderValue = HeaderValue::from_static("authorization");

/// Who may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    /// Anybody, if they ask again before each use.
    Public,
    /// The caller, likewise.
    Private,
    /// Nobody.
    Nothing,
}

impl Caching {
    /// Whose an answer is. `public` says whether the route reads what is the same for all.
    pub(crate) fn of(secret: bool, reads: bool, public: bool, with_token: bool) -> Self {
        if !reads || secret {
            Caching::Nothing
        } else if public && !with_token {
            Caching::Public
        } else {
            Caching::Private
        }
    }
}

/// The answer with what caches need to know. `known` are the tags that the caller has, `whole` says whether the answer
/// has its body (that to HEAD has none).
pub(crate) async fn marked(caching: Caching, known: &Known, whole: bool, response: Response) -> Response {
    let good = matches!(response.status(), StatusCode::OK | StatusCode::NOT_MODIFIED);
    let (value, mut response) = match caching {
        Caching::Public if good => match whole && response.status() == StatusCode::OK {
            true => (PUBLIC, tagged(known, response).await),
            false => (PUBLIC, response),
        },
        Caching::Private if good => (PRIVATE, response),
        _ => (NOTHING, response),
    };
    let headers = response.headers_mut();
    if value != NOTHING {
        headers.append(header::VARY, VARY);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(value);
    response
}

/// The answer with a tag of what is in it, unless it has one; 304 when the caller has just that.
async fn tagged(known: &Known, response: Response) -> Response {
    let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
    if tag.is_some_and(|tag| known.is_fresh(tag)) {
        return not_modified(response.headers().clone());
    }
    if response.body().size_hint().exact().is_none_or(|size| size > TAGGED_MAX) {
        return response;
    }
    let (parts, body) = response.into_parts();
    match to_bytes(body, TAGGED_MAX as usize).await {
        Ok(bytes) => with_tag(known, parts, bytes),
        Err(_) => Problem::unavailable("The answer broke off. Please ask again.").into_response(),
    }
}

/// A file of ours, which is the same for all until the program is another one.
pub(crate) fn of_file(known: &Known, whole: bool, kind: &'static str, bytes: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, PUBLIC),
    ];
    let (parts, _) = headers.into_response().into_parts();
    match whole {
        true => with_tag(known, parts, bytes),
        false => Response::from_parts(parts, Body::from(bytes)),
    }
}

/// The answer with its tag, and with its body where it is kept compressed.
fn with_tag(known: &Known, mut parts: Parts, bytes: Bytes) -> Response {
    let hash = xxh3_64(&bytes);
    if !parts.headers.contains_key(header::ETAG) {
        // A page is another one when there is a next one.
        let link = parts.headers.get(header::LINK).map_or(&[][..], HeaderValue::as_bytes);
        let hash = if link.is_empty() {
            hash
        } else {
            xxh3_64_with_seed(link, hash)
        };
        let tag = format!("W/\"{hash:016x}\"");
        let fresh = known.is_fresh(&tag);
        let tag = HeaderValue::try_from(tag).unwrap_or(NO_TAG);
        parts.headers.insert(header::ETAG, tag);
        if fresh {
            return not_modified(parts.headers);
        }
    }
    parts.extensions.insert(Whole {
        hash,
        bytes: bytes.clone(),
    });
    Response::from_parts(parts, Body::from(bytes))
}

fn not_modified(mut headers: HeaderMap) -> Response {
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::CONTENT_TYPE);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str, link: Option<&str>) -> Response {
        let mut response = Response::new(Body::from(text.to_owned()));
        if let Some(link) = link {
            response.headers_mut().insert(header::LINK, link.parse().unwrap());
        }
        response
    }

    async fn tag(text: &str, link: Option<&str>) -> HeaderValue {
        let response = marked(Caching::Public, &Known::default(), true, page(text, link)).await;
        assert_eq!(response.headers()["cache-control"], PUBLIC);
        response.headers()["etag"].clone()
    }

    fn has(tag: &HeaderValue) -> Known {
        Known {
            if_none_match: tag.to_str().ok().map(str::to_owned),
            ..Known::default()
        }
    }

    #[tokio::test]
    async fn a_tag_names_what_is_in_the_answer() {
        let first = tag("[1]", None).await;
        assert_eq!(first, tag("[1]", None).await);
        assert_ne!(first, tag("[2]", None).await);
        assert_ne!(first, tag("[1]", Some("</a?cursor=1>; rel=\"next\"")).await);
        let again = marked(Caching::Public, &has(&first), true, page("[1]", None)).await;
        assert_eq!(
            (again.status(), &again.headers()["etag"]),
            (StatusCode::NOT_MODIFIED, &first)
        );
        let changed = marked(Caching::Public, &has(&first), true, page("[2]", None)).await;
        assert_eq!(changed.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn what_belongs_to_somebody_is_theirs_alone() {
        for (caching, value) in [(Caching::Private, PRIVATE), (Caching::Nothing, NOTHING)] {
            let response = marked(caching, &Known::default(), true, page("[1]", None)).await;
            assert_eq!(response.headers()["cache-control"], value);
            assert!(!response.headers().contains_key("etag"));
        }
        let of = Caching::of;
        assert_eq!(of(false, true, true, false), Caching::Public);
        assert_eq!(of(false, true, true, true), Caching::Private);
        assert_eq!(of(false, true, false, false), Caching::Private);
        assert_eq!(of(true, true, false, true), Caching::Nothing);
        assert_eq!(of(false, false, true, false), Caching::Nothing);
    }
}
