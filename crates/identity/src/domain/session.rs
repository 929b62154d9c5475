//! Rules of sessions: what a refresh token is good for, and how failed sign-ins are slowed.

use std::time::Duration;

use base::{SessionId, Time, UserId};
use serve::Role;

/// The refresh token that was spent last may come again for this long: the answer may have been lost, or two
/// tabs may have asked at once.
pub const REPEAT_WITHIN: Duration = Duration::from_secs(30);
/// How often it may come again: more tabs than anybody has, too few for a thief to live on.
pub const REPEATS_MAX: i64 = 8;

/// Failed sign-ins for an account from an address that cost nothing: people mistype.
pub const FREE_FAILURES: i64 = 5;
/// The longest wait between two tries: 1,440 guesses a day find no password worth the name.
pub const SLOWED_MAX: Duration = Duration::from_secs(60);

/// A session that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The id.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// What they may do in it.
    pub role: Role,
    /// The digest of the refresh token that was spent last.
    pub last_spent: Option<String>,
    /// When.
    pub spent_at: Option<Time>,
    /// How often it came again.
    pub repeats: i64,
}

/// A refresh token that we know, and its session while that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The token's digest.
    pub digest: String,
    /// Whether it was spent.
    pub is_spent: bool,
    /// When it expires.
    pub expires_at: Time,
    /// Its session; none when that has ended.
    pub session: Option<Session>,
}

/// What a refresh token is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A new pair; the token is spent by it.
    Rotate(Session),
    /// A further pair: it is the one that was spent last, a moment ago.
    Further(Session),
    /// It was spent before: somebody has a copy. The session ends.
    Stolen(Session),
    /// Nothing: its session has ended, or it has expired.
    Refuse,
}

/// Judges a refresh token.
pub fn turn(known: Known, now: Time) -> Turn {
    let Some(session) = known.session else {
        return Turn::Refuse;
    };
    if now >= known.expires_at {
        return Turn::Refuse;
    }
    if !known.is_spent {
        return Turn::Rotate(session);
    }
    let is_last = session.last_spent.as_deref() == Some(known.digest.as_str());
    let is_recent = session.spent_at.is_some_and(|at| now.since(at) <= REPEAT_WITHIN);
    if is_last && is_recent && session.repeats < REPEATS_MAX {
        Turn::Further(session)
    } else {
        Turn::Stolen(session)
    }
}

/// How long to wait after the last of `failures` failed sign-ins: 1, 2, 4 … seconds from the fifth on.
pub fn delay(failures: i64) -> Duration {
    match failures - FREE_FAILURES {
        over @ 0..=16 => Duration::from_secs(1 << over).min(SLOWED_MAX),
        over if over < 0 => Duration::ZERO,
        _ => SLOWED_MAX,
    }
}

/// Seconds until the next try is let through; none when it may come now.
pub fn slowed(failures: i64, last_at: Time, now: Time) -> Option<u32> {
    let left = last_at.after(delay(failures)).since(now);
    (!left.is_zero()).then(|| left.as_secs_f64().ceil() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Id;

    #[test]
    fn a_refresh_token_is_good_once_and_a_moment_longer() {
        let at = |seconds: i64| Time::from_micros(seconds * 1_000_000);
        let session = |last_spent: Option<&str>, repeats| Session {
            id: SessionId::from_bits(1),
            user: UserId::from_bits(2),
            role: Role::Customer,
            last_spent: last_spent.map(str::to_owned),
            spent_at: last_spent.map(|_| at(100)),
            repeats,
        };
        // (spent, expires, session) judged at a moment
        let cases: [(bool, i64, Option<Session>, i64, &str); 10] = [
            (false, 900, Some(session(None, 0)), 100, "rotate"),
            (false, 900, Some(session(Some("other"), 0)), 400, "rotate"),
            (true, 900, Some(session(Some("this"), 0)), 100, "further"),
            (true, 900, Some(session(Some("this"), 0)), 130, "further"),
            (true, 900, Some(session(Some("this"), 0)), 131, "stolen"),
            (true, 900, Some(session(Some("this"), REPEATS_MAX)), 110, "stolen"),
            (true, 900, Some(session(Some("other"), 0)), 110, "stolen"),
            (true, 900, None, 110, "refuse"),
            (false, 900, None, 110, "refuse"),
            (false, 900, Some(session(None, 0)), 900, "refuse"),
        ];
        for (is_spent, expires, session, now, expected) in cases {
            let known = Known {
                digest: "this".into(),
                is_spent,
                expires_at: at(expires),
                session,
            };
            let judged = match turn(known.clone(), at(now)) {
                Turn::Rotate(_) => "rotate",
                Turn::Further(_) => "further",
                Turn::Stolen(_) => "stolen",
                Turn::Refuse => "refuse",
            };
            assert_eq!(judged, expected, "{known:?} at {now}");
        }
    }

    #[test]
    fn waits_grow_and_end() {
        let waits: Vec<u64> = (0..=13).map(|failures| delay(failures).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(delay(i64::MAX), SLOWED_MAX);
        let at = |micros: i64| Time::from_micros(micros);
        assert_eq!(slowed(4, at(0), at(0)), None);
        assert_eq!(slowed(6, at(0), at(0)), Some(2));
        assert_eq!(slowed(6, at(0), at(1_500_000)), Some(1));
        assert_eq!(slowed(6, at(0), at(2_000_000)), None);
    }
}
