//! Who stands at the door: reads the `Authorization` header, and knows whose tokens and API keys count.
//!
//! A token is checked here, by its signature. An API key says nothing of itself: identity is asked whose it is, and
//! the answer is remembered for a while. What ends a session ends it, so that a revoked key is refused as fast.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use api::identity;
use base::{Clock, Ids, RequestId, Time};
use http::{HeaderMap, Method, header};
use sha2::{Digest as _, Sha256};
use wire::{Cx, Problem};

use crate::caller::{Caller, Who};
use crate::part::Deps;
use crate::tokens::{Holder, Keys, TokenFault};

/// What every API key begins with.
pub const API_KEY_PREFIX: &str = "imk_";
/// The longest API key that is read: ours have some 50 characters.
const API_KEY_MAX: usize = 128;
/// How long an answer of identity counts. A revoked key is refused sooner, like an ended session.
const REMEMBERED_FOR: Duration = Duration::from_secs(300);
/// Machines that are remembered; a shop has a few.
const REMEMBERED_MAX: usize = 1_024;

/// Finds out who calls. Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub struct Doorman {
    keys: Keys,
    identity: identity::Client,
    clock: Clock,
    ids: Ids,
    machines: Arc<RwLock<HashMap<String, Remembered>>>,
}

#[derive(Clone)]
struct Remembered {
    holder: Arc<Holder>,
    until: Time,
}

impl Doorman {
    /// A doorman of a service, who asks identity in its name.
    pub fn new(deps: &Deps) -> Self {
        Self {
            keys: deps.keys.clone(),
            identity: identity::Client(deps.peers.peer("identity")),
            clock: deps.clock.clone(),
            ids: deps.ids.clone(),
            machines: Arc::default(),
        }
    }

    /// Who the `Authorization` header speaks for; nobody when there is none.
    ///
    /// # Errors
    /// 401 when the token or key does not count. Not for calls that bring credentials of their own: a stale token
    /// beside a password or a refresh token says nothing about them. 503 when identity cannot tell whose a key is.
    pub async fn identify(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<Who, Problem> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Ok(Who::default());
        };
        let token = value.to_str().ok().and_then(bearer);
        let found = match token {
            Some(key) if key.starts_with(API_KEY_PREFIX) => self.machine(key).await,
            Some(token) => self.keys.verify(token).map_err(refused),
            None => Err(refused(TokenFault::Malformed)),
        };
        match found {
            Ok(holder) => Ok(Who(Some(holder))),
            Err(_) if brings_credentials(method, path) => Ok(Who::default()),
            Err(problem) => Err(problem),
        }
    }

    /// The same caller, if what was found out before still counts.
    ///
    /// # Errors
    /// 401 when the session or key has ended since.
    pub fn still_counts(&self, known: &Who) -> Result<Who, Problem> {
        if let Some(holder) = known.0.as_deref() {
            self.keys.still_counts(holder).map_err(refused)?;
        }
        Ok(known.clone())
    }

    async fn machine(&self, key: &str) -> Result<Arc<Holder>, Problem> {
        if key.len() > API_KEY_MAX {
            return Err(no_such_key());
        }
        let digest = digest_of(key);
        let now = self.clock.now();
        let known = {
            let machines = self.machines.read().unwrap_or_else(PoisonError::into_inner);
            machines.get(&digest).filter(|known| now < known.until).cloned()
        };
        let holder = match known {
            Some(known) => known.holder,
            None => self.ask(digest, now).await?,
        };
        self.keys.still_counts(&holder).map_err(|_| no_such_key())?;
        Ok(holder)
    }

    async fn ask(&self, digest: String, now: Time) -> Result<Arc<Holder>, Problem> {
        let id: RequestId = self.ids.next(now);
        let cx = Cx::new(id.to_string(), "service:door");
        let Some(machine) = self.identity.machine(&cx, &digest).await? else {
            return Err(no_such_key());
        };
        let until = now.after(REMEMBERED_FOR);
        let until = machine.expires_at.map_or(until, |expires| expires.min(until));
        let expires = machine.expires_at.unwrap_or(until);
        let holder = Arc::new(Holder::User(Caller::machine(&machine, expires)));
        let mut machines = self.machines.write().unwrap_or_else(PoisonError::into_inner);
        if machines.len() >= REMEMBERED_MAX {
            machines.clear();
        }
        let remembered = Remembered {
            holder: holder.clone(),
            until,
        };
        machines.insert(digest, remembered);
        Ok(holder)
    }
}

/// By what an API key is known where it is kept: SHA-256 in hexadecimal digits. A key is random and long, so that
/// nothing slower is needed.
pub fn digest_of(key: &str) -> String {
    base::hex(&Sha256::digest(key))
}

fn refused(fault: TokenFault) -> Problem {
    Problem::unauthorized(fault.to_string())
}

fn no_such_key() -> Problem {
    Problem::unauthorized("The API key is not valid, or no longer. An administrator can make a new one.")
}

fn bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn brings_credentials(method: &Method, path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    *method == Method::POST && matches!(last, "login" | "register" | "refresh" | "guest" | "forgot" | "reset")
}
