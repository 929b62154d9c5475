//! What events refuses, and the one place where that becomes a problem document.

use api::events::DELIVERY_MAX;
use wire::Problem;

use crate::domain::VALUES_MAX;

/// Why an action was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The cursor is of another list.
    #[error("the cursor is not one of this list")]
    BadCursor,
    /// A parameter, or header, is neither an event's id nor a time.
    #[error("`{0}` cannot be read")]
    BadBound(&'static str),
    /// It names an event that is not in the log.
    #[error("`{0}` names no event")]
    NoSuchEvent(&'static str),
    /// A parameter has more than [`VALUES_MAX`] values.
    #[error("`{0}` has too many values")]
    TooManyValues(&'static str),
    /// A delivery of more than [`DELIVERY_MAX`] events.
    #[error("too many events at once")]
    TooMany,
    /// An entry for the audit log that cannot be read.
    #[error("a deed cannot be read: {0}")]
    BadDeed(serde_json::Error),
    /// As many follow the log as a process bears.
    #[error("too many follow the log")]
    Crowded,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let parameter = |name, detail: String| {
            Problem::invalid("The parameters of the address are not as they should be.").field(name, detail)
        };
        match error {
            Error::Store(fault) => serve::of_store(fault),
            Error::BadCursor => parameter(
                "?cursor",
                "is not one of ours; take it from the Link header of the page before".to_owned(),
            ),
            Error::BadBound("Last-Event-ID") => parameter("Last-Event-ID", "must be an event's id".to_owned()),
            Error::BadBound(name) => parameter(
                name,
                "must be an event's id or a time such as 2030-01-31T12:00:00Z".to_owned(),
            ),
            Error::NoSuchEvent(name) => parameter(name, "names no event of the log".to_owned()),
            Error::TooManyValues(name) => parameter(name, format!("must have at most {VALUES_MAX} values")),
            Error::TooMany => Problem::invalid("The body is not as it should be.")
                .field("/events", format!("must have at most {DELIVERY_MAX} entries")),
            Error::BadDeed(fault) => {
                Problem::invalid("An entry for the audit log cannot be read.").field("/data", fault.to_string())
            }
            Error::Crowded => {
                Problem::unavailable("As many follow the log as this process bears. Please try again later.")
            }
        }
    }
}
