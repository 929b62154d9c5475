//! A connection to SQLite: texts are rewritten once, statements cached, errors sorted.

use std::cell::{Cell as Flag, RefCell};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, ffi};

use crate::Error;
use crate::settings::Settings;
use crate::value::{Cell, Value};

/// Statements kept prepared per connection; a service has a few dozen.
const STATEMENTS_MAX: usize = 256;
/// Rewritten texts kept per connection. Filters make new texts; beyond this the cache starts anew.
const TEXTS_MAX: usize = 1024;
/// How long a connection waits for another process (a tool, a backup) that holds the file.
const BUSY_MS: u64 = 5_000;
/// Page cache in KiB: the writer's holds its hot leaves, a reader's the upper levels.
const CACHE_KIB: [i64; 2] = [2_048, 8_192];
/// The log is cut back to this size when it starts anew.
const LOG_BYTES: i64 = 64 << 20;

/// One connection with its rewritten texts.
pub(crate) struct Conn {
    pub(crate) db: Connection,
    texts: RefCell<HashMap<Box<str>, Arc<Text>>>,
    savepoint: Flag<bool>,
}

struct Text {
    sql: String,
    arguments: usize,
}

/// Why a query ended early: the engine refused (and whether to run again), or a row could not be read.
pub(crate) enum Fault {
    Engine(Error, bool),
    Row(Error),
}

impl Conn {
    /// Opens the file, or a database in memory when there is no path.
    pub(crate) fn open(path: Option<&Path>, settings: &Settings, writer: bool) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = match (path, settings.vfs.as_deref()) {
            (None, _) => Connection::open_in_memory()?,
            (Some(path), None) => Connection::open_with_flags(path, flags)?,
            (Some(path), Some(vfs)) => Connection::open_with_flags_and_vfs(path, flags, vfs)?,
        };
        db.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
        if path.is_some() {
            let mode: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
            if !mode.eq_ignore_ascii_case("wal") {
                let words = format!("no write-ahead log here, but {mode}");
                return Err(rusqlite::Error::SqliteFailure(
                    ffi::Error::new(ffi::SQLITE_CANTOPEN),
                    Some(words),
                ));
            }
            db.pragma_update(None, "wal_autocheckpoint", 0)?;
            db.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
            // Every commit makes a reader take its map down and build it up again, fault by fault, with a word to
            // every core: a seventh of what a purchase cost.
            db.pragma_update(None, "mmap_size", 0)?;
        }
        db.pragma_update(
            None,
            "synchronous",
            if settings.loose_synchronous { "OFF" } else { "FULL" },
        )?;
        db.pragma_update(None, "temp_store", "MEMORY")?;
        db.pragma_update(None, "foreign_keys", true)?;
        db.pragma_update(None, "cache_size", -CACHE_KIB[usize::from(writer)])?;
        db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        // A plan is made once for all values. Without this the engine tries each value against partial indexes, and
        // therefore prepares a statement anew whenever one is bound: a sixth of what a purchase cost.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(Self {
            db,
            texts: RefCell::default(),
            savepoint: Flag::new(false),
        })
    }

    /// Runs a statement and hands its rows to `each`; `gate` hears first whether it only reads.
    pub(crate) fn query(
        &self,
        sql: &str,
        args: &[Value],
        mut gate: impl FnMut(bool) -> Result<(), (Error, bool)>,
        mut each: impl FnMut(&rusqlite::Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Fault> {
        let engine = |(error, again)| Fault::Engine(error, again);
        let text = self.text(sql, args).map_err(engine)?;
        let mut statement = self
            .db
            .prepare_cached(&text.sql)
            .map_err(|error| engine(sorted(&error)))?;
        gate(statement.readonly()).map_err(engine)?;
        bind(&mut statement, args).map_err(|error| engine(sorted(&error)))?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(|error| engine(sorted(&error)))? {
            each(row).map_err(Fault::Row)?;
        }
        Ok(())
    }

    /// Runs a statement without rows; answers how many it changed.
    pub(crate) fn run(
        &self,
        sql: &str,
        args: &[Value],
        mut gate: impl FnMut(bool) -> Result<(), (Error, bool)>,
    ) -> Result<u64, (Error, bool)> {
        let text = self.text(sql, args)?;
        let mut statement = self.db.prepare_cached(&text.sql).map_err(|error| sorted(&error))?;
        gate(statement.readonly())?;
        bind(&mut statement, args).map_err(|error| sorted(&error))?;
        statement
            .raw_execute()
            .map(|changed| changed as u64)
            .map_err(|error| sorted(&error))
    }

    /// Runs a text of several statements.
    pub(crate) fn script(&self, text: &str) -> Result<(), (Error, bool)> {
        self.db.execute_batch(text).map_err(|error| sorted(&error))
    }

    /// BEGIN, COMMIT and the like.
    pub(crate) fn control(&self, sql: &str) -> Result<(), (Error, bool)> {
        self.db
            .prepare_cached(sql)
            .and_then(|mut statement| statement.raw_execute())
            .map(drop)
            .map_err(|e| sorted(&e))
    }

    /// Opens the savepoint of the running closure if it is not open.
    pub(crate) fn savepoint(&self) -> Result<(), (Error, bool)> {
        if !self.savepoint.replace(true) {
            self.control("SAVEPOINT closure")?;
        }
        Ok(())
    }

    pub(crate) fn in_savepoint(&self) -> bool {
        self.savepoint.get()
    }

    /// Ends the savepoint of the closure that just ran, keeping what it wrote or not.
    pub(crate) fn end_savepoint(&self, keep: bool) -> Result<(), (Error, bool)> {
        if !self.savepoint.replace(false) {
            return Ok(());
        }
        if !keep {
            self.control("ROLLBACK TO closure")?;
        }
        self.control("RELEASE closure")
    }

    /// Ends whatever transaction is open without keeping it.
    pub(crate) fn rollback(&self) {
        self.savepoint.set(false);
        if !self.db.is_autocommit()
            && let Err((error, _)) = self.control("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }

    fn text(&self, sql: &str, args: &[Value]) -> Result<Arc<Text>, (Error, bool)> {
        let mut texts = self.texts.borrow_mut();
        let text = match texts.get(sql) {
            Some(text) => text.clone(),
            None => {
                if texts.len() >= TEXTS_MAX {
                    texts.clear();
                }
                let text = Arc::new(rewrite(sql));
                texts.insert(sql.into(), text.clone());
                text
            }
        };
        if text.arguments != args.len() {
            let words = format!("{} arguments for a statement that takes {}", args.len(), text.arguments);
            return Err((Error::Sql(words), false));
        }
        Ok(text)
    }
}

fn bind(statement: &mut Statement<'_>, args: &[Value]) -> rusqlite::Result<()> {
    for (index, value) in args.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, value)?;
    }
    Ok(())
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let json = |array: Result<String, serde_json::Error>| {
            array
                .map(ToSqlOutput::from)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
        };
        match self {
            Value::Null => Ok(ToSqlOutput::Borrowed(ValueRef::Null)),
            Value::Int(number) => Ok(ToSqlOutput::Borrowed(ValueRef::Integer(*number))),
            Value::Text(text) => Ok(ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))),
            Value::Ints(numbers) => json(serde_json::to_string(numbers)),
            Value::Texts(texts) => json(serde_json::to_string(texts)),
        }
    }
}

/// A cell of a row.
pub(crate) fn cell<'r>(row: &'r rusqlite::Row<'_>, index: usize) -> Result<Cell<'r>, Error> {
    match row.get_ref(index).map_err(|error| Error::Corrupt(error.to_string()))? {
        ValueRef::Null => Ok(Cell::Null),
        ValueRef::Integer(number) => Ok(Cell::Int(number)),
        ValueRef::Text(bytes) => std::str::from_utf8(bytes)
            .map(Cell::Text)
            .map_err(|_| Error::Corrupt("not UTF-8".into())),
        ValueRef::Real(_) => Err(Error::Corrupt("a floating number; a sum ran over?".into())),
        ValueRef::Blob(_) => Err(Error::Corrupt("bytes".into())),
    }
}

/// `$1` becomes `?1` (SQLite would number `$2` by its first appearance), `= ANY($1)` and `<> ALL($1)` become
/// what SQLite has for them; quoted text and comments stay.
fn rewrite(sql: &str) -> Text {
    let mut out = String::with_capacity(sql.len() + 32);
    let mut arguments = 0;
    let mut rest = sql;
    while let Some(place) = rest.find(['$', '\'', '"', '-']) {
        out.push_str(&rest[..place]);
        rest = &rest[place..];
        let taken = match rest.as_bytes()[0] {
            b'$' => {
                let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
                let number = &rest[1..1 + digits];
                arguments = arguments.max(number.parse().unwrap_or(0));
                let closed = rest[1 + digits..].starts_with(')');
                if closed && let Some(before) = out.strip_suffix("= ANY(") {
                    out.truncate(before.len());
                    out.push_str(&format!("IN (SELECT value FROM json_each(?{number}))"));
                    digits + 2
                } else if closed && let Some(before) = out.strip_suffix("<> ALL(") {
                    out.truncate(before.len());
                    out.push_str(&format!("NOT IN (SELECT value FROM json_each(?{number}))"));
                    digits + 2
                } else {
                    out.push('?');
                    out.push_str(number);
                    digits + 1
                }
            }
            b'-' if rest.starts_with("--") => {
                let end = rest.find('\n').unwrap_or(rest.len());
                out.push_str(&rest[..end]);
                end
            }
            b'-' => {
                out.push('-');
                1
            }
            quote => {
                let end = rest[1..].find(quote as char).map_or(rest.len(), |end| end + 2);
                out.push_str(&rest[..end]);
                end
            }
        };
        rest = &rest[taken..];
    }
    out.push_str(rest);
    Text { sql: out, arguments }
}

/// Sorts what SQLite refuses into ours, and says whether running again may help.
pub(crate) fn sorted(error: &rusqlite::Error) -> (Error, bool) {
    let rusqlite::Error::SqliteFailure(code, words) = error else {
        return (Error::Sql(error.to_string()), false);
    };
    let words = words.clone().unwrap_or_else(|| error.to_string());
    match (code.code, code.extended_code) {
        (_, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID) => (
            Error::Duplicate(words.trim_start_matches("UNIQUE constraint failed: ").into()),
            false,
        ),
        (_, ffi::SQLITE_BUSY_SNAPSHOT) | (ErrorCode::DatabaseLocked, _) => (Error::Conflict, true),
        (ErrorCode::DatabaseBusy, _) => (Error::Down("another process holds the file".into()), false),
        (
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::OutOfMemory,
            _,
        ) => (Error::Down(words), false),
        _ => (Error::Sql(words), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, wanted: &str, arguments: usize) {
        let text = rewrite(sql);
        assert_eq!((text.sql.as_str(), text.arguments), (wanted, arguments));
    }

    #[test]
    fn parameters_keep_their_numbers() {
        check(
            "UPDATE t SET a = $2 WHERE id = $1",
            "UPDATE t SET a = ?2 WHERE id = ?1",
            2,
        );
        check(
            "SELECT '$1', \"$2\", a - $3 -- $4\n",
            "SELECT '$1', \"$2\", a - ?3 -- $4\n",
            3,
        );
        check("SELECT 'it''s $1' WHERE a = $1", "SELECT 'it''s $1' WHERE a = ?1", 1);
        check(
            "x WHERE id = ANY($1) AND n = $12",
            "x WHERE id IN (SELECT value FROM json_each(?1)) AND n = ?12",
            12,
        );
        check(
            "x WHERE id <> ALL($1)",
            "x WHERE id NOT IN (SELECT value FROM json_each(?1))",
            1,
        );
        check("SELECT 'unclosed $1", "SELECT 'unclosed $1", 0);
    }
}
