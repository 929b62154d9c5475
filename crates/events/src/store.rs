//! Rows of the log.

use api::audit::{EventFault, Logged};
use api::events::Event;
use base::EventId;
use store::{Error, Row, RowColumn, Rows, Tx, Value, args, sql, texts};

use crate::domain::{After, Filter, Place};

const EVENT: [RowColumn; 10] = [
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
];

/// Keeps events; those that are there already stay as they are. Answers how many were new.
pub fn keep(tx: &mut Tx<'_>, events: &[Event]) -> Result<u64, Error> {
    if events.is_empty() {
        return Ok(0);
    }
    let mut rows = Rows::new(EVENT);
    for event in events {
        let data = data_of(event)?;
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
            data
        ]);
    }
    let sql = sql!(
        tx.dialect(),
        EVENT,
        1,
        "INSERT INTO events_event (id, kind, source, subject, sequence, time, actor, request_id, data_version, data)
         SELECT id, kind, source, subject, sequence, time, actor, request_id, data_version, data FROM {rows} WHERE TRUE
         ON CONFLICT (id) DO NOTHING"
    );
    tx.run(sql, &rows.args(tx.dialect()))
}

fn data_of(event: &Event) -> Result<String, Error> {
    serde_json::to_string(&event.data).map_err(|fault| Error::Corrupt(fault.to_string()))
}

/// Where an event stands.
pub fn place(tx: &mut Tx<'_>, id: EventId) -> Result<Option<Place>, Error> {
    tx.maybe("SELECT time FROM events_event WHERE id = $1", &args![id], |row| {
        Ok(Place { time: row.get(0)?, id })
    })
}

/// The newest `limit` events that fit and are older than `before`, newest first. `since` is where the filter's
/// [`After::Event`] stands.
pub fn list(
    tx: &mut Tx<'_>,
    filter: &Filter,
    since: Option<Place>,
    before: Option<Place>,
    limit: u32,
) -> Result<Vec<Event>, Error> {
    let mut args: Vec<Value> = Vec::new();
    let mut wheres: Vec<String> = Vec::new();
    let mut fit = |text: &str, values: &[Value]| {
        let mut text = text.to_owned();
        for value in values {
            args.push(value.clone());
            text = text.replacen('?', &format!("${}", args.len()), 1);
        }
        wheres.push(text);
    };
    if let Some(kind) = &filter.kind {
        fit("kind = ?", &args![kind]);
    }
    if let Some(subject) = &filter.subject {
        fit("subject = ?", &args![subject]);
    }
    if let Some(After::Time(time)) = filter.after {
        fit("time > ?", &args![time]);
    }
    if let Some(Place { time, id }) = since {
        fit("(time, id) > (?, ?)", &args![time, id]);
    }
    if let Some(Place { time, id }) = before {
        fit("(time, id) < (?, ?)", &args![time, id]);
    }
    fit("TRUE ORDER BY time DESC, id DESC LIMIT ?", &args![limit]);
    let sql = format!(
        "SELECT id, kind, source, subject, sequence, time, actor, request_id, data_version, data
        FROM events_event WHERE {}",
        wheres.join(" AND ")
    );
    tx.all(&sql, &args, event)
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
