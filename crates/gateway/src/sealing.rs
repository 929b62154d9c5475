//! Sealed bodies: a JSON body `{"encrypted": "…"}` is opened at the edge and goes on as what was sealed. In development
//! two calls seal and open for whoever writes a client.
//!
//! A body is looked at only as far as it takes to see that it is none; then it streams on as it came.

use axum::body::{Body, HttpBody as _};
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

/// How a sealed body begins, but for blanks before the brace and before the field's name.
const OPENING: &[u8] = b"{\"encrypted\"";
/// How much is looked at: a body that has not come to its first name by then is taken for a plain one.
const LOOKED_AT_MAX: usize = 1 << 10;
/// The call that shows what was sealed.
pub(crate) const DECRYPT: &str = "/dev/decrypt";
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
    let (mut first, mut beginning) = (Vec::new(), Beginning::default());
    // Usually one frame is all, and its first bytes decide.
    while beginning.looks == Looks::Undecided {
        match body.frame().await {
            Some(Ok(frame)) => {
                let bytes = frame.into_data().unwrap_or_default();
                beginning.goes_on(&bytes);
                // HTTP/2 knows empty frames, which would cost memory and bring nothing.
                if !bytes.is_empty() {
                    first.push(Ok(bytes));
                }
            }
            Some(Err(_)) => return Err(Problem::broke_off()),
            None => break,
        }
    }
    let whole = stream::iter(first).chain(body.into_data_stream());
    let body = Body::from_stream(whole);
    if beginning.looks != Looks::Sealed {
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
        return Err(serve::too_large(BODY_MAX));
    }
    let length = HeaderValue::from(text.len());
    let mut request = Request::from_parts(parts, Body::from(text));
    let headers = request.headers_mut();
    headers.remove(header::TRANSFER_ENCODING);
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(request)
}

fn may_be_sealed(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let json = kind.is_none_or(|kind| kind.to_str().is_ok_and(serve::is_json));
    let writes = matches!(
        *request.method(),
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE
    );
    json && writes && !request.body().is_end_stream()
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Looks {
    #[default]
    Undecided,
    Sealed,
    Plain,
}

/// The beginning of a body, read byte by byte as it comes, each byte once: a sender chooses the pieces.
#[derive(Debug, Default)]
struct Beginning {
    looks: Looks,
    /// How much was read.
    read: usize,
    /// How much of [`OPENING`] is there; blanks may stand before each of its two tokens.
    matched: usize,
}

impl Beginning {
    fn goes_on(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.looks != Looks::Undecided {
                return;
            }
            self.read += 1;
            let between = self.matched < 2;
            if OPENING.get(self.matched) == Some(byte) {
                self.matched += 1;
            } else if !(between && byte.is_ascii_whitespace()) {
                self.looks = Looks::Plain;
            }
            if self.matched == OPENING.len() {
                self.looks = Looks::Sealed;
            } else if self.read == LOOKED_AT_MAX {
                self.looks = Looks::Plain;
            }
        }
    }
}

fn not_ours() -> Problem {
    let detail = "The encrypted body cannot be opened.";
    Problem::new(StatusCode::BAD_REQUEST, "bad_encrypted_body", detail)
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
            Route::post(DECRYPT, decrypt)
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
        let check = |text: &str, seen| {
            for piece in [1, 3, usize::MAX] {
                let mut beginning = Beginning::default();
                text.as_bytes().chunks(piece).for_each(|bytes| beginning.goes_on(bytes));
                assert_eq!(beginning.looks, seen, "{text:?} in pieces of {piece}");
            }
        };
        check("", Looks::Undecided);
        check(" {", Looks::Undecided);
        check("{ \"encry", Looks::Undecided);
        check("\n{ \"encrypted\": \"0", Looks::Sealed);
        check("{\"encrypted\"", Looks::Sealed);
        check("{\"email\":", Looks::Plain);
        check("{}", Looks::Plain);
        check("[1]", Looks::Plain);
        check("{ {", Looks::Plain);
        check("{\" encrypted\"", Looks::Plain);
        check("{\"encrypted \"", Looks::Plain);
        check(&" ".repeat(LOOKED_AT_MAX - 1), Looks::Undecided);
        check(&" ".repeat(LOOKED_AT_MAX), Looks::Plain);
    }
}
