//! Tokens: who holds one, made and checked. JSON Web Tokens (RFC 7519) in the compact form of JWS (RFC 7515).
//!
//! The algorithm is never taken from the token: a key's id (`kid`) names the key, the key knows its
//! algorithm, and a header that says otherwise is refused. Tokens of people are for the shop, tokens of
//! services for `internal`; neither passes for the other. What was verified is remembered until it
//! expires, since checking a signature costs more than all else a small read does.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use base::{Clock, Id, Ids, RequestId, SessionId, Time, UserId};
use serde::{Deserialize, Serialize};

use crate::caller::{Caller, Permissions, Role};
use crate::jws::{Jws, Key};
use crate::revoked::Revoked;
use crate::ring::KeyRing;
pub use crate::ring::Signer;

/// The longest token that is read: ours have some 400 bytes.
const TOKEN_MAX: usize = 4_096;
/// Verified tokens that are remembered; more than a busy process meets within their lifetime is not needed.
const REMEMBERED_MAX: usize = 20_000;
/// How long a service's token lasts; renewed at half of it.
const SERVICE_LIFETIME: Duration = Duration::from_secs(300);
/// The audience of people's tokens.
const SHOP: &str = "shop";
/// The audience of services' tokens.
const INTERNAL: &str = "internal";

/// What a token says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// Who made it.
    pub iss: String,
    /// For whom: `shop`, or `internal`.
    pub aud: String,
    /// The kind: `access`.
    pub typ: String,
    /// The user's id, or `service:` and a service's name.
    pub sub: String,
    /// `guest`, `customer`, `staff`, `admin`, or `service`.
    pub role: String,
    /// What staff may do; nobody else's token says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perms: Option<Permissions>,
    /// The session; services have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// The token's own id.
    pub jti: String,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// When it expires, in seconds since 1970.
    pub exp: i64,
}

/// Who holds a token that counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Holder {
    /// A person, signed in or a guest.
    User(Caller),
    /// A service, by name.
    Service(String),
}

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// It is no token of our form.
    Malformed,
    /// It names no key of ours.
    UnknownKey,
    /// Its header names another algorithm than its key has.
    WrongAlgorithm,
    /// The signature does not fit.
    BadSignature,
    /// It was made by or for somebody else.
    WrongAudience,
    /// Its time is over.
    Expired,
    /// Its session has ended.
    Ended,
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TokenFault::Expired => "The token has expired. Refresh it, or sign in again.",
            TokenFault::Ended => "The session of this token has ended. Please sign in again.",
            // One sentence for all that is wrong with the token itself: forgers learn nothing from it.
            _ => "The token is not valid. Please sign in again.",
        })
    }
}

impl std::error::Error for TokenFault {}

/// What signs a shop's tokens.
#[derive(Clone)]
pub enum Secret {
    /// The seed of an Ed25519 key (RFC 8032); others verify by the public half.
    Ed25519([u8; 32]),
    /// A shared secret for HS256, at least 32 bytes.
    Shared(Vec<u8>),
}

impl Secret {
    /// The name of its key, which every token that it signs carries.
    pub fn kid(&self) -> String {
        Key::new(self).kid().to_owned()
    }
}

/// The keys of a shop. Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub struct Keys(Arc<Shared>);

struct Shared {
    issuer: String,
    ring: RwLock<Arc<KeyRing>>,
    clock: Clock,
    ids: Ids,
    verified: RwLock<HashMap<Box<str>, Remembered>>,
    services: Mutex<HashMap<&'static str, (Arc<str>, Time)>>,
    revoked: Revoked,
}

#[derive(Clone)]
struct Remembered {
    holder: Arc<Holder>,
    expires: Time,
}

impl Keys {
    /// Keys that sign with `secret` and believe what `former` ones signed, too.
    pub fn new(secret: &Secret, former: &[Secret], issuer: &str, clock: Clock, ids: Ids) -> Self {
        let former = former.iter().cloned().map(Signer::believed);
        let signers: Vec<Signer> = std::iter::once(Signer::always(secret.clone())).chain(former).collect();
        Self::of(&signers, issuer, clock, ids)
    }

    /// Keys that sign and believe as these secrets have their times.
    ///
    /// # Panics
    /// Without a secret.
    pub fn of(signers: &[Signer], issuer: &str, clock: Clock, ids: Ids) -> Self {
        Self(Arc::new(Shared {
            issuer: issuer.to_owned(),
            ring: RwLock::new(Arc::new(KeyRing::new(signers))),
            revoked: Revoked::new(clock.clone()),
            clock,
            ids,
            verified: RwLock::default(),
            services: Mutex::default(),
        }))
    }

    /// Takes other secrets into use, everywhere where these keys are. What was verified with the ones of before is
    /// verified anew.
    ///
    /// # Panics
    /// Without a secret.
    pub fn turn(&self, signers: &[Signer]) {
        let ring = Arc::new(KeyRing::new(signers));
        *self.0.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        self.0.verified.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.0.services.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn ring(&self) -> Arc<KeyRing> {
        self.0.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The sessions that have ended before their tokens expired.
    pub fn revoked(&self) -> &Revoked {
        &self.0.revoked
    }

    /// A person's access token and the moment it expires (whole seconds). Staff get the usual permissions.
    pub fn sign_user(&self, user: UserId, role: Role, session: SessionId, lifetime: Duration) -> (String, Time) {
        self.sign_permitted(user, role, Permissions::STAFF, session, lifetime)
    }

    /// The same, with permissions that count if the role is staff: administrators have all, others none.
    pub fn sign_permitted(
        &self,
        user: UserId,
        role: Role,
        permissions: Permissions,
        session: SessionId,
        lifetime: Duration,
    ) -> (String, Time) {
        let permissions = (role == Role::Staff).then_some(permissions);
        self.sign(
            SHOP,
            user.to_string(),
            (role.as_str(), permissions),
            Some(session),
            lifetime,
        )
    }

    /// The present token of a service, renewed in time.
    pub fn service_token(&self, service: &'static str) -> Arc<str> {
        let now = self.0.clock.now();
        let mut tokens = self.0.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, _)) = tokens.get(service).filter(|(_, renew)| now < *renew) {
            return token.clone();
        }
        let (token, _) = self.sign(
            INTERNAL,
            format!("service:{service}"),
            ("service", None),
            None,
            SERVICE_LIFETIME,
        );
        let token: Arc<str> = token.into();
        tokens.insert(service, (token.clone(), now.after(SERVICE_LIFETIME / 2)));
        token
    }

    /// What a peer is spoken to with by `service`.
    pub fn badge(&self, service: &'static str) -> wire::Badge {
        let keys = self.clone();
        Arc::new(move || keys.service_token(service))
    }

    fn sign(
        &self,
        aud: &str,
        sub: String,
        (role, perms): (&str, Option<Permissions>),
        sid: Option<SessionId>,
        lifetime: Duration,
    ) -> (String, Time) {
        let now = self.0.clock.now();
        let iat = now.seconds();
        let exp = iat.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX / 2_000_000));
        let claims = Claims {
            iss: self.0.issuer.clone(),
            aud: aud.to_owned(),
            typ: "access".to_owned(),
            sub,
            role: role.to_owned(),
            perms,
            sid,
            jti: self
                .0
                .ids
                .next::<RequestId>(now)
                .to_string()
                .split_off(RequestId::PREFIX.len()),
            iat,
            exp,
        };
        (
            self.ring().signing(now).sign(&claims),
            Time::from_micros(exp.saturating_mul(1_000_000)),
        )
    }

    /// Who holds the token.
    ///
    /// # Errors
    /// [`TokenFault`] when it does not count, or no longer.
    pub fn verify(&self, token: &str) -> Result<Arc<Holder>, TokenFault> {
        let now = self.0.clock.now();
        let known = self
            .0
            .verified
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(token)
            .cloned();
        let known = match known {
            Some(known) => known,
            None => {
                let ring = self.ring();
                let fresh = self.read(token, &ring, now)?;
                if now < fresh.expires {
                    self.remember(token, fresh.clone(), &ring, now);
                }
                fresh
            }
        };
        if now >= known.expires {
            return Err(TokenFault::Expired);
        }
        self.still_counts(&known.holder)?;
        Ok(known.holder)
    }

    /// Whether a holder that was verified before has not been turned out since.
    ///
    /// # Errors
    /// [`TokenFault::Ended`].
    pub fn still_counts(&self, holder: &Holder) -> Result<(), TokenFault> {
        match holder {
            Holder::User(caller) if self.0.revoked.has_ended(caller.session, caller.id) => Err(TokenFault::Ended),
            _ => Ok(()),
        }
    }

    /// Remembers what was verified by the keys of `ring`.
    fn remember(&self, token: &str, known: Remembered, ring: &Arc<KeyRing>, now: Time) {
        let mut verified = self.0.verified.write().unwrap_or_else(PoisonError::into_inner);
        // Other keys were taken into use meanwhile: what was known of these has been forgotten already.
        if !Arc::ptr_eq(ring, &self.ring()) {
            return;
        }
        if verified.len() >= REMEMBERED_MAX {
            verified.retain(|_, known| now < known.expires);
            if verified.len() >= REMEMBERED_MAX {
                verified.clear();
            }
        }
        verified.insert(token.into(), known);
    }

    fn read(&self, token: &str, ring: &KeyRing, now: Time) -> Result<Remembered, TokenFault> {
        if token.len() > TOKEN_MAX {
            return Err(TokenFault::Malformed);
        }
        let jws = Jws::parse(token)?;
        let (key, until) = ring.believed(&jws.kid, now).ok_or(TokenFault::UnknownKey)?;
        let claims: Claims = key.open(&jws)?;
        if claims.iss != self.0.issuer || claims.typ != "access" {
            return Err(TokenFault::WrongAudience);
        }
        let expires = Time::from_micros(claims.exp.saturating_mul(1_000_000));
        let holder = match (claims.aud.as_str(), claims.sub.strip_prefix("service:")) {
            (INTERNAL, Some(service)) if claims.role == "service" => Holder::Service(service.to_owned()),
            (SHOP, None) => {
                let role = Role::parse(&claims.role).ok_or(TokenFault::Malformed)?;
                let permissions = match role {
                    Role::Admin => Permissions::ALL,
                    Role::Staff => claims.perms.unwrap_or_default(),
                    Role::Guest | Role::Customer => Permissions::NONE,
                };
                Holder::User(Caller {
                    id: claims.sub.parse().map_err(|_| TokenFault::Malformed)?,
                    role,
                    session: claims.sid.ok_or(TokenFault::Malformed)?,
                    expires,
                    permissions,
                    key: None,
                })
            }
            _ => return Err(TokenFault::WrongAudience),
        };
        Ok(Remembered {
            holder: Arc::new(holder),
            // A key that is believed no more takes what it signed along.
            expires: until.map_or(expires, |until| until.min(expires)),
        })
    }

    /// The public keys as a JWK set (RFC 7517); empty when the secret is shared.
    pub fn jwks(&self) -> serde_json::Value {
        serde_json::json!({ "keys": self.ring().public(self.0.clock.now()) })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.ring().signing(self.0.clock.now()).kid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verified while other keys are taken into use: what the former ones signed is not remembered beyond them.
    #[test]
    fn what_keys_of_before_verified_is_not_remembered() {
        let (clock, ids) = (Clock::paused(Time::from_micros(1_000_000_000)), Ids::seeded(1));
        let (leaked, next) = (Secret::Ed25519([1; 32]), Secret::Ed25519([2; 32]));
        let keys = Keys::new(&leaked, &[], "shop", clock.clone(), ids.clone());
        let (session, user) = (ids.next(clock.now()), ids.next(clock.now()));
        let (token, _) = keys.sign_user(user, Role::Admin, session, Duration::from_secs(900));
        let ring = keys.ring();
        let known = keys.read(&token, &ring, clock.now()).expect("a token that counts");
        keys.turn(&[Signer::always(next)]);
        keys.remember(&token, known, &ring, clock.now());
        assert_eq!(keys.verify(&token), Err(TokenFault::UnknownKey));
    }
}
