//! Signed texts: the compact form of JWS (RFC 7515) with the two algorithms that we use.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::tokens::{Secret, TokenFault};

/// A key that signs and verifies, with its name.
pub(crate) struct Key {
    kid: String,
    /// The header of every token this key signs, encoded.
    header: String,
    scheme: Scheme,
}

enum Scheme {
    EdDsa(Box<SigningKey>),
    Hs256(Box<Hmac<Sha256>>),
}

/// A token taken apart, not yet believed.
pub(crate) struct Jws<'a> {
    pub(crate) kid: String,
    alg: String,
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: String,
    #[serde(default)]
    typ: String,
    /// Extensions that must be understood; we understand none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crit: Option<serde_json::Value>,
}

impl Key {
    pub(crate) fn new(secret: &Secret) -> Self {
        let (scheme, kid) = match secret {
            Secret::Ed25519(seed) => {
                let key = SigningKey::from_bytes(seed);
                // The thumbprint of RFC 7638, as RFC 8037 has it for this kind of key.
                let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, public(&key));
                (
                    Scheme::EdDsa(Box::new(key)),
                    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical)),
                )
            }
            Secret::Shared(bytes) => {
                let key = Hmac::<Sha256>::new_from_slice(bytes).expect("HMAC takes keys of any length");
                let name = key.clone().chain_update(b"kid").finalize().into_bytes();
                (Scheme::Hs256(Box::new(key)), URL_SAFE_NO_PAD.encode(&name[..12]))
            }
        };
        let mut key = Self {
            kid,
            header: String::new(),
            scheme,
        };
        let header = Header {
            alg: key.alg().to_owned(),
            kid: key.kid.clone(),
            typ: "JWT".to_owned(),
            crit: None,
        };
        key.header = encode(&header);
        key
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    fn alg(&self) -> &'static str {
        match self.scheme {
            Scheme::EdDsa(_) => "EdDSA",
            Scheme::Hs256(_) => "HS256",
        }
    }

    pub(crate) fn sign(&self, claims: &impl Serialize) -> String {
        let signed = format!("{}.{}", self.header, encode(claims));
        let signature = match &self.scheme {
            Scheme::EdDsa(key) => URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).to_bytes()),
            Scheme::Hs256(key) => {
                let tag = (**key).clone().chain_update(signed.as_bytes()).finalize();
                URL_SAFE_NO_PAD.encode(tag.into_bytes())
            }
        };
        format!("{signed}.{signature}")
    }

    /// What the token says, if this key signed it with its own algorithm.
    pub(crate) fn open<T: DeserializeOwned>(&self, jws: &Jws<'_>) -> Result<T, TokenFault> {
        if jws.alg != self.alg() {
            return Err(TokenFault::WrongAlgorithm);
        }
        let genuine = match &self.scheme {
            Scheme::EdDsa(key) => Signature::from_slice(&jws.signature)
                .and_then(|signature| key.verifying_key().verify_strict(jws.signed.as_bytes(), &signature))
                .is_ok(),
            Scheme::Hs256(key) => (**key)
                .clone()
                .chain_update(jws.signed.as_bytes())
                .verify_slice(&jws.signature)
                .is_ok(),
        };
        if !genuine {
            return Err(TokenFault::BadSignature);
        }
        serde_json::from_slice(&jws.payload).map_err(|_| TokenFault::Malformed)
    }

    /// The public half, for others to verify with; none for a shared secret.
    pub(crate) fn jwk(&self) -> Option<serde_json::Value> {
        let Scheme::EdDsa(key) = &self.scheme else { return None };
        let jwk = serde_json::json!({
            "kty": "OKP", "crv": "Ed25519", "x": public(key), "kid": self.kid, "alg": "EdDSA", "use": "sig",
        });
        Some(jwk)
    }
}

impl<'a> Jws<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, TokenFault> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenFault::Malformed)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenFault::Malformed);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| TokenFault::Malformed)?;
        if header.crit.is_some() {
            return Err(TokenFault::Malformed);
        }
        Ok(Self {
            kid: header.kid,
            alg: header.alg,
            signed,
            payload: decode(payload)?,
            signature: decode(signature)?,
        })
    }
}

fn public(key: &SigningKey) -> String {
    URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes())
}

fn encode(value: &impl Serialize) -> String {
    // Our own structs of texts and numbers: writing them cannot fail.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap_or_default())
}
