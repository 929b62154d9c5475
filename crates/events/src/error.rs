//! What events refuses, and the one place where that becomes a problem document.

use api::events::DELIVERY_MAX;
use wire::Problem;

/// Why an action was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The cursor is of another list.
    #[error("the cursor is not one of this list")]
    BadCursor,
    /// `after` is neither an event's id nor a time.
    #[error("`after` cannot be read")]
    BadAfter,
    /// `after` names an event that is not in the log.
    #[error("there is no such event")]
    NoSuchEvent,
    /// A delivery of more than [`DELIVERY_MAX`] events.
    #[error("too many events at once")]
    TooMany,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let parameter = |name, detail| {
            Problem::invalid("The parameters of the address are not as they should be.").field(name, detail)
        };
        match error {
            Error::Store(fault) => serve::of_store(fault),
            Error::BadCursor => parameter(
                "?cursor",
                "is not one of ours; take it from the Link header of the page before",
            ),
            Error::BadAfter => parameter("?after", "must be an event's id or a time such as 2030-01-31T12:00:00Z"),
            Error::NoSuchEvent => parameter("?after", "names no event of the log"),
            Error::TooMany => Problem::invalid("The body is not as it should be.")
                .field("/events", format!("must have at most {DELIVERY_MAX} entries")),
        }
    }
}
