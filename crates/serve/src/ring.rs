//! The ring of keys: which one signs at a moment, and which ones are believed.
//!
//! A rotation never refuses anybody: the new key is known everywhere before it signs, and the one of before is
//! believed until the last token that it signed has expired.

use base::Time;

use crate::jws::Key;
use crate::tokens::Secret;

/// A secret and its time.
#[derive(Clone)]
pub struct Signer {
    /// What signs.
    pub secret: Secret,
    /// From when it signs, unless a newer one does; none for one that is only believed.
    pub from: Option<Time>,
    /// When it is believed no more; none while nothing ends it.
    pub until: Option<Time>,
}

impl Signer {
    /// One that has always signed and that nothing ends.
    pub fn always(secret: Secret) -> Self {
        Self {
            secret,
            from: Some(Time::from_micros(0)),
            until: None,
        }
    }

    /// One that is believed and does not sign: a key of before, or one to come.
    pub fn believed(secret: Secret) -> Self {
        Self {
            secret,
            from: None,
            until: None,
        }
    }
}

struct Held {
    key: Key,
    from: Option<Time>,
    until: Option<Time>,
}

impl Held {
    fn counts(&self, now: Time) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Keys, the newest first.
pub(crate) struct KeyRing(Vec<Held>);

impl KeyRing {
    /// # Panics
    /// Without a key.
    pub(crate) fn new(signers: &[Signer]) -> Self {
        assert!(!signers.is_empty(), "a shop has a key that signs");
        let mut held: Vec<Held> = signers
            .iter()
            .map(|signer| Held {
                key: Key::new(&signer.secret),
                from: signer.from,
                until: signer.until,
            })
            .collect();
        held.sort_by_key(|one| std::cmp::Reverse(one.from));
        Self(held)
    }

    /// The key that signs now: the newest whose time has come.
    pub(crate) fn signing(&self, now: Time) -> &Key {
        let due = |one: &&Held| one.from.is_some_and(|from| from <= now) && one.counts(now);
        // A clock that was set back finds none whose time has come; then the oldest one is the one that others know.
        let found = self.0.iter().find(due);
        let found = found.or_else(|| self.0.iter().rfind(|one| one.from.is_some()));
        &found.unwrap_or(&self.0[0]).key
    }

    /// The key of this name while it is believed, and when that ends.
    pub(crate) fn believed(&self, kid: &str, now: Time) -> Option<(&Key, Option<Time>)> {
        let found = self.0.iter().find(|one| one.key.kid() == kid && one.counts(now))?;
        Some((&found.key, found.until))
    }

    /// The public halves of the keys that are believed.
    pub(crate) fn public(&self, now: Time) -> Vec<serde_json::Value> {
        let counting = self.0.iter().filter(|one| one.counts(now));
        counting.filter_map(|one| one.key.jwk()).collect()
    }
}
