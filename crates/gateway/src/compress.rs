//! Compression of answers on the fly, by what the caller takes and what costs us least.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use tower::ServiceExt as _;
use tower_http::CompressionLevel;
use tower_http::compression::Compression;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};

/// Smaller answers fit a packet or two anyway.
const BYTES_MIN: u64 = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Zstd,
    Gzip,
    Brotli,
}

/// Runs the request; compresses its answer where that pays.
pub(crate) async fn run(request: Request, next: Next) -> Response {
    // Sizes of answers that hold secrets stay what they are (BREACH).
    let secret = request.uri().path().starts_with("/api/auth/");
    if secret {
        return next.run(request).await;
    }
    let Some(coding) = wanted(request.headers()) else {
        let mut response = next.run(request).await;
        // A cache on the way must not give this copy to those who would take a smaller one, nor theirs to these.
        response
            .headers_mut()
            .append(header::VARY, HeaderValue::from_static("accept-encoding"));
        return response;
    };
    let all = Compression::new(next).no_deflate();
    // Levels where a core compresses faster than it serialises; higher ones cost more than they save.
    let one = match coding {
        Coding::Zstd => all.no_gzip().no_br().quality(CompressionLevel::Precise(3)),
        Coding::Gzip => all.no_zstd().no_br().quality(CompressionLevel::Precise(1)),
        Coding::Brotli => all.no_zstd().no_gzip().quality(CompressionLevel::Precise(4)),
    };
    let pays = SizeAbove::new(BYTES_MIN)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::SSE);
    match one.compress_when(pays).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

/// The cheapest coding that the caller takes.
fn wanted(headers: &HeaderMap) -> Option<Coding> {
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
