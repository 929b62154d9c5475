//! Signatures of webhooks, by Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over
//! `id.timestamp.body`, in base 64, checked on the raw bytes before anything reads them.

use std::time::Duration;

use base::Time;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName};
use sha2::Sha256;

/// The webhook's id.
pub const ID: HeaderName = HeaderName::from_static("webhook-id");
/// When it was sent, in seconds since 1970.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// One or more signatures, parted by spaces, each `v1,` and base 64.
pub const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// How far the sender's clock may be off; a captured webhook cannot be played again after that.
const TOLERANCE: Duration = Duration::from_secs(300);
/// The longest id that is taken; it becomes part of a key in the inbox.
const ID_MAX: usize = 200;

/// Why a webhook is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// A header is absent or cannot be read.
    #[error("the header {0} is missing or cannot be read")]
    Header(&'static str),
    /// Sent too long ago, or in the future.
    #[error("the webhook is too old, or a clock is wrong")]
    Stale,
    /// Nobody with the secret signed these bytes.
    #[error("the signature does not fit the body")]
    Mismatch,
    /// Genuine, but not of a form that the provider is known to send.
    #[error("the body cannot be read: {0}")]
    Unreadable(String),
}

/// What signs and verifies.
#[derive(Clone)]
pub struct Signer(Hmac<Sha256>);

impl Signer {
    /// A key for `purpose`, derived from a secret of any length.
    pub fn new(secret: &[u8], purpose: &str) -> Self {
        let derived = keyed(secret).chain_update(purpose.as_bytes()).finalize().into_bytes();
        Self(keyed(&derived))
    }

    /// The value of the signature's header.
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        format!(
            "v1,{}",
            STANDARD.encode(self.over(id, seconds, body).finalize().into_bytes())
        )
    }

    /// The webhook's id, when it is genuine and fresh.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8], now: Time) -> Result<String, Unsigned> {
        let text = |name: &HeaderName, told: &'static str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .ok_or(Unsigned::Header(told))
        };
        let id = text(&ID, "webhook-id")?;
        if id.is_empty() || id.len() > ID_MAX {
            return Err(Unsigned::Header("webhook-id"));
        }
        let sent = text(&TIMESTAMP, "webhook-timestamp")?;
        let seconds: i64 = sent.parse().map_err(|_| Unsigned::Header("webhook-timestamp"))?;
        let signatures = text(&SIGNATURE, "webhook-signature")?;
        let genuine = signatures.split(' ').any(|one| {
            let bytes = one
                .strip_prefix("v1,")
                .and_then(|encoded| STANDARD.decode(encoded).ok());
            // `verify_slice` takes the same time wherever the first wrong byte is.
            bytes.is_some_and(|bytes| self.over(id, seconds, body).verify_slice(&bytes).is_ok())
        });
        if !genuine {
            return Err(Unsigned::Mismatch);
        }
        if now.seconds().abs_diff(seconds) > TOLERANCE.as_secs() {
            return Err(Unsigned::Stale);
        }
        Ok(id.to_owned())
    }

    fn over(&self, id: &str, seconds: i64, body: &[u8]) -> Hmac<Sha256> {
        self.0
            .clone()
            .chain_update(format!("{id}.{seconds}.").as_bytes())
            .chain_update(body)
    }
}

fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length")
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_micros(1_900_000_000_000_000);

    fn signed(signer: &Signer, seconds: i64, body: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ID, "msg_1".parse().unwrap());
        headers.insert(TIMESTAMP, seconds.into());
        headers.insert(
            SIGNATURE,
            signer.sign("msg_1", seconds, body.as_bytes()).parse().unwrap(),
        );
        headers
    }

    #[test]
    fn only_what_was_signed_is_believed() {
        let signer = Signer::new(b"secret", "webhooks");
        let good = signed(&signer, NOW.seconds(), "{}");
        assert_eq!(signer.verify(&good, b"{}", NOW), Ok("msg_1".to_owned()));
        assert_eq!(signer.verify(&good, b"{ }", NOW), Err(Unsigned::Mismatch));
        assert_eq!(
            Signer::new(b"other", "webhooks").verify(&good, b"{}", NOW),
            Err(Unsigned::Mismatch)
        );
        assert_eq!(
            Signer::new(b"secret", "else").verify(&good, b"{}", NOW),
            Err(Unsigned::Mismatch)
        );

        let mut renamed = good.clone();
        renamed.insert(ID, "msg_2".parse().unwrap());
        assert_eq!(signer.verify(&renamed, b"{}", NOW), Err(Unsigned::Mismatch));

        let mut rotated = good.clone();
        let both = format!("v1,AAAA v2,xx {}", good[&SIGNATURE].to_str().unwrap());
        rotated.insert(SIGNATURE, both.parse().unwrap());
        assert_eq!(signer.verify(&rotated, b"{}", NOW), Ok("msg_1".to_owned()));

        for absent in [ID, TIMESTAMP, SIGNATURE] {
            let mut headers = good.clone();
            headers.remove(&absent);
            assert!(
                matches!(signer.verify(&headers, b"{}", NOW), Err(Unsigned::Header(_))),
                "{absent}"
            );
        }
    }

    #[test]
    fn old_and_future_webhooks_are_refused() {
        let signer = Signer::new(b"secret", "webhooks");
        for (off, fine) in [
            (0, true),
            (300, true),
            (-300, true),
            (301, false),
            (-301, false),
            (i64::MAX - NOW.seconds(), false),
        ] {
            let headers = signed(&signer, NOW.seconds() + off, "{}");
            assert_eq!(signer.verify(&headers, b"{}", NOW).is_ok(), fine, "{off}");
        }
    }
}
