//! Sessions that ended before their access tokens expired: a logout, a new password, a new role.
//!
//! Verifiers look here on every request. An entry is kept as long as a token may last, then forgotten:
//! from there on the token's own expiry refuses it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base::{Clock, Id, SessionId, Time, UserId};

/// The longest an access token may last; settings stay below. Entries are kept that long.
pub const ACCESS_LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);
/// Below this many entries nobody sweeps.
const SWEEP_MIN: usize = 1_024;

/// The sessions that have ended. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Revoked {
    clock: Clock,
    ended: Arc<RwLock<Ended>>,
}

#[derive(Default)]
struct Ended {
    /// Ended sessions, each with the moment it was entered.
    sessions: HashMap<SessionId, Time>,
    /// Users all of whose sessions that began before the moment have ended.
    users: HashMap<UserId, Time>,
    sweep_at: usize,
}

impl Revoked {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            ended: Arc::default(),
        }
    }

    /// Ends a session.
    pub fn end(&self, session: SessionId) {
        let now = self.clock.now();
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        ended.sessions.insert(session, now);
        ended.sweep(now);
    }

    /// Ends those sessions of a user that began before a moment, to the millisecond. Where the sessions
    /// are known, [`Revoked::end`] is exact.
    pub fn end_user(&self, user: UserId, before: Time) {
        let now = self.clock.now();
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        let latest = ended.users.get(&user).map_or(before, |&known| known.max(before));
        ended.users.insert(user, latest);
        ended.sweep(now);
    }

    /// Whether the session has ended.
    pub fn has_ended(&self, session: SessionId, user: UserId) -> bool {
        let ended = self.ended.read().unwrap_or_else(PoisonError::into_inner);
        // A session's id begins with the millisecond in which it began.
        let began = (session.bits() >> 80) as i64;
        ended.sessions.contains_key(&session)
            || ended
                .users
                .get(&user)
                .is_some_and(|before| began < before.micros() / 1_000)
    }
}

impl Ended {
    fn sweep(&mut self, now: Time) {
        let held = self.sessions.len() + self.users.len();
        if held < self.sweep_at.max(SWEEP_MIN) {
            return;
        }
        let keep_from = now.before(ACCESS_LIFETIME_MAX);
        self.sessions.retain(|_, at| *at >= keep_from);
        self.users.retain(|_, before| *before >= keep_from);
        self.sweep_at = 2 * (self.sessions.len() + self.users.len());
    }
}
