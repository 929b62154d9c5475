//! Sealed bodies: a JSON body `{"encrypted": "…"}` is opened at the edge and goes on as what was sealed. In development
//! two calls seal and open for whoever writes a client.
//!
//! A body is looked at only as far as it takes to see that it is none; then it streams on as it came.

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Request, State};
use base::Ids;
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serve::{BODY_MAX, Declared, Json, Route, Routes};
use wire::Problem;

use crate::sealed::SealKeys;

/// The field's name, as it must be written.
const FIELD: &[u8] = b"\"encrypted\"";
const USAGE: &str = "Send {\"encrypted\": \"…\"} as the whole body of any call that takes JSON, with \
    Content-Type: application/json. It is opened before the call is read.";

/// The only field of such a body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    encrypted: String,
}

/// The request with its body opened, if that is sealed.
///
/// # Errors
/// 400 that says no more when it cannot be opened, 413 when it is too long.
pub(crate) async fn opened(keys: &SealKeys, request: Request) -> Result<Request, Problem> {
    if !may_be_sealed(&request) {
        return Ok(request);
    }
    let (parts, mut body) = request.into_parts();
    let mut first = Vec::new();
    // Usually one frame is all, and its first bytes decide.
    while looks(&first) == Looks::Undecided {
        match body.frame().await {
            Some(Ok(frame)) => first.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Some(Err(_)) => return Err(broke_off()),
            None => break,
        }
        if first.len() > BODY_MAX {
            return Err(serve::too_large());
        }
    }
    let whole = stream::iter([Ok(Bytes::from(first.clone()))]).chain(body.into_data_stream());
    let body = Body::from_stream(whole);
    if looks(&first) != Looks::Sealed {
        return Ok(Request::from_parts(parts, body));
    }
    let bytes = serve::bytes_of(Request::from_parts(parts.clone(), body)).await?;
    let Ok(Sealed { encrypted }) = serde_json::from_slice(&bytes) else {
        // Something else that begins so: whoever it is for will say what is wrong with it.
        return Ok(Request::from_parts(parts, Body::from(bytes)));
    };
    let text = keys.open(&encrypted).map_err(|_| not_ours())?;
    // Two digits a byte: what fits sealed fits opened. Said again, since the services rely on it.
    if text.len() > BODY_MAX {
        return Err(serve::too_large());
    }
    let mut request = Request::from_parts(parts, Body::from(text.clone()));
    let headers = request.headers_mut();
    headers.remove(header::TRANSFER_ENCODING);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(request)
}

fn may_be_sealed(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let json = kind.is_none_or(|kind| kind.to_ascii_lowercase().starts_with(b"application/json"));
    let writes = matches!(
        *request.method(),
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE
    );
    json && writes && !request.body().is_end_stream()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looks {
    Undecided,
    Sealed,
    Plain,
}

/// Whether a body begins as a sealed one does.
fn looks(first: &[u8]) -> Looks {
    let Some((&open, rest)) = first.trim_ascii_start().split_first() else {
        return Looks::Undecided;
    };
    let rest = rest.trim_ascii_start();
    if open != b'{' || !rest.iter().zip(FIELD).all(|(one, other)| one == other) {
        return Looks::Plain;
    }
    if rest.len() < FIELD.len() {
        Looks::Undecided
    } else {
        Looks::Sealed
    }
}

fn not_ours() -> Problem {
    let detail = "The encrypted body cannot be opened.";
    Problem::new(StatusCode::BAD_REQUEST, "bad_encrypted_body", detail)
}

fn broke_off() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed", "The body broke off.")
}

/// What is to be sealed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "payload": { "email": "ada@example.com", "password": "correct horse battery" } }))]
struct ToSeal {
    /// Any JSON.
    payload: Value,
}

/// A sealed text.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct SealedText {
    /// Always true; what cannot be sealed is refused.
    success: bool,
    /// The sealed text: hexadecimal digits.
    encrypted: String,
    /// What to do with it.
    usage: String,
}

/// What is to be opened.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "encrypted": "017d0c63f1a95e2b8840c6d1b3e79f52" }))]
struct ToOpen {
    /// A sealed text.
    encrypted: String,
}

/// A text that was sealed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct OpenedText {
    /// Always true; what cannot be opened is refused.
    success: bool,
    /// The JSON that was sealed; text that is no JSON as it is.
    decrypted: Value,
}

/// What the two calls work with.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) keys: SealKeys,
    pub(crate) ids: Ids,
}

/// `/api/dev/encrypt` and `/api/dev/decrypt`: in development only.
pub(crate) fn routes(desk: Desk) -> (axum::Router, Vec<Declared>) {
    Routes::new("gateway", None)
        .add(
            Route::post("/dev/encrypt", encrypt)
                .takes::<ToSeal>()
                .gives::<SealedText>(200)
                .tells("Seal a body", "In development only. Seals any JSON as a client would."),
        )
        .add(
            Route::post("/dev/decrypt", decrypt)
                .takes::<ToOpen>()
                .gives::<OpenedText>(200)
                .refuses(&[(400, "bad_encrypted_body")])
                .tells("Open a sealed body", "In development only. Shows what was sealed."),
        )
        .finish(desk)
}

async fn encrypt(State(desk): State<Desk>, serve::Body(ToSeal { payload }): serve::Body<ToSeal>) -> Json<SealedText> {
    let mut iv = [0; 16];
    desk.ids.fill(&mut iv);
    Json(SealedText {
        success: true,
        encrypted: desk.keys.seal(iv, payload.to_string().as_bytes()),
        usage: USAGE.to_owned(),
    })
}

async fn decrypt(
    State(desk): State<Desk>,
    serve::Body(ToOpen { encrypted }): serve::Body<ToOpen>,
) -> Result<Json<OpenedText>, Problem> {
    let text = desk.keys.open(&encrypted).map_err(|_| not_ours())?;
    let decrypted =
        serde_json::from_slice(&text).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&text).into_owned()));
    Ok(Json(OpenedText {
        success: true,
        decrypted,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_decide() {
        let check = |text: &str, seen| assert_eq!(looks(text.as_bytes()), seen, "{text:?}");
        check("", Looks::Undecided);
        check(" {", Looks::Undecided);
        check("{ \"encry", Looks::Undecided);
        check("\n{ \"encrypted\": \"0", Looks::Sealed);
        check("{\"encrypted\"", Looks::Sealed);
        check("{\"email\":", Looks::Plain);
        check("{}", Looks::Plain);
        check("[1]", Looks::Plain);
    }
}
