//! What can be done with the log: keep, and read.

use std::sync::Arc;

use api::audit::{AUDIT_PAGE, EventFault, Logged, Names};
use api::events::{DELIVERY_MAX, Event};
use base::{Cursor, Page};

use crate::App;
use crate::domain::{After, Filter, Place};
use crate::error::Error;
use crate::store as rows;

/// Keeps what was delivered. Harmless to repeat.
///
/// # Errors
/// More than a delivery holds; the database's.
pub async fn keep(app: &App, events: Vec<Event>) -> Result<(), Error> {
    if events.len() > DELIVERY_MAX {
        return Err(Error::TooMany);
    }
    let events = Arc::new(events);
    app.db
        .write(move |tx| rows::keep(tx, &events))
        .await
        .map_err(Error::Store)?;
    Ok(())
}

/// A page of the log, newest first, and where the next one goes on.
///
/// # Errors
/// A cursor of another list, an event that is not in the log; the database's.
pub async fn list(app: &App, filter: Filter, page: Page) -> Result<(Vec<Event>, Option<Cursor>), Error> {
    let before = match &page.after {
        Some(cursor) => Some(Place::of_cursor(cursor).ok_or(Error::BadCursor)?),
        None => None,
    };
    let limit = page.limit;
    let found = app.db.scan(move |tx| {
        let since = match filter.after {
            Some(After::Event(id)) => Some(rows::place(tx, id)?.ok_or(Error::NoSuchEvent)?),
            _ => None,
        };
        // One more than the page holds tells whether there is a next one.
        Ok::<_, Error>(rows::list(tx, &filter, since, before, limit + 1)?)
    });
    let mut events = found.await?;
    let more = events.len() > limit as usize;
    events.truncate(limit as usize);
    let last = events.last().filter(|_| more).map(|event| Place {
        time: event.time,
        id: event.id,
    });
    Ok((events, last.map(Place::cursor)))
}

/// For the doctor: subjects whose events are not 1, 2, 3 …
///
/// # Errors
/// The database's.
pub async fn gaps(app: &App) -> Result<Vec<EventFault>, Error> {
    app.db.scan(|tx| rows::gaps(tx, AUDIT_PAGE)).await.map_err(Error::Store)
}

/// For the doctor: how far the log is with some orders.
///
/// # Errors
/// The database's.
pub async fn logged(app: &App, orders: Names) -> Result<Vec<Logged>, Error> {
    app.db
        .scan(move |tx| rows::logged(tx, &orders.ids))
        .await
        .map_err(Error::Store)
}
