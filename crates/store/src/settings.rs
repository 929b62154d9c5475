//! Which engine, whose tables, and the bounds.

use std::fmt;
use std::path::PathBuf;

/// Where a service keeps its rows.
#[derive(Clone, PartialEq, Eq)]
pub enum Engine {
    /// A file of SQLite; the folder exists.
    Sqlite {
        /// The file; made when it is not there.
        file: PathBuf,
    },
    /// SQLite in memory, gone with the last handle. Closures run inline in the task that calls.
    Memory,
    /// A PostgreSQL server.
    Postgres {
        /// `postgres://user:password@host:port/database`. Services may share one: tables carry the prefix.
        url: String,
    },
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Engine::Sqlite { file } => write!(f, "Sqlite({})", file.display()),
            Engine::Memory => f.write_str("Memory"),
            // The address may hold a password.
            Engine::Postgres { .. } => f.write_str("Postgres(…)"),
        }
    }
}

/// The two kinds of SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite, in a file or in memory.
    Sqlite,
    /// PostgreSQL and what speaks like it.
    Postgres,
}

/// Closures that may wait for the writer; beyond it callers hear `Busy` at once. At 20,000 closures a second this
/// is a wait of 50 ms: longer queues only make everybody's answer late.
const QUEUE: usize = 1_024;
/// Closures in one commit at most. More add little to the throughput and much to the wait.
const GROUP: usize = 256;
/// Threads that read on PostgreSQL, where few beat many.
const READERS: usize = 3;
/// Long reads at the same time; fewer than readers, so that short ones get through.
const SCANS: usize = 2;

/// How to open a database.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The engine and its place.
    pub engine: Engine,
    /// The service; prefix of all its tables, e.g. `orders`: lower-case letters.
    pub service: &'static str,
    /// Closures that may wait for the writer, and for a reader on PostgreSQL.
    pub queue: usize,
    /// Closures in one commit at most.
    pub group: usize,
    /// Threads that read on PostgreSQL. SQLite reads inline.
    pub readers: usize,
    /// Scans at the same time.
    pub scans: usize,
    /// SQLite only: a registered VFS to go through instead of the system's. For tests.
    #[doc(hidden)]
    pub vfs: Option<String>,
    /// SQLite only: no flush at commit. Loses what was acknowledged; only for the test that must notice.
    #[doc(hidden)]
    pub loose_synchronous: bool,
}

impl Settings {
    /// The settings that fit a shop, for this engine and service.
    pub fn new(engine: Engine, service: &'static str) -> Self {
        Self {
            engine,
            service,
            queue: QUEUE,
            group: GROUP,
            readers: READERS,
            scans: SCANS,
            vfs: None,
            loose_synchronous: false,
        }
    }

    /// SQLite in memory, for tests.
    pub fn memory(service: &'static str) -> Self {
        Self::new(Engine::Memory, service)
    }
}
