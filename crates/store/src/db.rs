//! The handle to a service's database.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use base::{Clock, Ids};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, watch};

use crate::job::{Closure, Job};
use crate::queue::Queue;
use crate::settings::{Engine, Settings};
use crate::shared::Shared;
use crate::sqlite::{Conn, sorted};
use crate::{Answered, Dialect, Error, Figures, Migration, Once, OpenError, Tx, file, group, migrate, once, server};

/// How long [`Db::close`] waits for the queue to empty and the threads to end.
const CLOSE_MS: u64 = 10_000;
/// How long [`Db::ping`] waits.
const PING_MS: u64 = 2_000;

/// A service's database. Cheap to clone; the last clone that goes closes it.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// Closures that wait for the one writer.
    writes: Arc<Queue<Box<dyn Job>>>,
    engine: Running,
    group: usize,
    scans: Semaphore,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

enum Running {
    File(file::File),
    /// One connection for all; whoever comes runs what waits.
    Memory(Mutex<Conn>),
    Server(server::Server),
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.writes.close();
        if let Running::Server(server) = &self.engine {
            server.close();
        }
    }
}

impl Db {
    /// Opens the database, makes it if need be, and applies the migrations that it does not have.
    ///
    /// # Errors
    /// One sentence: it can't be reached, it is newer than the program, a migration failed.
    pub async fn open(settings: Settings, migrations: &[Migration], clock: Clock, ids: Ids) -> Result<Db, OpenError> {
        let service = settings.service;
        let unusable = |error: Error| match error {
            Error::Down(reason) | Error::Sql(reason) => OpenError::Unusable { service, reason },
            other => OpenError::Failed(other),
        };
        let dialect = match settings.engine {
            Engine::Sqlite { .. } | Engine::Memory => Dialect::Sqlite,
            Engine::Postgres { .. } => Dialect::Postgres,
        };
        let shared = Arc::new(Shared::new(service, dialect, clock, ids));
        let writes = Arc::new(Queue::new(settings.queue));
        let (engine, threads) = match &settings.engine {
            Engine::Sqlite { file: path } => {
                let opened = file::File::open(path.clone(), &settings, &shared, &writes);
                let (file, threads) = opened.map_err(unusable)?;
                (Running::File(file), threads)
            }
            Engine::Memory => {
                let conn = Conn::open(None, &settings, true).map_err(|error| unusable(sorted(&error).0))?;
                (Running::Memory(Mutex::new(conn)), Vec::new())
            }
            Engine::Postgres { url } => {
                let opened = server::Server::open(url, &settings, &shared, &writes).await;
                let (server, threads) = opened.map_err(unusable)?;
                (Running::Server(server), threads)
            }
        };
        let scans = match dialect {
            Dialect::Sqlite => settings.scans,
            // A reader is left for those that are quick.
            Dialect::Postgres => settings.scans.min(settings.readers.saturating_sub(1)),
        };
        let (scans, group) = (Semaphore::new(scans.max(1)), settings.group);
        let db = Db {
            inner: Arc::new(Inner {
                shared,
                writes,
                engine,
                group,
                scans,
                threads: Mutex::new(threads),
            }),
        };
        migrate::run(&db, migrations).await?;
        Ok(db)
    }

    /// Reads a point or a small page: inline on SQLite, so keep it to microseconds. All statements see one moment.
    ///
    /// # Errors
    /// The closure's own; [`Error::Busy`] and [`Error::Down`] from the engine; writes are refused.
    pub async fn read<T, E, F>(&self, mut act: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let shared = &self.inner.shared;
        match &self.inner.engine {
            Running::File(file) => file.read(shared, &mut act),
            Running::Memory(conn) => file::read(&conn.lock().unwrap_or_else(PoisonError::into_inner), shared, &mut act),
            Running::Server(server) => {
                let (job, answer) = Closure::waiting(act);
                server.read(job)?;
                answer.await.unwrap_or_else(|_| Err(closed().into()))
            }
        }
    }

    /// Reads at length: lists, search, exports, `doctor`. Off the async threads, few at a time.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn scan<T, E, F>(&self, mut act: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let _turn = self.inner.scans.acquire().await.map_err(|_| closed())?;
        if !matches!(self.inner.engine, Running::File(_)) {
            return self.read(act).await;
        }
        let inner = self.inner.clone();
        let scan = move || match &inner.engine {
            Running::File(file) => file.read(&inner.shared, &mut act),
            _ => Err(closed().into()),
        };
        tokio::task::spawn_blocking(scan)
            .await
            .unwrap_or_else(|_| Err(Error::Panicked.into()))
    }

    /// Runs a closure in a transaction of its own fate, committed together with others. The closure may run
    /// again after a conflict, so it must not change what it has captured in a way that matters.
    ///
    /// # Errors
    /// The closure's own, with everything it wrote taken back; [`Error::Busy`] when too many wait; else the engine's.
    pub async fn write<T, E, F>(&self, act: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (job, answer) = Closure::waiting(act);
        self.enqueue(job)?;
        self.drive();
        answer.await.unwrap_or_else(|_| Err(closed().into()))
    }

    /// [`Db::write`] for a call that may be repeated: with a key, a success is kept and answered again. Refusals
    /// are decided anew. A twin waits for the first commit.
    ///
    /// # Errors
    /// As [`Db::write`]; [`Error::KeyReused`] when the key came with another request.
    pub async fn write_once<T, E, F>(&self, once: Option<Once>, mut act: F) -> Result<Answered<T>, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.write(move |tx| once::carry_out(tx, once.as_ref(), &mut act)).await
    }

    /// The clock of the app.
    pub fn clock(&self) -> &Clock {
        &self.inner.shared.clock
    }

    /// The ids of the app.
    pub fn ids(&self) -> &Ids {
        &self.inner.shared.ids
    }

    /// Which SQL the engine speaks.
    pub fn dialect(&self) -> Dialect {
        self.inner.shared.dialect
    }

    /// Whose database this is.
    pub fn service(&self) -> &'static str {
        self.inner.shared.service
    }

    /// Grows with every commit that changed something, before the change is acknowledged: what was read after this was
    /// asked, and before it grew, is how things are. None where other processes write as well.
    pub fn generation(&self) -> Option<u64> {
        (self.dialect() == Dialect::Sqlite).then(|| self.inner.shared.counts.commits())
    }

    /// Counters since it was opened.
    pub fn figures(&self) -> Figures {
        self.inner.shared.counts.figures()
    }

    /// Changes whenever a commit of this process wrote events: the time to deliver them.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.inner.shared.committed.subscribe()
    }

    /// Carries out what waits, copies the log into the file, ends the threads; waits ten seconds at most.
    /// Other clones answer [`Error::Down`] from now on.
    pub async fn close(self) {
        self.inner.writes.close();
        match &self.inner.engine {
            Running::File(file) => file.close(),
            Running::Memory(_) => self.drive(),
            Running::Server(server) => server.close(),
        }
        let threads = std::mem::take(&mut *self.inner.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = tokio::task::spawn_blocking(move || {
            for thread in threads {
                let _ = thread.join();
            }
        });
        if tokio::time::timeout(Duration::from_millis(CLOSE_MS), ended)
            .await
            .is_err()
        {
            tracing::warn!(
                service = self.service(),
                "the database did not close in time; it will recover at the next start"
            );
        }
    }

    /// Whether the database answers, for `/ready`.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        let asked = async {
            self.read(|tx| tx.one("SELECT 1", &[], |_| Ok(()))).await?;
            self.write(|tx| tx.one("SELECT 1", &[], |_| Ok(()))).await
        };
        match tokio::time::timeout(Duration::from_millis(PING_MS), asked).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Down(format!("no answer within {PING_MS} ms"))),
        }
    }

    /// The settings in force that decide whether an acknowledged commit survives a crash of the machine.
    /// Names and values as the engine gives them; empty when it can't be asked.
    pub async fn durability(&self) -> Vec<(&'static str, String)> {
        let asked: &[(&str, &str)] = match self.dialect() {
            Dialect::Sqlite => &[
                ("synchronous", "PRAGMA synchronous"),
                ("journal_mode", "PRAGMA journal_mode"),
            ],
            Dialect::Postgres => &[
                ("fsync", "SHOW fsync"),
                ("synchronous_commit", "SHOW synchronous_commit"),
                ("full_page_writes", "SHOW full_page_writes"),
            ],
        };
        let answered: Result<_, Error> = self
            .write(move |tx| {
                let mut all = Vec::new();
                for (name, sql) in asked {
                    let value = tx.one(sql, &[], |row| match row.cell(0)? {
                        crate::Cell::Int(0) => Ok("OFF".to_owned()),
                        crate::Cell::Int(1) => Ok("NORMAL".to_owned()),
                        crate::Cell::Int(2) => Ok("FULL".to_owned()),
                        crate::Cell::Int(other) => Ok(other.to_string()),
                        crate::Cell::Text(text) => Ok(text.to_owned()),
                        crate::Cell::Null => Ok(String::new()),
                    })?;
                    all.push((*name, value));
                }
                Ok(all)
            })
            .await;
        answered.unwrap_or_default()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    /// Lets a job wait for the writer.
    pub(crate) fn enqueue(&self, job: Box<dyn Job>) -> Result<(), Error> {
        self.inner.writes.push(job)
    }

    /// Lets the continuation of a running job wait.
    pub(crate) fn enqueue_more(&self, job: Box<dyn Job>) {
        self.inner.writes.push_more(job);
    }

    /// In memory there is no writer's thread: whoever brought a job runs what waits, here and now, so that tests
    /// and simulation go the same way every time.
    pub(crate) fn drive(&self) {
        let Running::Memory(conn) = &self.inner.engine else {
            return;
        };
        let conn = conn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut jobs = Vec::new();
        while self.inner.writes.take_now(self.inner.group, &mut jobs) {
            group::run(&conn, &self.inner.shared, std::mem::take(&mut jobs));
        }
    }
}

fn closed() -> Error {
    Error::Down("it was closed".into())
}
