//! What caches on the way may keep of an answer (RFC 9111), and tags of public reads (RFC 9110 §8.8.3).
//!
//! Always holds: a public read may be kept, but is asked for again before each use, so that it is fresh at the next
//! request after a change; the tag makes that cheap. An answer to somebody with a token is theirs alone, and nothing of
//! `/api/auth/` is kept anywhere.

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
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

/// The answer with what caches need to know. `asked` are the tags that the caller has, `whole` says whether the answer
/// has its body (that to HEAD has none).
pub(crate) async fn marked(caching: Caching, asked: Option<HeaderValue>, whole: bool, response: Response) -> Response {
    let good = matches!(response.status(), StatusCode::OK | StatusCode::NOT_MODIFIED);
    let (value, mut response) = match caching {
        Caching::Public if good => match whole && response.status() == StatusCode::OK {
            true => (PUBLIC, tagged(asked, response).await),
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
async fn tagged(asked: Option<HeaderValue>, response: Response) -> Response {
    let known = response.headers().get(header::ETAG);
    if known.is_some_and(|tag| asked.as_ref().is_some_and(|asked| names(asked, tag))) {
        return not_modified(response.headers().clone());
    }
    if response.body().size_hint().exact().is_none_or(|size| size > TAGGED_MAX) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, TAGGED_MAX as usize).await else {
        return Problem::unavailable("The answer broke off. Please ask again.").into_response();
    };
    let hash = xxh3_64(&bytes);
    if !parts.headers.contains_key(header::ETAG) {
        // A page is another one when there is a next one.
        let link = parts.headers.get(header::LINK).map_or(&[][..], HeaderValue::as_bytes);
        let hash = if link.is_empty() {
            hash
        } else {
            xxh3_64_with_seed(link, hash)
        };
        let tag = HeaderValue::try_from(format!("W/\"{hash:016x}\"")).unwrap_or(NO_TAG);
        if asked.is_some_and(|asked| names(&asked, &tag)) {
            parts.headers.insert(header::ETAG, tag);
            return not_modified(parts.headers);
        }
        parts.headers.insert(header::ETAG, tag);
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

/// Whether `If-None-Match` names the tag. Weakly compared (RFC 9110 §13.1.2).
fn names(asked: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(asked), Ok(tag)) = (asked.to_str(), tag.to_str()) else {
        return false;
    };
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    asked.trim() == "*" || asked.split(',').any(|one| plain(one) == plain(tag))
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
        let response = marked(Caching::Public, None, true, page(text, link)).await;
        assert_eq!(response.headers()["cache-control"], PUBLIC);
        response.headers()["etag"].clone()
    }

    #[tokio::test]
    async fn a_tag_names_what_is_in_the_answer() {
        let first = tag("[1]", None).await;
        assert_eq!(first, tag("[1]", None).await);
        assert_ne!(first, tag("[2]", None).await);
        assert_ne!(first, tag("[1]", Some("</a?cursor=1>; rel=\"next\"")).await);
        let again = marked(Caching::Public, Some(first.clone()), true, page("[1]", None)).await;
        assert_eq!(
            (again.status(), &again.headers()["etag"]),
            (StatusCode::NOT_MODIFIED, &first)
        );
        let changed = marked(Caching::Public, Some(first), true, page("[2]", None)).await;
        assert_eq!(changed.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn what_belongs_to_somebody_is_theirs_alone() {
        for (caching, value) in [(Caching::Private, PRIVATE), (Caching::Nothing, NOTHING)] {
            let response = marked(caching, None, true, page("[1]", None)).await;
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

    #[test]
    fn tags_are_compared_weakly() {
        let check = |asked: &str, tag: &str, same| {
            assert_eq!(
                names(&asked.parse().unwrap(), &tag.parse().unwrap()),
                same,
                "{asked} {tag}"
            );
        };
        check("\"a\"", "\"a\"", true);
        check("W/\"a\"", "\"a\"", true);
        check("\"b\", W/\"a\"", "W/\"a\"", true);
        check("*", "\"a\"", true);
        check("\"b\"", "\"a\"", false);
        check("a", "\"a\"", false);
    }
}
