//! The addresses of events and of the audit log.

mod params;

use std::sync::Arc;

use api::audit::{EventFault, Logged, Names};
use api::events::{Delivery, Event};
use api::trail::Entry;
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use http::{HeaderMap, HeaderName, StatusCode};
use serve::{Body, Json, May, Rights, Route, Routes, SETTINGS_READ, SettingsRead, listed, no_content};
use wire::Problem;

use crate::actions::{self, Start};
use crate::domain::Bound;
use crate::error::Error;
use crate::{App, stream};
use params::{AskedDeeds, AskedEvents, AskedStream, Listed, Reader, bound};

/// By which a follower who comes back tells what they have seen (HTML Standard, 9.2).
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

type Shop = State<Arc<App>>;

/// All routes of events.
pub fn routes(app: &App) -> Routes<Arc<App>> {
    const STREAMED: &str = "Server-sent events, in the order of arrival: `data` is the event as in the list, `id` its \
        id. With `Last-Event-ID` the stream goes on after that event, without a gap and without telling one twice; an \
        id that is not in the log is a 400. Without it, it begins with what happens next, or where `after` says. A \
        comment comes every 15 seconds. The stream ends when the token does, or the process: its last event is `end`, \
        with the `reason`.";
    Routes::new("events", None)
        .add(
            Route::get("/events", list)
                .rights(Rights::MayOrService(SETTINGS_READ))
                // The handler lets in the developer's own machine as well.
                .unguarded()
                .query::<AskedEvents>()
                .gives::<Vec<Event>>(200)
                .refuses(&[(401, "unauthorized"), (403, "forbidden")])
                .tells(
                    "Lists what happened",
                    "Newest first. Filters take several values, between commas or by being repeated. In development, \
                     callers on the same machine need no token.",
                ),
        )
        .add(
            Route::get("/events/stream", follow)
                .rights(Rights::MayOrService(SETTINGS_READ))
                .unguarded()
                .query::<AskedStream>()
                .gives_text(200, "text/event-stream")
                .refuses(&[(401, "unauthorized"), (403, "forbidden"), (503, "unavailable")])
                .tells("Follows what happens", STREAMED),
        )
        .add(
            Route::get("/audit", deeds)
                .rights(Rights::May(SETTINGS_READ))
                .query::<AskedDeeds>()
                .gives::<Vec<Entry>>(200)
                .tells(
                    "Lists what staff changed",
                    "The audit log: every change by staff, administrators and API keys, newest first. Nothing in it is \
                     ever changed or removed. It holds neither names nor addresses nor secrets: of such fields only \
                     that they changed.",
                ),
        )
        .add(
            Route::post("/internal/events", keep)
                .takes::<Delivery>()
                .gives_nothing(204)
                .and(app.inbox.desk()),
        )
        .add(Route::get("/internal/audit/events", gaps))
        .add(Route::post("/internal/audit/logged", logged))
}

async fn list(
    State(app): Shop,
    _: Reader,
    OriginalUri(uri): OriginalUri,
    Listed(asked): Listed<AskedEvents>,
) -> Result<Response, Problem> {
    let page = serve::page(asked.limit, asked.cursor.as_deref())?;
    let (events, next) = actions::list(&app, asked.filter()?, asked.span()?, page).await?;
    Ok(listed(&uri, events, next))
}

async fn follow(
    State(app): Shop,
    Reader(who): Reader,
    headers: HeaderMap,
    Listed(asked): Listed<AskedStream>,
) -> Result<Response, Problem> {
    let filter = asked.filter()?;
    let start = match (seen(&headers)?, bound(asked.after.as_deref(), "?after")?) {
        (Some(id), _) => Start::Seen(id),
        (None, Some(bound)) => Start::After(bound),
        (None, None) => Start::Now,
    };
    let place = app.places.clone().try_acquire_owned().map_err(|_| Error::Crowded)?;
    let at = actions::start(&app, start).await?;
    let frames = stream::follow(app.clone(), filter, at, place);
    Ok(serve::event_stream(&app.deps, &who, frames))
}

/// The event that a follower who comes back has seen last.
fn seen(headers: &HeaderMap) -> Result<Option<base::EventId>, Error> {
    let Some(value) = headers.get(&LAST_EVENT_ID).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    match value.to_str().ok().and_then(Bound::parse) {
        Some(Bound::Event(id)) => Ok(Some(id)),
        _ => Err(Error::BadBound("Last-Event-ID")),
    }
}

async fn deeds(
    State(app): Shop,
    _: May<SettingsRead>,
    OriginalUri(uri): OriginalUri,
    Listed(asked): Listed<AskedDeeds>,
) -> Result<Response, Problem> {
    let page = serve::page(asked.limit, asked.cursor.as_deref())?;
    let (entries, next) = actions::deeds(&app, asked.deeds()?, asked.span()?, page).await?;
    Ok(listed(&uri, entries, next))
}

async fn keep(State(app): Shop, Body(delivery): Body<Delivery>) -> Result<StatusCode, Problem> {
    actions::keep(&app, delivery).await?;
    Ok(no_content())
}

async fn gaps(State(app): Shop) -> Result<Json<Vec<EventFault>>, Problem> {
    Ok(Json(actions::gaps(&app).await?))
}

async fn logged(State(app): Shop, Body(orders): Body<Names>) -> Result<Json<Vec<Logged>>, Problem> {
    Ok(Json(actions::logged(&app, orders).await?))
}
