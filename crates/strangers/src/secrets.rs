//! What only those can write who know a secret: sealed bodies, tokens, signatures.

use std::sync::OnceLock;

use base::{Clock, Ids, Time};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::sealed::SealKeys;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue};
use payments::signature;
use serve::{Keys, Secret};
use sha2::Sha256;

const NOW: Time = Time::from_micros(1_900_000_000_000_000);
const SECRET: [u8; 32] = [7; 32];

/// Texts that claim to be sealed, and anything sealed by us: opened only as it was, and not when a digit differs.
pub(crate) fn sealed(bytes: &[u8]) {
    static KEYS: OnceLock<SealKeys> = OnceLock::new();
    let keys = KEYS.get_or_init(|| SealKeys::new("a secret"));
    assert!(
        keys.open(&String::from_utf8_lossy(bytes)).is_err(),
        "nobody forges a seal"
    );
    let whole = keys.seal([9; 16], bytes);
    assert_eq!(keys.open(&whole).as_deref(), Ok(bytes));
    let at = bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>() % whole.len();
    let mut changed = whole.into_bytes();
    changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
    let changed = String::from_utf8(changed).expect("digits");
    assert!(keys.open(&changed).is_err(), "digit {at} changed unnoticed");
    assert!(keys.open(&changed[..at]).is_err(), "cut off at {at} unnoticed");
}

/// Tokens as they come, which nobody believes, and bytes that we signed as if they were claims.
pub(crate) fn token(bytes: &[u8]) {
    static KEYS: OnceLock<(Keys, String)> = OnceLock::new();
    let (keys, header) = KEYS.get_or_init(|| {
        let secret = Secret::Shared(SECRET.to_vec());
        let header = format!(r#"{{"alg":"HS256","kid":"{}","typ":"JWT"}}"#, secret.kid());
        let keys = Keys::new(&secret, &[], "test", Clock::paused(NOW), Ids::seeded(1));
        (keys, URL_SAFE_NO_PAD.encode(header))
    });
    let text = String::from_utf8_lossy(bytes);
    assert!(keys.verify(&text).is_err(), "nobody forges a token");
    let parted = text.replace('\n', ".");
    assert!(keys.verify(&parted).is_err(), "nobody forges a token");
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(bytes));
    let tag = Hmac::<Sha256>::new_from_slice(&SECRET)
        .expect("a key")
        .chain_update(&signed);
    let tag = URL_SAFE_NO_PAD.encode(tag.finalize().into_bytes());
    let _ = keys.verify(&format!("{signed}.{tag}"));
    let header = URL_SAFE_NO_PAD.encode(bytes);
    assert!(
        keys.verify(&format!("{header}.e30.{tag}")).is_err(),
        "a header of somebody's own"
    );
}

/// A webhook as it comes (id, time and signature on a line each, then the body), and the same signed by the provider.
pub(crate) fn webhook(bytes: &[u8]) {
    static SIGNER: OnceLock<signature::Signer> = OnceLock::new();
    let signer = SIGNER.get_or_init(|| signature::Signer::new(&SECRET, "webhook"));
    let mut parts = bytes.splitn(4, |byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for name in [signature::ID, signature::TIMESTAMP, signature::SIGNATURE] {
        if let Some(Ok(value)) = parts.next().map(HeaderValue::from_bytes) {
            headers.insert(name, value);
        }
    }
    let body = parts.next().unwrap_or_default();
    assert!(signer.verify(&headers, body, NOW).is_err(), "nobody forges a signature");
    let id = headers.get(signature::ID).and_then(|id| id.to_str().ok());
    let id = id.unwrap_or_default().to_owned();
    let sent = headers
        .get(signature::TIMESTAMP)
        .and_then(|sent| sent.to_str().ok()?.parse().ok());
    let sent = sent.unwrap_or(NOW.seconds());
    let signed = signer.sign(&id, sent, body);
    let Ok(signed) = HeaderValue::from_str(&signed) else {
        return;
    };
    headers.insert(signature::SIGNATURE, signed);
    headers.insert(signature::TIMESTAMP, HeaderValue::from(sent));
    let believed = signer.verify(&headers, body, NOW);
    let is_fresh = NOW.seconds().abs_diff(sent) <= 300;
    assert!(
        believed.is_err() || (is_fresh && believed.as_ref() == Ok(&id)),
        "{believed:?}"
    );
    let mut longer = body.to_vec();
    longer.push(0);
    assert!(
        signer.verify(&headers, &longer, NOW).is_err(),
        "the body changed unnoticed"
    );
}
