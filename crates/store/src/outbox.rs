//! Events on their way out: the outbox, the subscribers' cursors, leases, and the dead letters.
//!
//! Always holds: `seq` grows in the order in which commits become visible. On SQLite one process writes; on
//! PostgreSQL the counter's row, taken as the last thing before the commit, makes committers of all processes
//! queue for a moment. So a reader that has seen `seq` never finds a smaller one later.

use std::borrow::Cow;

use base::{EventId, Time};

use crate::shared::Shared;
use crate::sqlite::Conn;
use crate::{Error, Row, Tx, Value, args};

/// Rows that one call of a sweep or a list touches at most, so that the writer is never held for long.
pub const SWEEP_MAX: u32 = 1_000;

/// An event that is told with the transaction that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The event's own name; consumers know it by this.
    pub id: EventId,
    /// What happened, e.g. `order.placed`.
    pub kind: Cow<'static, str>,
    /// What it happened to: the id of the aggregate.
    pub subject: String,
    /// The aggregate's version after it: 1, 2, 3 … without gaps per subject.
    pub sequence: i64,
    /// When.
    pub at: Time,
    /// Who caused it: a user's id, or the service.
    pub actor: String,
    /// The request that caused it.
    pub request_id: String,
    /// JSON text; no personal data.
    pub data: String,
}

/// An event as it lies in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Place in the order of commits: 1, 2, 3 …
    pub seq: i64,
    /// The event.
    pub event: Outgoing,
}

/// An event that a consumer could not take in, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// Who could not.
    pub consumer: String,
    /// The service that told it; empty for one that was buried before that was noted.
    pub source: String,
    /// The event.
    pub event: Outgoing,
    /// Why, in words for the operator.
    pub reason: String,
    /// When it was given up.
    pub buried_at: Time,
}

fn event(row: &Row<'_>, first: usize) -> Result<Outgoing, Error> {
    Ok(Outgoing {
        id: row.get(first)?,
        kind: Cow::Owned(row.get(first + 1)?),
        subject: row.get(first + 2)?,
        sequence: row.get(first + 3)?,
        at: row.get(first + 4)?,
        actor: row.get(first + 5)?,
        request_id: row.get(first + 6)?,
        data: row.get(first + 7)?,
    })
}

/// The next `limit` events after `seq`, in order.
///
/// # Errors
/// What the engine refuses.
pub fn outbox_after(tx: &mut Tx<'_>, seq: i64, limit: u32) -> Result<Vec<Stored>, Error> {
    let own = &tx.shared().own;
    tx.all(&own.outbox_after, &args![seq, limit], |row| {
        Ok(Stored {
            seq: row.get(0)?,
            event: event(row, 1)?,
        })
    })
}

/// The `seq` of the last event ever written; 0 before the first.
///
/// # Errors
/// What the engine refuses.
pub fn outbox_last(tx: &mut Tx<'_>) -> Result<i64, Error> {
    let own = &tx.shared().own;
    Ok(tx.maybe(&own.outbox_last, &[], |row| row.get(0))?.unwrap_or(0))
}

/// How far a subscriber got: the `seq` of the last event it took in; 0 at first.
///
/// # Errors
/// What the engine refuses.
pub fn cursor(tx: &mut Tx<'_>, subscriber: &str) -> Result<i64, Error> {
    let own = &tx.shared().own;
    Ok(tx
        .maybe(&own.cursor, &args![subscriber], |row| row.get(0))?
        .unwrap_or(0))
}

/// Moves a subscriber's cursor forward to `seq`; where it is further already it stays.
///
/// # Errors
/// What the engine refuses.
pub fn move_cursor(tx: &mut Tx<'_>, subscriber: &str, seq: i64) -> Result<(), Error> {
    let own = &tx.shared().own;
    tx.run(&own.cursor_move, &args![subscriber, seq]).map(drop)
}

/// Moves a subscriber's cursor back to `seq`, so that what follows is delivered again.
///
/// # Errors
/// What the engine refuses.
pub fn rewind_cursor(tx: &mut Tx<'_>, subscriber: &str, seq: i64) -> Result<(), Error> {
    let own = &tx.shared().own;
    tx.run(&own.cursor_rewind, &args![subscriber, seq]).map(drop)
}

/// Takes or keeps a lease until `until`; `false` when somebody else holds it at `now`.
///
/// # Errors
/// What the engine refuses.
pub fn lease(tx: &mut Tx<'_>, name: &str, holder: &str, until: Time, now: Time) -> Result<bool, Error> {
    let own = &tx.shared().own;
    Ok(tx.run(&own.lease, &args![name, holder, until, now])? == 1)
}

/// Gives a lease back, if `holder` has it.
///
/// # Errors
/// What the engine refuses.
pub fn release(tx: &mut Tx<'_>, name: &str, holder: &str) -> Result<(), Error> {
    let own = &tx.shared().own;
    tx.run(&own.lease_drop, &args![name, holder]).map(drop)
}

/// Deletes events up to `seq` that are older than `before`, [`SWEEP_MAX`] at most; answers how many.
///
/// # Errors
/// What the engine refuses.
pub fn sweep_outbox(tx: &mut Tx<'_>, seq: i64, before: Time, limit: u32) -> Result<u64, Error> {
    let own = &tx.shared().own;
    tx.run(&own.outbox_sweep, &args![seq, before, limit.min(SWEEP_MAX)])
}

/// Puts an event among the dead letters of its consumer; once is enough.
///
/// # Errors
/// What the engine refuses.
pub fn bury(tx: &mut Tx<'_>, dead: &Dead) -> Result<(), Error> {
    let own = &tx.shared().own;
    let mut values = vec![Value::from(&dead.consumer)];
    values.extend(row_of(&dead.event));
    values.extend(args![&dead.reason, dead.buried_at, &dead.source]);
    tx.run(&own.bury, &values).map(drop)
}

/// Dead letters after (consumer, event), in that order; begin with two empty texts.
///
/// # Errors
/// What the engine refuses.
pub fn dead(tx: &mut Tx<'_>, consumer: &str, id: &str, limit: u32) -> Result<Vec<Dead>, Error> {
    let own = &tx.shared().own;
    tx.all(&own.dead, &args![consumer, id, limit], letter)
}

/// One dead letter of a consumer.
///
/// # Errors
/// What the engine refuses.
pub fn dead_letter(tx: &mut Tx<'_>, consumer: &str, id: EventId) -> Result<Option<Dead>, Error> {
    let own = &tx.shared().own;
    tx.maybe(&own.dead_letter, &args![consumer, id], letter)
}

fn letter(row: &Row<'_>) -> Result<Dead, Error> {
    Ok(Dead {
        consumer: row.get(0)?,
        source: row.get(11)?,
        event: event(row, 1)?,
        reason: row.get(9)?,
        buried_at: row.get(10)?,
    })
}

/// Takes a dead letter out, after it was taken in; `false` when it was not there.
///
/// # Errors
/// What the engine refuses.
pub fn unbury(tx: &mut Tx<'_>, consumer: &str, id: EventId) -> Result<bool, Error> {
    let own = &tx.shared().own;
    Ok(tx.run(&own.unbury, &args![consumer, id])? == 1)
}

fn row_of(event: &Outgoing) -> [Value; 8] {
    args![
        event.id,
        &*event.kind,
        &event.subject,
        event.sequence,
        event.at,
        &event.actor,
        &event.request_id,
        &event.data
    ]
}

/// Writes the group's events on SQLite, numbered in order. The last statements before the commit.
pub(crate) fn flush(conn: &Conn, shared: &Shared, events: &[Outgoing]) -> Result<(), (Error, bool)> {
    if events.is_empty() {
        return Ok(());
    }
    let count = events.len() as i64;
    let mut last = 0;
    let counted = conn.query(
        &shared.own.count,
        &args!["outbox", count],
        |_| Ok(()),
        |row| {
            last = row.get(0).map_err(|error| Error::Corrupt(error.to_string()))?;
            Ok(())
        },
    );
    counted.map_err(|fault| match fault {
        crate::sqlite::Fault::Engine(error, again) => (error, again),
        crate::sqlite::Fault::Row(error) => (error, false),
    })?;
    for (place, event) in (last - count + 1..).zip(events) {
        let mut values = Vec::with_capacity(9);
        values.push(Value::Int(place));
        values.extend(row_of(event));
        conn.run(&shared.own.emit, &values, |_| Ok(()))?;
    }
    Ok(())
}

/// The arguments of PostgreSQL's one statement that writes the group's events.
pub(crate) fn columns(events: Vec<Outgoing>) -> [Value; 9] {
    let texts = |of: fn(&Outgoing) -> String| Value::Texts(events.iter().map(of).collect());
    let ints = |of: fn(&Outgoing) -> i64| Value::Ints(events.iter().map(of).collect());
    [
        Value::Int(events.len() as i64),
        texts(|event| event.id.to_string()),
        texts(|event| event.kind.to_string()),
        texts(|event| event.subject.clone()),
        ints(|event| event.sequence),
        ints(|event| event.at.micros()),
        texts(|event| event.actor.clone()),
        texts(|event| event.request_id.clone()),
        texts(|event| event.data.clone()),
    ]
}
