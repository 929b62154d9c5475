//! What can go wrong between a service and its database.

/// Why a statement, a transaction or a queue refused. Services map it to a `Problem` in their one place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The queue in front of the database is full: 503, try again soon.
    #[error("the database has more work than it can take in")]
    Busy,
    /// The database can't be reached, or was lost with the outcome unknown: 503.
    #[error("the database is not available: {0}")]
    Down(String),
    /// A guard failed, a row was changed meanwhile, or two transactions stood in each other's way; the closure
    /// was run again and still did not get through.
    #[error("somebody else changed the same thing")]
    Conflict,
    /// The idempotency key was used before with another request: 422.
    #[error("the idempotency key was used before with another request")]
    KeyReused,
    /// A unique index holds such a row already; carries the index or constraint as the engine names it.
    #[error("there is such a row already ({0})")]
    Duplicate(String),
    /// [`Tx::one`](crate::Tx::one) found no row.
    #[error("a row that must be there is not")]
    Absent,
    /// A row can't be read as what it must be.
    #[error("a row can't be read: {0}")]
    Corrupt(String),
    /// The closure panicked; its transaction was rolled back.
    #[error("a transaction panicked and was rolled back")]
    Panicked,
    /// Any other refusal of the engine: a mistake in the program or a database that is damaged or full.
    #[error("the database refused a statement: {0}")]
    Sql(String),
}

impl Error {
    /// Whether the caller may simply try again later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Error::Busy | Error::Down(_) | Error::Conflict)
    }
}

/// Why a database could not be opened: one clear sentence each.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// The file can't be opened or made, or the server can't be reached.
    #[error("cannot open the database of {service}: {reason}")]
    Unusable {
        /// Whose database.
        service: &'static str,
        /// The engine's words.
        reason: String,
    },
    /// Written by a newer program.
    #[error(
        "the database of {service} is newer than this program: it has migration {found}, this program knows {known}; start the newer program"
    )]
    Newer {
        /// Whose database.
        service: &'static str,
        /// Highest migration in the database.
        found: u32,
        /// Highest migration in the program.
        known: u32,
    },
    /// A migration that was applied long ago has another text in this program.
    #[error("migration {name} of {service} is not the one that this database was made with")]
    Changed {
        /// Whose database.
        service: &'static str,
        /// Which migration.
        name: String,
    },
    /// A migration was refused.
    #[error("migration {name} of {service} failed: {reason}")]
    Migration {
        /// Whose database.
        service: &'static str,
        /// Which migration.
        name: String,
        /// The engine's words.
        reason: String,
    },
    /// A statement failed while opening.
    #[error(transparent)]
    Failed(#[from] Error),
}
