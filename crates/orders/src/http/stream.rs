//! An order as a stream of events.

use api::Ref;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use serve::{Bearer, Path, Who, event_stream, last_event_id, no_content};

use super::Shop;
use crate::actions::{self, Follow};
use crate::error::Error;

pub(super) async fn follow(
    State(app): Shop,
    Bearer(caller): Bearer,
    who: Who,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    match actions::follow(&app, &caller, Ref::new(&id), last_event_id(&headers)).await? {
        Follow::Frames(frames) => Ok(event_stream(&app.deps, &who, frames)),
        Follow::Over => Ok(no_content().into_response()),
    }
}
