//! Time: microseconds since 1970 in UTC, from the system or from a test's hand.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment: microseconds since 1970-01-01T00:00:00Z. On the wire RFC 3339 text in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This moment and `more`; stops at the last one that can be named.
    pub fn after(self, more: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(more.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// This moment less `span`.
    pub fn before(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0) as u64)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(stamp) => write!(f, "{stamp:.6}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl FromStr for Time {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let stamp: jiff::Timestamp = text
            .parse()
            .map_err(|_| format!("{text:?} is not a time such as 2030-01-31T12:00:00Z"))?;
        Ok(Self(stamp.as_microsecond()))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time", "examples": ["2030-01-31T12:00:00.000000Z"] })
    }
}

/// Where the time comes from. Cheap to clone; clones share a paused clock's hand.
#[derive(Clone, Debug)]
pub struct Clock(Hand);

#[derive(Clone, Debug)]
enum Hand {
    System,
    Paused(Arc<AtomicI64>),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Hand::System)
    }

    /// A clock that stands still until it is advanced. For tests and simulation.
    pub fn paused(at: Time) -> Self {
        Self(Hand::Paused(Arc::new(AtomicI64::new(at.0))))
    }

    /// The present moment.
    #[allow(clippy::disallowed_methods)] // The one place that asks the system for the time.
    pub fn now(&self) -> Time {
        match &self.0 {
            Hand::System => {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                Time(since.map_or(0, |span| span.as_micros() as i64))
            }
            Hand::Paused(at) => Time(at.load(Ordering::SeqCst)),
        }
    }

    /// Moves a paused clock forward; the system's clock stays as it is.
    pub fn advance(&self, span: Duration) {
        if let Hand::Paused(at) = &self.0 {
            at.fetch_add(span.as_micros() as i64, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_rfc3339_on_the_wire() {
        let time = Time::from_micros(1_900_000_000_000_001);
        assert_eq!(time.to_string(), "2030-03-17T17:46:40.000001Z");
        assert_eq!(time.to_string().parse(), Ok(time));
        assert!("yesterday".parse::<Time>().is_err());
    }

    #[test]
    fn a_paused_clock_moves_only_by_hand() {
        let clock = Clock::paused(Time::from_micros(5));
        let twin = clock.clone();
        twin.advance(Duration::from_micros(3));
        assert_eq!(clock.now().micros(), 8);
    }
}
