//! Compression of answers on the fly, by what the caller takes and what costs us least.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, header};
use tower::{ServiceExt as _, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::Compression;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use wire::Problem;

/// Smaller answers fit a packet or two anyway.
const BYTES_MIN: u64 = 1_024;
/// Bytes that are kept of compressed answers, and of what they were made from: some thousand pages.
const KEPT_BYTES_MAX: usize = 16 << 20;

const VARY: HeaderValue = HeaderValue::from_static("accept-encoding");

/// How answers can be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Coding {
    Zstd,
    Gzip,
    Brotli,
}

/// Compresses the answer where that pays; not twice what is the same for all and was compressed before.
pub(crate) async fn run(encoded: &Encoded, wanted: Option<Coding>, mut response: Response) -> Response {
    let whole = response.extensions_mut().remove::<Whole>();
    // Whatever this answer is: a cache on the way must not give it to those who take another coding. A 304 says it too,
    // since what it says takes the place of what was kept with the copy (RFC 9111 §3.2).
    response.headers_mut().append(header::VARY, VARY);
    let Some(coding) = wanted else { return response };
    let Some(whole) = whole.filter(|whole| whole.bytes.len() as u64 > BYTES_MIN) else {
        return streamed(coding, response).await;
    };
    if let Some(bytes) = encoded.find(coding, &whole) {
        return dressed(coding, response, bytes);
    }
    let (parts, body) = streamed(coding, response).await.into_parts();
    // The answer was whole already, so this neither waits nor fails.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return Problem::internal().into_response();
    };
    if parts.headers.contains_key(header::CONTENT_ENCODING) {
        encoded.keep(coding, whole, bytes.clone());
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// The answer, compressed on its way.
async fn streamed(coding: Coding, response: Response) -> Response {
    let mut response = Some(response);
    let ready =
        service_fn(move |_: Request| std::future::ready(Ok::<_, Infallible>(response.take().unwrap_or_default())));
    let all = Compression::new(ready).no_deflate();
    // Levels where a core compresses faster than it serialises; higher ones cost more than they save.
    let one = match coding {
        Coding::Zstd => all.no_gzip().no_br().quality(CompressionLevel::Precise(3)),
        Coding::Gzip => all.no_zstd().no_br().quality(CompressionLevel::Precise(1)),
        Coding::Brotli => all.no_zstd().no_gzip().quality(CompressionLevel::Precise(4)),
    };
    let pays = SizeAbove::new(BYTES_MIN)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::SSE);
    let mut asked = Request::new(Body::empty());
    asked.headers_mut().insert(header::ACCEPT_ENCODING, coding.name());
    match one.compress_when(pays).oneshot(asked).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

/// The answer with a body that was compressed before.
fn dressed(coding: Coding, mut response: Response, bytes: Bytes) -> Response {
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_ENCODING, coding.name());
    *response.body_mut() = Body::from(bytes);
    response
}

impl Coding {
    fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
            Coding::Brotli => "br",
        })
    }
}

/// The body of an answer that is the same for all; an extension of it.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    /// Finds it again; not by itself, since another body may have the same.
    pub(crate) hash: u64,
    /// What it is.
    pub(crate) bytes: Bytes,
}

/// Bodies that were compressed before. They are found by what is in them, and compared: whatever changed anywhere is
/// another body, so that nothing here is ever out of date.
#[derive(Default)]
pub(crate) struct Encoded(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    size: usize,
    /// Each with what it was made from.
    kept: HashMap<(u64, Coding), (Bytes, Bytes)>,
}

impl Encoded {
    fn find(&self, coding: Coding, whole: &Whole) -> Option<Bytes> {
        let shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (plain, encoded) = shelf.kept.get(&(whole.hash, coding))?;
        (*plain == whole.bytes).then(|| encoded.clone())
    }

    fn keep(&self, coding: Coding, whole: Whole, encoded: Bytes) {
        let size = whole.bytes.len() + encoded.len();
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.size + size > KEPT_BYTES_MAX {
            *shelf = Shelf::default();
        }
        let before = shelf.kept.insert((whole.hash, coding), (whole.bytes, encoded));
        let freed = before.map_or(0, |(plain, encoded)| plain.len() + encoded.len());
        shelf.size = shelf.size + size - freed;
    }
}

/// The cheapest coding that the caller takes.
pub(crate) fn wanted(headers: &HeaderMap) -> Option<Coding> {
    let taken = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
    let takes = |name: &str| {
        taken.split(',').any(|one| {
            let mut parts = one.split(';').map(str::trim);
            let named = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case(name));
            named && !parts.any(|weight| weight.trim_start_matches("q=").parse() == Ok(0.0f32))
        })
    };
    [("zstd", Coding::Zstd), ("gzip", Coding::Gzip), ("br", Coding::Brotli)]
        .into_iter()
        .find(|(name, _)| takes(name))
        .map(|(_, coding)| coding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_bodies_are_found_by_what_is_in_them() {
        let encoded = Encoded::default();
        let whole = |hash, text: &str| Whole {
            hash,
            bytes: Bytes::from(text.to_owned()),
        };
        encoded.keep(Coding::Zstd, whole(1, "plain"), Bytes::from_static(b"z"));
        assert_eq!(
            encoded.find(Coding::Zstd, &whole(1, "plain")).as_deref(),
            Some(&b"z"[..])
        );
        assert_eq!(encoded.find(Coding::Gzip, &whole(1, "plain")), None);
        assert_eq!(
            encoded.find(Coding::Zstd, &whole(1, "other")),
            None,
            "the same hash is not enough"
        );
        for number in 0..100 {
            // Some have the same hash and another length.
            let text = " ".repeat((1 << 20) - number as usize);
            let number = number / 2;
            encoded.keep(Coding::Gzip, whole(number, &text), Bytes::new());
            let shelf = encoded.0.lock().unwrap();
            let held: usize = shelf
                .kept
                .values()
                .map(|(plain, encoded)| plain.len() + encoded.len())
                .sum();
            assert_eq!(shelf.size, held);
            assert!(held <= KEPT_BYTES_MAX);
        }
    }

    #[test]
    fn the_cheapest_coding_is_taken() {
        let check = |text: &'static str, coding| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, http::HeaderValue::from_static(text));
            assert_eq!(wanted(&headers), coding, "{text}");
        };
        check("gzip, deflate, br, zstd", Some(Coding::Zstd));
        check("gzip, br", Some(Coding::Gzip));
        check("br;q=1.0, gzip;q=0", Some(Coding::Brotli));
        check("identity", None);
        check("deflate", None);
    }
}
