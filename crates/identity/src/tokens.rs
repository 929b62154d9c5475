//! Secrets that we give out and the digests of them that we keep.

use base::Ids;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// What tokens begin with that let somebody set a new password.
const RESET: &str = "prt_";
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
        Self::beginning_with(PREFIX, ids)
    }

    fn beginning_with(prefix: &str, ids: &Ids) -> Self {
        let mut secret = [0; BYTES];
        ids.fill(&mut secret);
        let token = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(secret));
        Self {
            digest: digest(&[&token]),
            token,
        }
    }
}

/// A token that lets its holder set a new password once, and what is stored of it.
pub fn reset(ids: &Ids) -> Refresh {
    Refresh::beginning_with(RESET, ids)
}

/// The digest of a token of [`reset`]; none for a text that cannot be one.
pub fn reset_digest(token: &str) -> Option<String> {
    of_token(RESET, token)
}

/// An API key: a secret that a machine shows at every call. What is kept of it is [`serve::digest_of`] it.
pub fn api_key(ids: &Ids) -> String {
    let mut secret = [0; BYTES];
    ids.fill(&mut secret);
    format!("{}{}", serve::API_KEY_PREFIX, URL_SAFE_NO_PAD.encode(secret))
}

/// The digest of a refresh token; none for a text that cannot be one.
pub fn refresh_digest(token: &str) -> Option<String> {
    of_token(PREFIX, token)
}

fn of_token(prefix: &str, token: &str) -> Option<String> {
    let secret = token.strip_prefix(prefix)?;
    (secret.len() == BYTES.div_ceil(3) * 4 - 1 && secret.is_ascii()).then(|| digest(&[token]))
}

/// Under what the failed sign-ins of an account from an address are counted. Nothing can be read from it.
pub fn attempt_key(account: &str, address: &str) -> String {
    digest(&[account, &place(address)])
}

/// Under what tries of one kind are counted for an account from an address.
pub fn try_key(what: &str, account: &str, address: &str) -> String {
    digest(&[what, account, &place(address)])
}

/// Where tries are counted: an address, or a site of IPv6, whose owner has more addresses than anybody can count.
fn place(address: &str) -> String {
    address
        .parse()
        .map_or_else(|_| address.to_owned(), |address| serve::site(address).to_string())
}

/// What tells one request from another that holds no secrets.
pub fn fingerprint(text: &str) -> String {
    digest(&[text])
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
    fn digests_tell_apart_what_they_should() {
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
        // Who has one address of a site has all.
        assert_eq!(attempt_key("ada", "2001:db8::1"), attempt_key("ada", "2001:db8::2"));
        assert_ne!(attempt_key("ada", "2001:db8::1"), attempt_key("ada", "2001:db8:0:1::1"));
        assert_ne!(attempt_key("ada", "10.0.0.1"), attempt_key("ada", "10.0.0.2"));
        assert_ne!(attempt_key("ada", "unknown"), attempt_key("ada", "10.0.0.1"));
        // A token is good for its own purpose only.
        let reset = super::reset(&ids);
        assert_eq!(reset_digest(&reset.token), Some(reset.digest));
        assert_eq!((refresh_digest(&reset.token), reset_digest(&one.token)), (None, None));
    }
}
