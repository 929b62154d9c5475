//! A transaction as a closure sees it, whatever the engine.

use base::{Clock, Ids};
use serde::de::DeserializeOwned;

use crate::shared::Shared;
use crate::value::{Cell, Column, Value};
use crate::{Dialect, Error, Outgoing, postgres, sqlite};

/// Numbers handed out at once at most by [`Tx::next_numbers`]; an import's batch.
pub const NUMBERS_MAX: u32 = 100_000;
/// Events of one closure at most; more is a loop that lost its bound.
pub const EVENTS_MAX: usize = 100_000;

/// A running transaction. A statement that the engine refuses spoils it: later statements answer the same
/// error and nothing is committed, on both engines alike (PostgreSQL leaves no choice). What may collide is
/// therefore written with `ON CONFLICT`.
pub struct Tx<'a> {
    link: Link<'a>,
    shared: &'a Shared,
    writable: bool,
    run: Run,
    /// Events of all closures of the group so far; written last, just before the commit.
    outgoing: Vec<Outgoing>,
}

pub(crate) enum Link<'a> {
    Sqlite(&'a sqlite::Conn),
    Postgres(&'a mut postgres::Session),
}

/// What is known of the closure that runs now.
#[derive(Default)]
struct Run {
    /// Events in `outgoing` when it started.
    mark: usize,
    wrote: bool,
    again: bool,
    fault: Option<Error>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(link: Link<'a>, shared: &'a Shared, writable: bool) -> Self {
        Self {
            link,
            shared,
            writable,
            run: Run::default(),
            outgoing: Vec::new(),
        }
    }

    /// All rows, each read by `read`.
    ///
    /// # Errors
    /// What the engine refuses, and what `read` can't read.
    pub fn all<T>(
        &mut self,
        sql: &str,
        args: &[Value],
        mut read: impl FnMut(&Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.sound()?;
        let mut rows = Vec::new();
        match &mut self.link {
            Link::Sqlite(conn) => {
                let run = &mut self.run;
                let gate = |readonly: bool| gate(conn, run, self.writable, readonly);
                let done = conn.query(sql, args, gate, |row| {
                    rows.push(read(&Row(Inner::Sqlite(row)))?);
                    Ok(())
                });
                match done {
                    Ok(()) => {}
                    Err(sqlite::Fault::Row(error)) => return Err(error),
                    Err(sqlite::Fault::Engine(error, again)) => return Err(self.spoil(error, again)),
                }
            }
            Link::Postgres(session) => {
                let writes = postgres::may_write(sql);
                if writes && !self.writable {
                    return Err(self.spoil(write_in_a_read(), false));
                }
                self.run.wrote |= writes;
                match session.query(sql, args) {
                    Ok(found) => {
                        rows.reserve(found.len());
                        for row in &found {
                            rows.push(read(&Row(Inner::Postgres(row)))?);
                        }
                    }
                    Err(fault) => return Err(self.spoil(fault.error, fault.again)),
                }
            }
        }
        self.shared.counts.statement(1);
        Ok(rows)
    }

    /// The row there is, if there is one.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when there are several; else as [`Tx::all`].
    pub fn maybe<T>(
        &mut self,
        sql: &str,
        args: &[Value],
        read: impl FnMut(&Row) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut rows = self.all(sql, args, read)?;
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            several => Err(Error::Corrupt(format!("{several} rows where there is one at most"))),
        }
    }

    /// The one row that must be there.
    ///
    /// # Errors
    /// [`Error::Absent`] when there is none; else as [`Tx::maybe`].
    pub fn one<T>(
        &mut self,
        sql: &str,
        args: &[Value],
        read: impl FnMut(&Row) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.maybe(sql, args, read)?.ok_or(Error::Absent)
    }

    /// Runs a statement that gives no rows; answers how many it changed.
    ///
    /// # Errors
    /// What the engine refuses.
    pub fn run(&mut self, sql: &str, args: &[Value]) -> Result<u64, Error> {
        self.batch(&[(sql, args)]).map(|changed| changed[0])
    }

    /// Runs several statements that give no rows, in order; on PostgreSQL they go out in one breath.
    /// Answers how many rows each changed.
    ///
    /// # Errors
    /// What the engine refuses first.
    pub fn batch(&mut self, statements: &[(&str, &[Value])]) -> Result<Vec<u64>, Error> {
        self.sound()?;
        let changed = match &mut self.link {
            Link::Sqlite(conn) => {
                let run = &mut self.run;
                let mut gate = |readonly: bool| gate(conn, run, self.writable, readonly);
                statements
                    .iter()
                    .map(|(sql, args)| conn.run(sql, args, &mut gate))
                    .collect::<Result<Vec<u64>, _>>()
                    .map_err(|(error, again)| self.spoil(error, again))?
            }
            Link::Postgres(_) if !self.writable => return Err(self.spoil(write_in_a_read(), false)),
            Link::Postgres(session) => {
                self.run.wrote = true;
                session
                    .execute(statements)
                    .map_err(|fault| self.spoil(fault.error, fault.again))?
            }
        };
        self.shared.counts.statement(statements.len() as u64);
        Ok(changed)
    }

    /// Tells the world: the event is written with the rows it tells of, and delivered after the commit.
    ///
    /// # Errors
    /// [`Error::Sql`] in a read, and beyond [`EVENTS_MAX`] events.
    pub fn emit(&mut self, event: Outgoing) -> Result<(), Error> {
        if !self.writable {
            return Err(self.spoil(Error::Sql("an event in a read".into()), false));
        }
        if self.outgoing.len() - self.run.mark >= EVENTS_MAX {
            return Err(self.spoil(Error::Sql("too many events in one transaction".into()), false));
        }
        self.run.wrote = true;
        self.outgoing.push(event);
        Ok(())
    }

    /// Says that a guard failed because somebody was faster: return this error, and the closure is run again
    /// on what is there then, a few times.
    pub fn conflict(&mut self) -> Error {
        self.run.again = true;
        Error::Conflict
    }

    /// The next number of a counter: 1, 2, 3 …; gaps are possible.
    ///
    /// # Errors
    /// What the engine refuses.
    pub fn next_number(&mut self, counter: &str) -> Result<i64, Error> {
        self.next_numbers(counter, 1)
    }

    /// The first of `count` numbers in a row; `count` is at most [`NUMBERS_MAX`].
    ///
    /// # Errors
    /// What the engine refuses, and a count of 0 or beyond the limit.
    pub fn next_numbers(&mut self, counter: &str, count: u32) -> Result<i64, Error> {
        if count == 0 || count > NUMBERS_MAX {
            return Err(self.spoil(Error::Sql(format!("{count} numbers at once")), false));
        }
        let shared = self.shared;
        let last: i64 = self.one(&shared.own.count, &crate::args![counter, count], |row| row.get(0))?;
        Ok(last - i64::from(count) + 1)
    }

    /// Which engine runs this, for the few statements that earn two spellings.
    pub fn dialect(&self) -> Dialect {
        self.shared.dialect
    }

    /// The service whose database this is; also the prefix of its tables.
    pub fn service(&self) -> &'static str {
        self.shared.service
    }

    /// The clock of the app.
    pub fn clock(&self) -> &'a Clock {
        &self.shared.clock
    }

    /// The ids of the app.
    pub fn ids(&self) -> &'a Ids {
        &self.shared.ids
    }

    pub(crate) fn shared(&self) -> &'a Shared {
        self.shared
    }

    /// Runs a text of several statements, for migrations.
    pub(crate) fn script(&mut self, text: &str) -> Result<(), Error> {
        self.sound()?;
        let done = match &mut self.link {
            Link::Sqlite(conn) => gate(conn, &mut self.run, self.writable, false).and_then(|()| conn.script(text)),
            Link::Postgres(session) => {
                self.run.wrote = true;
                session.script(text).map_err(|fault| (fault.error, fault.again))
            }
        };
        done.map_err(|(error, again)| self.spoil(error, again))
    }

    // What the connection threads need.

    /// Another closure begins.
    pub(crate) fn begin_closure(&mut self) {
        self.run = Run {
            mark: self.outgoing.len(),
            ..Run::default()
        };
    }

    /// Forgets the events of the closure that just ran.
    pub(crate) fn drop_events(&mut self) {
        self.outgoing.truncate(self.run.mark);
    }

    pub(crate) fn events(&self) -> &[Outgoing] {
        &self.outgoing
    }

    pub(crate) fn take_events(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.outgoing)
    }

    /// Whether the closure that just ran wants to run again.
    pub(crate) fn again(&self) -> bool {
        self.run.again
    }

    /// Whether it wrote, or may have.
    pub(crate) fn wrote(&self) -> bool {
        self.run.wrote
    }

    pub(crate) fn fault(&self) -> Option<Error> {
        self.run.fault.clone()
    }

    pub(crate) fn panicked(&mut self) {
        self.run.again = false;
        self.run.fault.get_or_insert(Error::Panicked);
    }

    fn sound(&self) -> Result<(), Error> {
        self.run.fault.clone().map_or(Ok(()), Err)
    }

    fn spoil(&mut self, error: Error, again: bool) -> Error {
        self.run.again |= again;
        self.run.fault.get_or_insert(error).clone()
    }
}

/// Lets a statement through on SQLite: reads always, writes in a write, with a savepoint before the first, so
/// that a closure that is refused before it wrote costs nothing.
fn gate(conn: &sqlite::Conn, run: &mut Run, writable: bool, readonly: bool) -> Result<(), (Error, bool)> {
    if readonly || run.wrote && writable && run.fault.is_none() && conn.in_savepoint() {
        return Ok(());
    }
    if !writable {
        return Err((write_in_a_read(), false));
    }
    run.wrote = true;
    conn.savepoint()
}

fn write_in_a_read() -> Error {
    Error::Sql("a write in a read".into())
}

/// A row, read by position.
pub struct Row<'r>(Inner<'r>);

enum Inner<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
}

impl Row<'_> {
    /// The column at `index`, counted from 0.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it holds something else, or there is no such column.
    pub fn get<T: Column>(&self, index: usize) -> Result<T, Error> {
        self.cell(index).and_then(T::read).map_err(|error| at(error, index))
    }

    /// A column of JSON text.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the text is not JSON of that shape.
    pub fn json<T: DeserializeOwned>(&self, index: usize) -> Result<T, Error> {
        match self.cell(index)? {
            Cell::Text(text) => serde_json::from_str(text)
                .map_err(|error| at(Error::Corrupt(format!("JSON: {:?} error", error.classify())), index)),
            _ => Err(at(Error::Corrupt("JSON was expected".into()), index)),
        }
    }

    /// A column of text in a form that `T` parses, such as an enum's word.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it does not parse.
    pub fn parse<T: std::str::FromStr>(&self, index: usize) -> Result<T, Error> {
        let Cell::Text(text) = self.cell(index)? else {
            return Err(at(Error::Corrupt("a text was expected".into()), index));
        };
        let wanted = std::any::type_name::<T>();
        text.parse()
            .map_err(|_| at(Error::Corrupt(format!("no {wanted}")), index))
    }

    /// The cell as it is.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when there is no such column, or it is of a kind that we do not store.
    pub fn cell(&self, index: usize) -> Result<Cell<'_>, Error> {
        match &self.0 {
            Inner::Sqlite(row) => sqlite::cell(row, index),
            Inner::Postgres(row) => postgres::cell(row, index),
        }
    }
}

fn at(error: Error, index: usize) -> Error {
    match error {
        Error::Corrupt(what) => Error::Corrupt(format!("column {index}: {what}")),
        other => other,
    }
}
