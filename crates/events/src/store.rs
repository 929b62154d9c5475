//! Rows of the log, and of the audit log ([`trail`]).

mod trail;
mod wheres;

use api::audit::{EventFault, Logged};
use api::events::Event;
use base::{EventId, Time};
use store::{Error, Row, RowColumn, Rows, Tx, Value, args, sql, texts};

use crate::domain::{Filter, Place};

#[cfg(test)]
pub use trail::TAMPERING;
pub use trail::{deeds, record};
pub use wheres::Edge;
use wheres::Wheres;

/// The counter of arrivals.
const ARRIVALS: &str = "arrivals";

const EVENT: [RowColumn; 11] = [
    RowColumn::Text("id"),
    RowColumn::Text("kind"),
    RowColumn::Text("source"),
    RowColumn::Text("subject"),
    RowColumn::Int("sequence"),
    RowColumn::Int("time"),
    RowColumn::Text("actor"),
    RowColumn::Text("request_id"),
    RowColumn::Int("data_version"),
    RowColumn::Text("data"),
    RowColumn::Int("seq"),
];

/// Keeps events; those that are there already stay as they are. Answers how many were new.
///
/// The numbers are drawn first: whoever else keeps events waits for them until this has committed, so that no number
/// becomes visible after a larger one.
pub fn keep(tx: &mut Tx<'_>, events: &[&Event]) -> Result<u64, Error> {
    if events.is_empty() {
        return Ok(0);
    }
    let first = tx.next_numbers(ARRIVALS, events.len() as u32)?;
    let mut rows = Rows::new(EVENT);
    for (event, seq) in events.iter().zip(first..) {
        let data = serde_json::to_string(&event.data).map_err(|fault| Error::Corrupt(fault.to_string()))?;
        let Event {
            id,
            kind,
            source,
            subject,
            sequence,
            time,
            actor,
            request_id,
            data_version,
            ..
        } = event;
        rows.push(args![
            *id,
            kind,
            source,
            subject,
            *sequence,
            *time,
            actor,
            request_id,
            *data_version,
            data,
            seq
        ]);
    }
    let sql = sql!(
        tx.dialect(),
        EVENT,
        1,
        "INSERT INTO events_event
            (id, kind, source, subject, sequence, time, actor, request_id, data_version, data, seq)
         SELECT id, kind, source, subject, sequence, time, actor, request_id, data_version, data, seq
         FROM {rows} WHERE TRUE ON CONFLICT (id) DO NOTHING"
    );
    tx.run(sql, &rows.args(tx.dialect()))
}

/// The newest `limit` events that fit, stand between the edges and are older than `before`, newest first.
pub fn list(
    tx: &mut Tx<'_>,
    filter: &Filter,
    edges: (Option<Edge>, Option<Edge>),
    before: Option<Place>,
    limit: u32,
) -> Result<Vec<Event>, Error> {
    let mut wheres = of(filter, "kind");
    wheres.between(edges, before);
    let (wheres, args) = wheres.newest(limit);
    let sql = format!(
        "SELECT id, kind, source, subject, sequence, time, actor, request_id, data_version, data
        FROM events_event WHERE {wheres}"
    );
    tx.all(&sql, &args, event)
}

/// What of the log arrived after the place `at` and fits, in the order of arrival, `limit` at most; and the place up to
/// which all is told now.
pub fn arrived(tx: &mut Tx<'_>, filter: &Filter, at: i64, limit: u32) -> Result<(Vec<Event>, i64), Error> {
    let last = last_arrival(tx)?;
    if last <= at {
        return Ok((Vec::new(), at));
    }
    let (sql, args) = arrivals(filter, at, limit);
    let found = tx.all(&sql, &args, |row| Ok((event(row)?, row.get::<i64>(10)?)))?;
    let upto = match found.last() {
        Some((_, seq)) if found.len() == limit as usize => *seq,
        _ => last,
    };
    Ok((found.into_iter().map(|(event, _)| event).collect(), upto))
}

/// The statement that finds them, and its arguments. Kinds are an expression here: their index would lead to all events
/// of a kind that there ever were, whenever one arrives. The events of a subject are few.
pub fn arrivals(filter: &Filter, at: i64, limit: u32) -> (String, Vec<Value>) {
    let mut wheres = of(filter, "kind || ''");
    wheres.fit("seq > ?", &args![at]);
    let (wheres, args) = wheres.ordered("seq", limit);
    let sql = format!(
        "SELECT id, kind, source, subject, sequence, time, actor, request_id, data_version, data, seq
        FROM events_event WHERE {wheres}"
    );
    (sql, args)
}

/// The number of the last arrival; 0 before the first. No smaller one becomes visible later.
pub fn last_arrival(tx: &mut Tx<'_>) -> Result<i64, Error> {
    tx.one("SELECT coalesce(max(seq), 0) FROM events_event", &[], |row| row.get(0))
}

/// The number of an event's arrival.
pub fn arrival_of(tx: &mut Tx<'_>, id: EventId) -> Result<Option<i64>, Error> {
    tx.maybe("SELECT seq FROM events_event WHERE id = $1", &args![id], |row| {
        row.get(0)
    })
}

/// The place before the first arrival of an event that is newer than a moment.
pub fn arrivals_since(tx: &mut Tx<'_>, moment: Time) -> Result<i64, Error> {
    let last = last_arrival(tx)?;
    let sql = "SELECT coalesce(min(seq), $2 + 1) - 1 FROM events_event WHERE time > $1";
    tx.one(sql, &args![moment, last], |row| row.get(0))
}

/// Where an event stands in the log.
pub fn place(tx: &mut Tx<'_>, id: EventId) -> Result<Option<Place>, Error> {
    tx.maybe("SELECT time FROM events_event WHERE id = $1", &args![id], |row| {
        Ok(Place { time: row.get(0)?, id })
    })
}

/// Where an entry stands in the audit log.
pub fn place_in_trail(tx: &mut Tx<'_>, id: EventId) -> Result<Option<Place>, Error> {
    tx.maybe("SELECT time FROM events_audit WHERE id = $1", &args![id], |row| {
        Ok(Place { time: row.get(0)?, id })
    })
}

fn of(filter: &Filter, kind: &str) -> Wheres {
    let mut wheres = Wheres::default();
    wheres.any(kind, &filter.kinds);
    wheres.any("subject", &filter.subjects);
    wheres.any("source", &filter.sources);
    wheres
}

fn event(row: &Row<'_>) -> Result<Event, Error> {
    let time = row.get(5)?;
    Ok(Event {
        id: row.get(0)?,
        kind: row.get(1)?,
        source: row.get(2)?,
        subject: row.get(3)?,
        sequence: row.get(4)?,
        time,
        timestamp: time,
        actor: row.get(6)?,
        request_id: row.get(7)?,
        data_version: row.get(8)?,
        data: row.json(9)?,
    })
}

/// Sources and subjects whose events are not 1, 2, 3 …, at most `limit`.
pub fn gaps(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<EventFault>, Error> {
    tx.all(
        "SELECT source, subject, count(*), max(sequence) FROM events_event GROUP BY source, subject
            HAVING count(*) <> max(sequence) ORDER BY source, subject LIMIT $1",
        &args![limit],
        |row| {
            Ok(EventFault {
                source: row.get(0)?,
                subject: row.get(1)?,
                count: row.get(2)?,
                last: row.get(3)?,
            })
        },
    )
}

/// The sequence of the last event that orders told of each of these orders.
pub fn logged(tx: &mut Tx<'_>, orders: &[String]) -> Result<Vec<Logged>, Error> {
    tx.all(
        "SELECT subject, max(sequence) FROM events_event WHERE subject = ANY($1) AND source = 'orders' GROUP BY subject",
        &args![texts(orders)],
        |row| {
            Ok(Logged {
                subject: row.get(0)?,
                last: row.get(1)?,
            })
        },
    )
}
