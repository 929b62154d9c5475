//! Rows of the audit log. They are only ever added: triggers refuse everything else.

use api::events::Event;
use api::trail::{Deed, Entry};
use serde_json::{Map, Value as Json};
use store::{Error, Row, RowColumn, Rows, Tx, args, sql};

use super::wheres::{Edge, Wheres};
use crate::domain::{Deeds, Place};

const ENTRY: [RowColumn; 9] = [
    RowColumn::Text("id"),
    RowColumn::Int("time"),
    RowColumn::Text("actor"),
    RowColumn::Text("action"),
    RowColumn::Text("subject"),
    RowColumn::Text("source"),
    RowColumn::Text("request_id"),
    RowColumn::Text("was"),
    RowColumn::Text("became"),
];

/// Records deeds, each with the event that brought it; those that are there already stay as they are.
pub fn record(tx: &mut Tx<'_>, deeds: Vec<(&Event, Deed)>) -> Result<(), Error> {
    if deeds.is_empty() {
        return Ok(());
    }
    let mut rows = Rows::new(ENTRY);
    for (event, deed) in deeds {
        let text = |fields: Option<Map<String, Json>>| fields.map(|fields| Json::Object(fields).to_string());
        rows.push(args![
            event.id,
            event.time,
            &event.actor,
            &deed.action,
            &event.subject,
            &event.source,
            &event.request_id,
            text(deed.before).unwrap_or_default(),
            text(deed.after).unwrap_or_default()
        ]);
    }
    let sql = sql!(
        tx.dialect(),
        ENTRY,
        1,
        "INSERT INTO events_audit (id, time, actor, action, subject, source, request_id, was, became)
         SELECT id, time, actor, action, subject, source, request_id, was, became FROM {rows} WHERE TRUE
         ON CONFLICT (id) DO NOTHING"
    );
    tx.run(sql, &rows.args(tx.dialect())).map(drop)
}

/// The newest `limit` entries that fit, stand between the edges and are older than `before`, newest first.
pub fn deeds(
    tx: &mut Tx<'_>,
    asked: &Deeds,
    edges: (Option<Edge>, Option<Edge>),
    before: Option<Place>,
    limit: u32,
) -> Result<Vec<Entry>, Error> {
    let mut wheres = Wheres::default();
    wheres.any("actor", &asked.actors);
    wheres.any("subject", &asked.subjects);
    wheres.any("action", &asked.actions);
    wheres.between(edges, before);
    let (wheres, args) = wheres.newest(limit);
    let sql = format!(
        "SELECT id, time, actor, action, subject, source, request_id, was, became FROM events_audit WHERE {wheres}"
    );
    tx.all(&sql, &args, entry)
}

fn entry(row: &Row<'_>) -> Result<Entry, Error> {
    let fields = |index| -> Result<Option<Map<String, Json>>, Error> {
        let text: String = row.get(index)?;
        if text.is_empty() {
            Ok(None)
        } else {
            row.json(index).map(Some)
        }
    };
    Ok(Entry {
        id: row.get(0)?,
        time: row.get(1)?,
        actor: row.get(2)?,
        action: row.get(3)?,
        subject: row.get(4)?,
        source: row.get(5)?,
        request_id: row.get(6)?,
        before: fields(7)?,
        after: fields(8)?,
    })
}

/// What the database refuses, for the tests that try it; each takes an entry's id.
#[cfg(test)]
pub const TAMPERING: [&str; 3] = [
    "UPDATE events_audit SET actor = 'usr_z' WHERE id = $1",
    "UPDATE events_audit SET became = '' WHERE id = $1",
    "DELETE FROM events_audit WHERE id = $1",
];
