//! What PostgreSQL refuses, and what that means for the connection.

use tokio_postgres::error::SqlState;

use crate::Error;

/// An error and what it means.
pub(super) struct Seen {
    pub(super) error: Error,
    pub(super) meaning: Meaning,
}

pub(super) enum Meaning {
    /// The connection is of no more use.
    Lost,
    /// Two transactions stood in each other's way.
    Again,
    /// Prepared statements no longer fit: a table changed, or a pooler gave us another connection.
    Stale,
    Refused,
}

/// Sorts what went wrong into ours.
pub(super) fn sorted(error: &tokio_postgres::Error) -> Seen {
    let Some(told) = error.as_db_error() else {
        // A conversion that failed on our side leaves the connection whole.
        let own = std::error::Error::source(error)
            .is_some_and(|source| !source.is::<std::io::Error>() && !source.is::<tokio_postgres::Error>());
        let words = match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        return if own && !error.is_closed() {
            Seen {
                error: Error::Sql(words),
                meaning: Meaning::Refused,
            }
        } else {
            Seen {
                error: Error::Down(words),
                meaning: Meaning::Lost,
            }
        };
    };
    let state = told.code();
    let words = format!("{} ({})", told.message(), state.code());
    if *state == SqlState::T_R_SERIALIZATION_FAILURE
        || *state == SqlState::T_R_DEADLOCK_DETECTED
        || *state == SqlState::LOCK_NOT_AVAILABLE
    {
        return Seen {
            error: Error::Conflict,
            meaning: Meaning::Again,
        };
    }
    if *state == SqlState::UNIQUE_VIOLATION {
        let name = told.constraint().unwrap_or_default().to_owned();
        return Seen {
            error: Error::Duplicate(name),
            meaning: Meaning::Refused,
        };
    }
    if *state == SqlState::INVALID_SQL_STATEMENT_NAME
        || *state == SqlState::FEATURE_NOT_SUPPORTED && told.message().contains("cached plan")
    {
        return Seen {
            error: Error::Conflict,
            meaning: Meaning::Stale,
        };
    }
    // 08: connection; 53: out of connections, memory, disk; 57P: shut down or starting; 25006: it became a standby;
    // 28 and 3D: it does not let us in.
    let code = state.code();
    let lost = ["08", "53", "57P", "25006", "28", "3D"]
        .iter()
        .any(|class| code.starts_with(class));
    if lost {
        return Seen {
            error: Error::Down(words),
            meaning: Meaning::Lost,
        };
    }
    if *state == SqlState::QUERY_CANCELED {
        return Seen {
            error: Error::Down(words),
            meaning: Meaning::Refused,
        };
    }
    Seen {
        error: Error::Sql(words),
        meaning: Meaning::Refused,
    }
}
