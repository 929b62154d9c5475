//! The addresses of events.

use std::sync::Arc;

use api::audit::{EventFault, Logged, Names};
use api::events::{Delivery, Event};
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serve::{Body, Json, Mode, Query, Remote, Rights, Route, Routes, Who, listed, no_content};
use wire::Problem;

use crate::App;
use crate::actions;
use crate::domain::{After, Filter, is_from_here};
use crate::error::Error;

/// What of the log is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
struct Asked {
    /// Only events of this type, e.g. `OrderConfirmed`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Only what happened to this, e.g. an order's id.
    subject: Option<String>,
    /// Only what is newer than this event (its id) or moment (RFC 3339).
    after: Option<String>,
    /// How many, from 1 to 100; 20 when absent.
    limit: Option<u32>,
    /// Where to go on; from the `Link` header of the page before.
    cursor: Option<String>,
}

/// All routes of events.
pub fn routes() -> Routes<Arc<App>> {
    Routes::new("events", None)
        .add(
            Route::get("/events", list)
                .rights(Rights::StaffOrService)
                // The handler lets in the developer's own machine as well.
                .unguarded()
                .query::<Asked>()
                .gives::<Vec<Event>>(200)
                .refuses(&[(401, "unauthorized"), (403, "forbidden")])
                .tells(
                    "Lists what happened",
                    "Newest first. In development, callers on the same machine need no token.",
                ),
        )
        .add(
            Route::post("/internal/events", keep)
                .takes::<Delivery>()
                .gives_nothing(204),
        )
        .add(Route::get("/internal/audit/events", gaps))
        .add(Route::post("/internal/audit/logged", logged))
}

async fn list(
    State(app): State<Arc<App>>,
    who: Who,
    Remote(remote): Remote,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    if who.service().is_err()
        && let Err(refusal) = who.staff()
    {
        let forwarded = headers
            .get("x-forwarded-for")
            .map(|value| value.to_str().unwrap_or_default());
        let is_open = app.mode == Mode::Development && who.0.is_none();
        if !is_open || !is_from_here(remote.map(|address| address.ip()), forwarded) {
            return Err(refusal);
        }
    }
    let page = serve::page(asked.limit, asked.cursor.as_deref())?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let after = given(asked.after)
        .map(|text| After::parse(&text).ok_or(Error::BadAfter))
        .transpose()?;
    let filter = Filter {
        kind: given(asked.kind),
        subject: given(asked.subject),
        after,
    };
    let (events, next) = actions::list(&app, filter, page).await?;
    Ok(listed(&uri, events, next))
}

async fn keep(State(app): State<Arc<App>>, Body(delivery): Body<Delivery>) -> Result<StatusCode, Problem> {
    actions::keep(&app, delivery.events).await?;
    Ok(no_content())
}

async fn gaps(State(app): State<Arc<App>>) -> Result<Json<Vec<EventFault>>, Problem> {
    Ok(Json(actions::gaps(&app).await?))
}

async fn logged(State(app): State<Arc<App>>, Body(orders): Body<Names>) -> Result<Json<Vec<Logged>>, Problem> {
    Ok(Json(actions::logged(&app, orders).await?))
}
