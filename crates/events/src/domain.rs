//! What of the log and of the audit log is asked for, and who may ask.

use std::net::IpAddr;

use base::{Cursor, EventId, Time};

/// The most values that a parameter takes at once.
pub const VALUES_MAX: usize = 50;

/// A place in a log: entries are ordered by time, those of one microsecond by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When it happened.
    pub time: Time,
    /// Which event.
    pub id: EventId,
}

impl Place {
    /// As the cursor of a page that ends here.
    pub fn cursor(self) -> Cursor {
        Cursor::new([self.time.micros().to_string(), self.id.to_string()])
    }

    /// Reads a cursor; none when it is not one of this log.
    pub fn of_cursor(cursor: &Cursor) -> Option<Self> {
        let [time, id] = cursor.parts().ok()?;
        Some(Self {
            time: Time::from_micros(time.parse().ok()?),
            id: id.parse().ok()?,
        })
    }
}

/// An end of what is asked for; not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Where this event stands.
    Event(EventId),
    /// This moment.
    Time(Time),
}

impl Bound {
    /// Reads an event's id or a time; none when it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let event = text.parse().map(Bound::Event);
        event.ok().or_else(|| text.parse().map(Bound::Time).ok())
    }
}

/// Which events are asked for: those that fit all that is given. An empty list fits all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of one of these types.
    pub kinds: Vec<String>,
    /// That happened to one of these.
    pub subjects: Vec<String>,
    /// That one of these services tells.
    pub sources: Vec<String>,
}

/// Which entries of the audit log are asked for: those that fit all that is given. An empty list fits all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deeds {
    /// Done by one of these.
    pub actors: Vec<String>,
    /// Done to one of these.
    pub subjects: Vec<String>,
    /// One of these was done.
    pub actions: Vec<String>,
}

/// Between what: newer than the first, older than the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Only what is newer.
    pub after: Option<Bound>,
    /// Only what is older.
    pub before: Option<Bound>,
}

/// The values of a parameter: between commas, empty ones left out. None when there are more than [`VALUES_MAX`].
pub fn values(text: Option<&str>) -> Option<Vec<String>> {
    let parts = text.unwrap_or_default().split(',').map(str::trim);
    let all: Vec<String> = parts.filter(|part| !part.is_empty()).map(str::to_owned).collect();
    (all.len() <= VALUES_MAX).then_some(all)
}

/// Whether a call comes from this very machine: its connection does, and so do all whom it was forwarded for
/// (`X-Forwarded-For`). Where nothing is known of the connection it does not.
pub fn is_from_here(connection: Option<IpAddr>, forwarded: Option<&str>) -> bool {
    let here = |address: IpAddr| address.to_canonical().is_loopback();
    let told = |text: &str| text.trim().parse().is_ok_and(here);
    connection.is_some_and(here) && forwarded.is_none_or(|all| all.split(',').all(told))
}

#[cfg(test)]
mod tests {
    use base::Ids;

    use super::*;

    #[test]
    fn a_place_survives_its_cursor_and_strangers_are_no_place() {
        let time = Time::from_micros(1_900_000_000_000_001);
        let place = Place {
            time,
            id: Ids::seeded(1).next(time),
        };
        assert_eq!(Place::of_cursor(&place.cursor()), Some(place));
        for parts in [
            &["1"][..],
            &["x", "y"],
            &["1", "ord_01j9zk3v5w8q2m4n6p7r8s9t0v"],
            &["1", "2", "3"],
        ] {
            assert_eq!(
                Place::of_cursor(&Cursor::new(parts.iter().map(|part| part.to_string()))),
                None
            );
        }
    }

    #[test]
    fn a_bound_is_an_event_or_a_time() {
        let id = "evt_01j9zk3v5w8q2m4n6p7r8s9t0v";
        assert_eq!(Bound::parse(id), Some(Bound::Event(id.parse().unwrap())));
        let time = "2030-03-17T17:46:40.000001Z";
        assert_eq!(Bound::parse(time), Some(Bound::Time(time.parse().unwrap())));
        for text in ["", "1", "yesterday", "evt_", "ord_01j9zk3v5w8q2m4n6p7r8s9t0v"] {
            assert_eq!(Bound::parse(text), None, "{text}");
        }
    }

    #[test]
    fn values_stand_between_commas() {
        let check = |text, expected: &[&str]| assert_eq!(values(text).unwrap(), expected, "{text:?}");
        check(None, &[]);
        check(Some(""), &[]);
        check(Some(" , ,"), &[]);
        check(Some("OrderCreated"), &["OrderCreated"]);
        check(Some("a, b ,,c"), &["a", "b", "c"]);
        assert_eq!(
            values(Some(&"a,".repeat(VALUES_MAX))).map(|all| all.len()),
            Some(VALUES_MAX)
        );
        assert_eq!(values(Some(&"a,".repeat(VALUES_MAX + 1))), None);
    }

    #[test]
    fn only_this_machine_is_here() {
        let check = |connection: &str, forwarded: Option<&str>, expected: bool| {
            assert_eq!(
                is_from_here(connection.parse().ok(), forwarded),
                expected,
                "{connection} for {forwarded:?}"
            );
        };
        check("127.0.0.1", None, true);
        check("::1", None, true);
        check("::ffff:127.0.0.1", None, true);
        check("127.0.0.1", Some("127.0.0.1, ::1"), true);
        check("127.0.0.1", Some("10.0.0.7"), false);
        check("127.0.0.1", Some("127.0.0.1, 10.0.0.7"), false);
        check("127.0.0.1", Some("whoever"), false);
        check("127.0.0.1", Some(""), false);
        check("10.0.0.7", None, false);
        check("10.0.0.7", Some("127.0.0.1"), false);
        check("unknown", None, false);
    }
}
