//! What a handler takes from the body: a typed value, and the key under which a write is done once.

use std::any::TypeId;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use wire::Problem;

use crate::caller::Who;
use crate::faults::{self, canonical};
use crate::routes::Place;

/// The largest body: more than anybody types, and memory stays bounded. Imports stream instead.
pub const BODY_MAX: usize = 1 << 20;
/// The largest body of a call that writes many records: a thousand products with their descriptions fit.
pub const BULK_BODY_MAX: usize = 8 << 20;
/// What is read on of a body that was refused; who sends more than this does not listen anyway.
const DRAIN_MAX: usize = 8 << 20;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// The longest idempotency key.
const KEY_MAX: usize = 255;

/// A JSON body. No body at all counts as `{}`.
#[derive(Clone, Debug)]
pub struct Body<T>(pub T);

/// A JSON body of at most `MAX` bytes (of [`BODY_MAX`] from others than staff), and the caller's idempotency key where there is one.
#[derive(Clone, Debug)]
pub struct Write<T, const MAX: usize = BODY_MAX> {
    /// What the body says.
    pub body: T,
    /// Under what the answer is remembered; none without a key or without a token.
    pub once: Option<store::Once>,
}

impl<S: Send + Sync, T: DeserializeOwned + JsonSchema + 'static> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let bytes = bytes_of(request).await?;
        read(&headers, &bytes).map(Body)
    }
}

impl<S, T, const MAX: usize> FromRequest<S> for Write<T, MAX>
where
    S: Send + Sync,
    T: DeserializeOwned + JsonSchema + 'static,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let scope = scope_of(&mut parts, state).await?;
        let query = parts.uri.query().map(str::to_owned);
        let headers = parts.headers.clone();
        let most = most_of(&parts, MAX);
        let bytes = bytes_up_to(Request::from_parts(parts, body), most).await?;
        let once = scope.map(|(key, scope, path)| store::Once {
            scope,
            key,
            fingerprint: fingerprint(&path, query.as_deref(), &bytes),
        });
        Ok(Write {
            body: read(&headers, &bytes)?,
            once,
        })
    }
}

/// How much is read of a body: more than the usual only from staff, so that strangers cannot fill the memory.
fn most_of(parts: &Parts, most: usize) -> usize {
    let caller = parts.extensions.get::<Who>().map(Who::bearer);
    match caller {
        Some(Ok(caller)) if caller.is_staff() => most,
        _ => most.min(BODY_MAX),
    }
}

/// The caller's idempotency key where the body is a stream that the handler reads; none without a key or without a
/// token. The fingerprint is that of the address alone: the handler adds that of the body.
#[derive(Clone, Debug)]
pub struct Keyed(pub Option<store::Once>);

impl<S: Send + Sync> FromRequestParts<S> for Keyed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let scope = scope_of(parts, state).await?;
        Ok(Keyed(scope.map(|(key, scope, path)| store::Once {
            scope,
            key,
            fingerprint: fingerprint(&path, parts.uri.query(), b""),
        })))
    }
}

/// The caller's key, within what it is unique, and the path of the call; nothing without a key or without a token.
async fn scope_of<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Option<(String, String, String)>, Problem> {
    let key = key_of(&parts.headers)?;
    let who = parts.extensions.get::<Who>().cloned().unwrap_or_default();
    let (Some(key), Ok(caller)) = (key, who.bearer()) else {
        return Ok(None);
    };
    let params = RawPathParams::from_request_parts(parts, state).await;
    let params = params.map_err(|_| Problem::not_found("Nothing has this address."))?;
    let place = parts.extensions.get::<Place>();
    let user = caller.id.to_string();
    let path = filled(place.map_or("", |place| place.filled_from), params.iter(), &user);
    let method = place.map_or(&parts.method, |place| &place.method);
    Ok(Some((key, format!("{user} {method} {path}"), path)))
}

/// The canonical path with the call's parameters. What the caller's own spelling said beyond it belongs to
/// the scope as well (a cart named by its owner), but for the caller's own id, which says nothing new.
fn filled<'a>(place: &str, params: impl Iterator<Item = (&'a str, &'a str)>, user: &str) -> String {
    let mut path = place.to_owned();
    let mut rest = String::new();
    for (name, value) in params {
        let slot = format!("{{{name}}}");
        if path.contains(&slot) {
            path = path.replace(&slot, value);
        } else if value != user {
            rest = format!("{rest};{name}={value}");
        }
    }
    path + &rest
}

/// What makes two calls with one key the same call.
fn fingerprint(path: &str, query: Option<&str>, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [path.as_bytes(), query.unwrap_or_default().as_bytes(), body] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    base::hex(&hash.finalize())
}

fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(wire::header::IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default().trim();
    if key.is_empty() || key.len() > KEY_MAX || !key.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        let detail = format!("The header Idempotency-Key must have 1 to {KEY_MAX} printable ASCII characters.");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_idempotency_key", detail));
    }
    Ok(Some(key.to_owned()))
}

/// The whole body.
///
/// # Errors
/// 413 above [`BODY_MAX`], 400 when it breaks off.
pub async fn bytes_of(request: Request) -> Result<Bytes, Problem> {
    bytes_up_to(request, BODY_MAX).await
}

async fn bytes_up_to(request: Request, max: usize) -> Result<Bytes, Problem> {
    let told = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    if told
        .and_then(|text| text.parse::<u64>().ok())
        .is_some_and(|length| length > max as u64)
    {
        drain(request).await;
        return Err(too_large(max));
    }
    let mut body = request.into_body();
    let (mut first, mut all) = (Bytes::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::broke_off())?;
        let piece = frame.into_data().unwrap_or_default();
        if first.len().max(all.len()) + piece.len() > max {
            drain_body(body).await;
            return Err(too_large(max));
        }
        // Usually one piece is all and stays as it came. Many are put together at once, since each costs more than a
        // byte or two, of which a sender may make it.
        if first.is_empty() {
            first = piece;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&piece);
        }
    }
    Ok(if all.is_empty() { first } else { all.into() })
}

/// Reads the body of a request that was refused, up to a bound, so that its sender hears why and not of a broken
/// connection; unless they wait to be asked for it.
pub async fn drain(request: Request) {
    if !request.headers().contains_key(header::EXPECT) {
        drain_body(request.into_body()).await;
    }
}

async fn drain_body(body: axum::body::Body) {
    let mut left = Limited::new(body, DRAIN_MAX);
    let read = async { while let Some(Ok(_)) = left.frame().await {} };
    let _ = tokio::time::timeout(DRAIN_TIME, read).await;
}

/// 413, for bodies of more than `max` bytes.
pub fn too_large(max: usize) -> Problem {
    let detail = format!("The body must have at most {max} bytes.");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
}

/// The body as a `T`.
fn read<T: DeserializeOwned + JsonSchema + 'static>(headers: &HeaderMap, bytes: &[u8]) -> Result<T, Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or_default());
    if !bytes.is_empty() && !kind.is_none_or(is_json) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "The body must be JSON, with `Content-Type: application/json`.",
        ));
    }
    let bytes = if bytes.iter().all(u8::is_ascii_whitespace) {
        b"{}"
    } else {
        bytes
    };
    if TypeId::of::<T>() == TypeId::of::<()>() {
        // Calls without a body take `{}` as well; `()` itself would only be read from null.
        read_json::<api::Nothing>(bytes)?;
        return read_json(b"null");
    }
    read_json(bytes)
}

/// A part of a body that was read by itself, such as one of many records.
///
/// # Errors
/// 400 that names every field that is wrong, with pointers into the part.
pub fn parse<T: DeserializeOwned + JsonSchema + 'static>(json: &str) -> Result<T, Problem> {
    read_json(json.as_bytes())
}

fn read_json<T: DeserializeOwned + JsonSchema + 'static>(bytes: &[u8]) -> Result<T, Problem> {
    match serde_json::from_slice::<T>(bytes) {
        Ok(_) if holds_nul(bytes) => Err(nul()),
        Ok(_) if lists_fields::<T>(bytes) => {
            Err(Problem::invalid("The body is not as it should be.").field("", "must be an object"))
        }
        Ok(value) => Ok(value),
        Err(fault) => Err(explain::<T>(bytes, &fault)),
    }
}

/// Whether an object's fields came as a list: serde takes them so, in the order of the declaration, on which nobody
/// is to rely.
fn lists_fields<T: JsonSchema + 'static>(bytes: &[u8]) -> bool {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    first == Some(&b'[') && faults::check_of(TypeId::of::<T>(), SchemaGenerator::root_schema_for::<T>).is_of_object()
}

/// Says what is wrong with a body that could not be read: every field at once.
fn explain<T: DeserializeOwned + JsonSchema + 'static>(bytes: &[u8], fault: &serde_json::Error) -> Problem {
    let value = match serde_json::from_slice::<serde_json::Value>(bytes) {
        Ok(value) => canonical(value),
        Err(fault) => {
            let at = format!("line {}, column {}", fault.line(), fault.column());
            let what = fault.to_string();
            let what = what.split(" at line ").next().unwrap_or_default();
            let detail = format!("The body is not JSON: {what} at {at}.");
            return Problem::new(StatusCode::BAD_REQUEST, "malformed", detail);
        }
    };
    if holds_nul(bytes) {
        return nul();
    }
    let check = faults::check_of(TypeId::of::<T>(), SchemaGenerator::root_schema_for::<T>);
    let found = check.faults(&value);
    let problem = Problem::invalid("The body is not as it should be.");
    if !found.is_empty() {
        return found
            .into_iter()
            .fold(problem, |problem, (pointer, detail)| problem.field(pointer, detail));
    }
    // The schema finds nothing wrong: a rule that only the type itself knows. It tells of the first fault.
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(fault) => problem.field(pointer(fault.path()), plain(&fault.into_inner())),
        Ok(_) => problem.field("", plain(fault)),
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer = format!("{pointer}/{index}"),
            Segment::Map { key } => pointer = format!("{pointer}/{}", faults::escape(key)),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

fn plain(fault: &serde_json::Error) -> String {
    let text = fault.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// Whether a content type is one of JSON, or says nothing.
pub fn is_json(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.is_empty() || essence == "application/json" || essence.ends_with("+json")
}

/// Whether some text of the JSON holds U+0000. It can only be there escaped, since JSON forbids the bare
/// control character; `\\u0000` is an escaped backslash and five letters.
fn holds_nul(json: &[u8]) -> bool {
    const ESCAPE: &[u8] = b"\\u0000";
    json.windows(ESCAPE.len()).enumerate().any(|(at, window)| {
        window == ESCAPE && json[..at].iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 0
    })
}

fn nul() -> Problem {
    Problem::invalid("The body holds the character U+0000, which cannot be stored. Leave it out.")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A piece of a body, counted while it is held.
    struct Held(Arc<AtomicUsize>);

    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            b" "
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn pieces_are_not_kept_apart() {
        let held = Arc::new(AtomicUsize::new(0));
        let pieces = (0..1_000).map(move |_| {
            assert!(held.fetch_add(1, Ordering::Relaxed) < 3, "the ones before are let go");
            Ok::<_, std::io::Error>(Bytes::from_owner(Held(held.clone())))
        });
        let body = axum::body::Body::from_stream(futures_util::stream::iter(pieces));
        let bytes = bytes_of(Request::new(body)).await.unwrap();
        assert_eq!(bytes, " ".repeat(1_000));
    }

    #[tokio::test]
    async fn bodies_are_read_up_to_a_length_and_an_end() {
        let read = async |pieces: &[&'static str]| {
            let pieces: Vec<_> = pieces
                .iter()
                .map(|piece| match *piece {
                    "gone" => Err(std::io::Error::other("gone")),
                    piece => Ok(Bytes::from(piece)),
                })
                .collect();
            let body = axum::body::Body::from_stream(futures_util::stream::iter(pieces));
            let read = bytes_up_to(Request::new(body), 5).await;
            read.map_err(|problem| problem.status)
        };
        assert_eq!(read(&[]).await.unwrap(), "");
        assert_eq!(read(&["12345"]).await.unwrap(), "12345");
        assert_eq!(read(&["", "12", "", "345"]).await.unwrap(), "12345");
        assert_eq!(read(&["123456"]).await, Err(413));
        assert_eq!(read(&["1234", "56", "gone"]).await, Err(413));
        assert_eq!(read(&["1234", "gone"]).await, Err(400));
    }

    #[test]
    fn an_escaped_nul_is_found_and_an_escaped_backslash_is_not_one() {
        assert!(holds_nul(br#"{"a":"x\u0000"}"#));
        assert!(!holds_nul(br#"{"a":"x\\u0000"}"#));
        assert!(holds_nul(br#"{"a":"x\\\u0000"}"#));
        assert!(!holds_nul(br#"{"a":"\u0001"}"#));
    }

    #[test]
    fn spellings_of_one_call_share_a_scope() {
        let me = "usr_me";
        assert_eq!(filled("/cart/items", [("userId", me)].into_iter(), me), "/cart/items");
        assert_eq!(
            filled("/cart/items", [("userId", "usr_you")].into_iter(), me),
            "/cart/items;userId=usr_you"
        );
        assert_eq!(
            filled("/orders/{id}/cancel", [("id", "7")].into_iter(), me),
            "/orders/7/cancel"
        );
    }
}
