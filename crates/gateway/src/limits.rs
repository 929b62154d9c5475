//! How many requests an address and a person may make: counted by route class, told in every answer.
//!
//! Each count is a GCRA (the "virtual scheduling" of ITU-T I.371), which is a sliding window in one number: the moment
//! by which all that was asked would have been asked at the allowed pace. The headers are those of
//! draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy: "reads";q=6000;w=60` and `RateLimit: "reads";r=5999;t=1`.
//!
//! Memory is bounded: where a table is full, counts that are at their full allowance, or nearest to it, make place.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base::Clock;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use wire::Problem;

pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What quotas are counted over.
const WINDOW: Duration = Duration::from_secs(60);
const WINDOW_NS: i64 = WINDOW.as_nanos() as i64;
/// Tables, so that threads seldom wait for each other.
const SHARDS: usize = 16;
/// Counts in a table: 128,000 callers of a minute altogether, in some 8 MiB.
const COUNTS_MAX: usize = 8_000;
/// How often all of a full table are looked at, at the most: not for every newcomer of a flood.
const SWEEP_EVERY_NS: u64 = 100_000_000;
/// Counts that are looked at for one to make place.
const SAMPLE: usize = 8;

/// What a request does, as far as limits go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Reads.
    Reads,
    /// Changes something.
    Writes,
    /// Brings a password, or opens an account.
    SignIns,
}

impl Class {
    /// The class of a request; `sign_in` says whether its route is one where passwords are tried.
    pub(crate) fn of(method: &Method, sign_in: bool) -> Self {
        match *method {
            Method::GET | Method::HEAD | Method::OPTIONS => Class::Reads,
            _ if sign_in => Class::SignIns,
            _ => Class::Writes,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Class::Reads => "reads",
            Class::Writes => "writes",
            Class::SignIns => "sign-ins",
        }
    }
}

/// Requests a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// That read.
    pub reads: u32,
    /// That change something.
    pub writes: u32,
    /// That sign in or open an account, from one address.
    pub sign_ins: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            reads: 6_000,
            writes: 600,
            sign_ins: 60,
        }
    }
}

impl Quotas {
    fn of(self, class: Class) -> u32 {
        match class {
            Class::Reads => self.reads,
            Class::Writes => self.writes,
            Class::SignIns => self.sign_ins,
        }
    }
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    /// An IPv4 address, or the site of an IPv6 one.
    Address(u128),
    /// A user or an API key.
    Person(u128),
}

impl Whose {
    pub(crate) fn at(address: IpAddr) -> Self {
        match serve::site(address) {
            IpAddr::V4(short) => Whose::Address(u32::from(short).into()),
            IpAddr::V6(long) => Whose::Address(long.into()),
        }
    }
}

/// What is left of a quota after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    class: Class,
    remaining: u32,
    /// Seconds until the quota is whole again; of a refused request, until the next one is admitted.
    reset_s: u32,
    refused: bool,
}

impl Left {
    /// The tighter one of two.
    pub(crate) fn tighter(self, other: Option<Left>) -> Left {
        other
            .filter(|other| (!other.refused, other.remaining) < (!self.refused, self.remaining))
            .unwrap_or(self)
    }

    /// The refusal, if this is one.
    pub(crate) fn refusal(&self) -> Option<Problem> {
        self.refused.then(|| {
            let what = match self.class {
                Class::Reads => "requests",
                Class::Writes => "changes",
                Class::SignIns => "attempts to sign in or register",
            };
            let detail = format!("Too many {what} in a short time. Please go on in {} s.", self.reset_s);
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail).retry_after(self.reset_s)
        })
    }
}

/// Counts requests.
pub(crate) struct Limits {
    quotas: Quotas,
    policies: [HeaderValue; 3],
    counter: Counter,
    clock: Clock,
}

/// Where counts are kept. Each process of a gateway counts for itself.
enum Counter {
    Memory(Memory),
}

impl Limits {
    pub(crate) fn new(quotas: Quotas, clock: Clock) -> Self {
        let policy = |class: Class| {
            let text = format!("\"{}\";q={};w={}", class.name(), quotas.of(class), WINDOW.as_secs());
            HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
        };
        Self {
            quotas,
            policies: [Class::Reads, Class::Writes, Class::SignIns].map(policy),
            counter: Counter::Memory(Memory::default()),
            clock,
        }
    }

    /// Counts a request.
    pub(crate) async fn take(&self, class: Class, whose: Whose) -> Left {
        let now_ns = self.clock.now().micros().saturating_mul(1_000);
        match &self.counter {
            Counter::Memory(memory) => memory.take(class, whose, self.quotas.of(class), now_ns),
        }
    }

    /// Tells the caller.
    pub(crate) fn tell(&self, left: Left, out: &mut HeaderMap) {
        let text = format!("\"{}\";r={};t={}", left.class.name(), left.remaining, left.reset_s);
        if let Ok(value) = HeaderValue::try_from(text) {
            out.insert(RATE_LIMIT, value);
        }
        out.insert(RATE_LIMIT_POLICY, self.policies[left.class as usize].clone());
    }
}

#[derive(Default)]
struct Memory([Mutex<Shard>; SHARDS]);

#[derive(Default)]
struct Shard {
    counts: HashMap<(Whose, Class), i64>,
    /// When those were thrown out last that had their full allowance again.
    swept: i64,
}

impl Memory {
    fn take(&self, class: Class, whose: Whose, quota: u32, now: i64) -> Left {
        let (Whose::Address(bits) | Whose::Person(bits)) = whose;
        let spread = ((bits >> 64) as u64 ^ bits as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
        let mut shard = self.0[spread as usize % SHARDS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = shard.counts.get(&(whose, class)).copied().unwrap_or_default();
        let (after, left) = admit(before, now, quota, class);
        if before == 0 && shard.counts.len() >= COUNTS_MAX {
            shard.make_place(now);
        }
        shard.counts.insert((whose, class), after);
        left
    }
}

impl Shard {
    /// Throws out all that have their full allowance again: who asked once has it soon, who is held back has not. Where
    /// that was just done, one of a few goes that lacks least of it.
    fn make_place(&mut self, now: i64) {
        if now.abs_diff(self.swept) >= SWEEP_EVERY_NS {
            self.swept = now;
            self.counts.retain(|_, moment| *moment > now);
            if self.counts.len() < COUNTS_MAX {
                return;
            }
        }
        let some = self.counts.iter().take(SAMPLE);
        let least = some.min_by_key(|(_, moment)| (**moment).max(now)).map(|(key, _)| *key);
        if let Some(key) = least {
            self.counts.remove(&key);
        }
    }
}

/// The count after a request at `now`, and what is left. A refused request is not counted.
fn admit(before: i64, now: i64, quota: u32, class: Class) -> (i64, Left) {
    let quota = quota.max(1);
    let step = WINDOW_NS / i64::from(quota);
    // No count runs ahead further than this, unless the system's clock was set back: then nobody waits for the old time.
    let before = before.min(now.saturating_add(WINDOW_NS));
    let after = before.max(now).saturating_add(step);
    let ahead = after.saturating_sub(now);
    let refused = ahead > WINDOW_NS;
    let left = Left {
        class,
        remaining: if refused {
            0
        } else {
            u32::try_from((WINDOW_NS - ahead) / step).unwrap_or(quota).min(quota)
        },
        reset_s: seconds_up(if refused { ahead - WINDOW_NS } else { ahead }),
        refused,
    };
    (if refused { before } else { after }, left)
}

fn seconds_up(ns: i64) -> u32 {
    u32::try_from(ns.max(1).saturating_add(999_999_999) / 1_000_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use base::Time;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn limits(reads: u32) -> (Limits, Clock) {
        let clock = Clock::paused(Time::from_micros(1_900_000_000_000_000));
        let quotas = Quotas {
            reads,
            ..Quotas::default()
        };
        (Limits::new(quotas, clock.clone()), clock)
    }

    #[test]
    fn a_quota_is_spent_and_comes_back_evenly() {
        let start = 1_000_000 * SECOND;
        let mut count = 0;
        let mut ask = |at: i64| {
            let (after, left) = admit(count, start + at, 60, Class::Reads);
            count = after;
            left
        };
        for asked in 1..=60 {
            let left = ask(0);
            assert_eq!((left.remaining, left.refused), (60 - asked, false));
            assert_eq!(left.reset_s, asked, "whole again a second per request later");
        }
        let refused = ask(SECOND / 2);
        assert_eq!((refused.remaining, refused.refused, refused.reset_s), (0, true, 1));
        assert!(!ask(SECOND).refused, "one a second comes back");
        assert!(ask(SECOND).refused);
        assert_eq!(ask(31 * SECOND).remaining, 29, "half of it after half a minute");
        assert_eq!(ask(200 * SECOND).remaining, 59);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let (mut count, noon) = (0, 43_200 * SECOND);
        for _ in 0..60 {
            (count, _) = admit(count, noon, 60, Class::Reads);
        }
        let eleven = noon - 3_600 * SECOND;
        let (count, left) = admit(count, eleven, 60, Class::Reads);
        assert_eq!((left.refused, left.reset_s), (true, 1), "what was spent stays spent");
        let (_, left) = admit(count, eleven + SECOND, 60, Class::Reads);
        assert!(!left.refused);
    }

    #[test]
    fn odd_quotas_are_kept_too() {
        for quota in [1, 7, 59, 600, 6_000, 45_000, 1_000_000] {
            let (mut count, mut admitted) = (0, 0);
            loop {
                let (after, left) = admit(count, SECOND, quota, Class::Writes);
                if left.refused {
                    break;
                }
                (count, admitted) = (after, admitted + 1);
            }
            assert_eq!(admitted, quota);
        }
    }

    #[tokio::test]
    async fn callers_and_classes_are_counted_apart() {
        let (limits, clock) = limits(1);
        let refused = async |class, address: &str| {
            let whose = Whose::at(address.parse().unwrap());
            limits.take(class, whose).await.refusal().is_some()
        };
        assert!(!refused(Class::Reads, "10.0.0.1").await);
        assert!(refused(Class::Reads, "10.0.0.1").await);
        assert!(!refused(Class::Writes, "10.0.0.1").await);
        assert!(!refused(Class::Reads, "10.0.0.2").await);
        assert!(!refused(Class::Reads, "2001:db8::1").await);
        assert!(refused(Class::Reads, "2001:db8::2").await, "one site");
        assert!(!refused(Class::Reads, "2001:db8:0:1::1").await);
        clock.advance(Duration::from_secs(60));
        assert!(!refused(Class::Reads, "10.0.0.1").await);
    }

    #[tokio::test]
    async fn what_is_left_is_told() {
        let (limits, _) = limits(2);
        let mut out = HeaderMap::new();
        let ada = Whose::Person(7);
        let left = limits.take(Class::Reads, ada).await;
        limits.tell(left, &mut out);
        assert_eq!(out["ratelimit"], "\"reads\";r=1;t=30");
        assert_eq!(out["ratelimit-policy"], "\"reads\";q=2;w=60");
        let fresh = limits.take(Class::Reads, Whose::Person(8)).await;
        limits.take(Class::Reads, ada).await;
        let tight = fresh.tighter(Some(limits.take(Class::Reads, ada).await));
        assert_eq!(tight.refusal().unwrap().retry_after, Some(30));
    }

    #[tokio::test]
    async fn many_callers_do_not_fill_the_memory() {
        let (limits, _) = limits(10);
        let busy = Whose::Person(u128::MAX);
        for _ in 0..10 {
            limits.take(Class::Reads, busy).await;
        }
        for number in 0..200_000u32 {
            limits.take(Class::Reads, Whose::Address(number.into())).await;
        }
        let Counter::Memory(memory) = &limits.counter;
        let held: usize = memory.0.iter().map(|shard| shard.lock().unwrap().counts.len()).sum();
        assert!(held <= SHARDS * COUNTS_MAX, "{held}");
        assert!(held > SHARDS * COUNTS_MAX / 2, "{held}");
        assert!(
            limits.take(Class::Reads, busy).await.refused,
            "who asked much is not forgotten for who asked once"
        );
    }

    #[tokio::test]
    async fn many_busy_callers_are_not_forgotten_for_many_who_ask_once() {
        let (limits, clock) = limits(600);
        for person in 0..500 {
            for _ in 0..600 {
                limits.take(Class::Reads, Whose::Person(person)).await;
            }
        }
        for number in 0..300_000u32 {
            if number % 100 == 0 {
                clock.advance(Duration::from_millis(1));
            }
            limits.take(Class::Reads, Whose::Address(number.into())).await;
        }
        let mut kept = 0;
        for person in 0..500 {
            // Three seconds gave thirty back.
            let left = limits.take(Class::Reads, Whose::Person(person)).await;
            kept += u32::from(left.remaining < 40);
        }
        assert_eq!(kept, 500);
    }
}
