//! Secrets that we give out and the digests of them that we keep.

use base::Ids;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// What refresh tokens begin with, so that a leaked one can be told by scanners and by people.
const PREFIX: &str = "rt_";
/// Bytes of randomness in one.
const BYTES: usize = 32;

/// A refresh token, and what is stored of it.
#[derive(Clone)]
pub struct Refresh {
    /// The token, for its owner only.
    pub token: String,
    /// Its digest.
    pub digest: String,
}

impl Refresh {
    /// A new one.
    pub fn new(ids: &Ids) -> Self {
        let mut secret = [0; BYTES];
        ids.fill(&mut secret);
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
        Self {
            digest: digest(&[&token]),
            token,
        }
    }
}

/// The digest of a refresh token; none for a text that cannot be one.
pub fn refresh_digest(token: &str) -> Option<String> {
    let secret = token.strip_prefix(PREFIX)?;
    (secret.len() == BYTES.div_ceil(3) * 4 - 1 && secret.is_ascii()).then(|| digest(&[token]))
}

/// Under what the failed sign-ins of an account from an address are counted. Nothing can be read from it.
pub fn attempt_key(account: &str, address: &str) -> String {
    digest(&[account, address])
}

/// SHA-256 over the parts, in base64url.
fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_is_known_by_its_digest() {
        let ids = Ids::seeded(5);
        let (one, other) = (Refresh::new(&ids), Refresh::new(&ids));
        assert_eq!(refresh_digest(&one.token).as_deref(), Some(one.digest.as_str()));
        assert_ne!(one.digest, other.digest);
        for text in [
            "",
            "rt_",
            "rt_short",
            &one.token[3..],
            &format!("{}x", one.token),
            &format!("rt_{}", "é".repeat(22)),
        ] {
            assert_eq!(refresh_digest(text), None, "{text}");
        }
        assert_ne!(attempt_key("ab", "c"), attempt_key("a", "bc"));
    }
}
