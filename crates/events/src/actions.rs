//! What can be done with the log and the audit log: keep, and read.

use api::audit::{AUDIT_PAGE, EventFault, Logged, Names};
use api::events::{DELIVERY_MAX, Delivery, Event};
use api::trail::{Deed, Entry, STAFF_ACTION};
use base::{Cursor, EventId, Page};
use store::Tx;
use wire::Problem;

use crate::App;
use crate::domain::{Bound, Deeds, Filter, Place, Span};
use crate::error::Error;
use crate::store::{self as rows, Edge};

/// Keeps what was delivered, and tells those who follow the log. Harmless to repeat.
///
/// # Errors
/// More than a delivery holds; some of it cannot be kept yet.
pub async fn keep(app: &App, delivery: Delivery) -> Result<(), Problem> {
    if delivery.events.len() > DELIVERY_MAX {
        return Err(Error::TooMany.into());
    }
    let any = !delivery.events.is_empty();
    app.inbox.take(delivery).await?;
    if any {
        app.arrivals.tell();
    }
    Ok(())
}

/// Keeps events in the log, and deeds of staff in the audit log.
///
/// # Errors
/// A deed that is none; the database's.
pub fn take_in(tx: &mut Tx<'_>, events: &[&Event]) -> Result<(), Error> {
    let (deeds, events): (Vec<&Event>, Vec<&Event>) = events.iter().partition(|event| event.kind == STAFF_ACTION);
    rows::keep(tx, &events)?;
    let deed = |event: &Event| serde_json::from_value::<Deed>(event.data.clone().into());
    let deeds = deeds
        .into_iter()
        .map(|event| Ok((event, deed(event).map_err(Error::BadDeed)?)));
    rows::record(tx, deeds.collect::<Result<_, Error>>()?)?;
    Ok(())
}

/// A page of the log, newest first, and where the next one goes on.
///
/// # Errors
/// A cursor of another list, an event that is not in the log; the database's.
pub async fn list(app: &App, filter: Filter, span: Span, page: Page) -> Result<(Vec<Event>, Option<Cursor>), Error> {
    let before = place_of(&page)?;
    let limit = page.limit;
    let found = app.db.scan(move |tx| {
        let edges = edges(tx, span, rows::place)?;
        // One more than the page holds tells whether there is a next one.
        Ok::<_, Error>(rows::list(tx, &filter, edges, before, limit + 1)?)
    });
    let place = |event: &Event| Place {
        time: event.time,
        id: event.id,
    };
    Ok(paged(found.await?, limit, place))
}

/// A page of the audit log, newest first, and where the next one goes on.
///
/// # Errors
/// As [`list`].
pub async fn deeds(app: &App, asked: Deeds, span: Span, page: Page) -> Result<(Vec<Entry>, Option<Cursor>), Error> {
    let before = place_of(&page)?;
    let limit = page.limit;
    let found = app.db.scan(move |tx| {
        let edges = edges(tx, span, rows::place_in_trail)?;
        Ok::<_, Error>(rows::deeds(tx, &asked, edges, before, limit + 1)?)
    });
    let place = |entry: &Entry| Place {
        time: entry.time,
        id: entry.id,
    };
    Ok(paged(found.await?, limit, place))
}

/// From where the log is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Only what arrives from now on.
    Now,
    /// After this event, which the caller has seen, and all that arrived before it.
    Seen(EventId),
    /// With what is asked for as `after`.
    After(Bound),
}

/// The place in the order of arrival at which to start.
///
/// # Errors
/// An event that is not in the log; the database's.
pub async fn start(app: &App, start: Start) -> Result<i64, Error> {
    app.db
        .scan(move |tx| match start {
            Start::Now => Ok(rows::last_arrival(tx)?),
            Start::Seen(id) => rows::arrival_of(tx, id)?.ok_or(Error::NoSuchEvent("Last-Event-ID")),
            Start::After(Bound::Event(id)) => rows::arrival_of(tx, id)?.ok_or(Error::NoSuchEvent("?after")),
            Start::After(Bound::Time(moment)) => Ok(rows::arrivals_since(tx, moment)?),
        })
        .await
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

fn place_of(page: &Page) -> Result<Option<Place>, Error> {
    let cursor = page.after.as_ref();
    cursor
        .map(|cursor| Place::of_cursor(cursor).ok_or(Error::BadCursor))
        .transpose()
}

type PlaceOf = fn(&mut Tx<'_>, EventId) -> Result<Option<Place>, store::Error>;

/// The ends of a span, as they stand in the log.
fn edges(tx: &mut Tx<'_>, span: Span, place: PlaceOf) -> Result<(Option<Edge>, Option<Edge>), Error> {
    let mut edge = |bound: Option<Bound>, name| match bound {
        None => Ok(None),
        Some(Bound::Time(time)) => Ok::<_, Error>(Some(Edge::Time(time))),
        Some(Bound::Event(id)) => Ok(Some(Edge::At(place(tx, id)?.ok_or(Error::NoSuchEvent(name))?))),
    };
    Ok((edge(span.after, "?after")?, edge(span.before, "?before")?))
}

fn paged<T>(mut found: Vec<T>, limit: u32, place: impl Fn(&T) -> Place) -> (Vec<T>, Option<Cursor>) {
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| place(last).cursor());
    (found, next)
}

/// Looks whether anything was added to the log that was not delivered here, while anybody here follows it.
///
/// # Errors
/// The database's.
pub async fn look(app: &App) -> Result<(), Error> {
    if app.arrivals.followers() == 0 {
        return Ok(());
    }
    let last = app.db.read(rows::last_arrival).await.map_err(Error::Store)?;
    app.arrivals.found(last);
    Ok(())
}
