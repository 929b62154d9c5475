//! A database in a file of SQLite: one thread that writes, connections that read, one that keeps the log short.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::job::{Job, give_up, guarded};
use crate::queue::Queue;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::sqlite::{Conn, sorted};
use crate::tx::{Link, Tx};
use crate::{Error, group};

/// Pages of the log after which what is in it is copied into the file: 16 MiB.
const CHECKPOINT_PAGES: i32 = 4_096;
/// Pages after which the writer is held back until the log starts anew: 32 MiB. Beside a steady writer it never
/// does by itself, since there is always a page more than the checkpoint has copied.
const RESTART_PAGES: i32 = 8_192;
/// How long that waits for readers, and writers for that, at most.
const RESTART_MS: u64 = 200;

/// The reading side; the writer and the checkpointer are threads.
pub(crate) struct File {
    path: PathBuf,
    settings: Settings,
    idle: Mutex<Vec<Conn>>,
    /// Readers that are kept: as many as can run at once.
    most: usize,
    keeper: Arc<Keeper>,
}

/// What the writer and the checkpointer tell one another.
struct Keeper {
    /// Pages in the log, as the writer's commits report them.
    pages: AtomicI32,
    /// The writer pauses between two groups while this is set.
    restarting: AtomicBool,
    state: Mutex<Wanted>,
    wake: Condvar,
}

#[derive(Default)]
struct Wanted {
    checkpoint: bool,
    stop: bool,
}

impl File {
    /// Opens the file and starts the threads.
    pub(crate) fn open(
        path: PathBuf,
        settings: &Settings,
        shared: &Arc<Shared>,
        queue: &Arc<Queue<Box<dyn Job>>>,
    ) -> Result<(Self, Vec<JoinHandle<()>>), Error> {
        let open = |writer| Conn::open(Some(&path), settings, writer).map_err(|error| sorted(&error).0);
        let keeper = Arc::new(Keeper {
            pages: AtomicI32::new(0),
            restarting: AtomicBool::new(false),
            state: Mutex::default(),
            wake: Condvar::new(),
        });

        make_private(&path)?;
        let mut writer = open(true)?;
        let told = keeper.clone();
        writer
            .db
            .wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
                told.pages.store(pages, Ordering::Relaxed);
                Ok(())
            }))
            .map_err(|error| sorted(&error).0)?;
        let third = open(false)?;
        let first_reader = open(false)?;

        let threads = vec![
            spawn(shared.service, "write", {
                let (shared, queue, keeper, most) = (shared.clone(), queue.clone(), keeper.clone(), settings.group);
                move || write(&mut writer, &shared, &queue, &keeper, most)
            })?,
            spawn(shared.service, "log", {
                let (shared, keeper) = (shared.clone(), keeper.clone());
                move || keep(&third, &shared, &keeper)
            })?,
        ];
        let inline = std::thread::available_parallelism().map_or(1, |count| count.get());
        let most = inline.max(settings.readers) + settings.scans;
        let idle = Mutex::new(vec![first_reader]);
        let file = Self {
            path,
            settings: settings.clone(),
            idle,
            most,
            keeper,
        };
        Ok((file, threads))
    }

    /// Runs a closure on a connection that reads. There are as many as run at the same time; few are kept.
    pub(crate) fn read<T, E: From<Error>>(
        &self,
        shared: &Shared,
        act: &mut impl FnMut(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => Conn::open(Some(&self.path), &self.settings, false).map_err(|error| sorted(&error).0)?,
        };
        let result = read(&conn, shared, act);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.most {
            idle.push(conn);
        }
        result
    }

    /// Closes the readers; the writer's thread ends with its queue.
    pub(crate) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.keeper.tell(|wanted| wanted.stop = true);
    }
}

/// Runs a closure in a transaction that only reads: all its statements see one moment.
pub(crate) fn read<T, E: From<Error>>(
    conn: &Conn,
    shared: &Shared,
    act: &mut impl FnMut(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    conn.control("BEGIN").map_err(|(error, _)| error)?;
    let mut tx = Tx::new(Link::Sqlite(conn), shared, false);
    let result = guarded(&mut tx, act);
    conn.rollback();
    result
}

/// Makes the file, if it is not there, for its owner's eyes only: it will hold addresses and the hashes of passwords. The
/// log beside it gets the same rights from SQLite.
fn make_private(path: &Path) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    let made = options.create(true).truncate(false).write(true).mode(0o600).open(path);
    made.map(drop).map_err(|error| Error::Down(error.to_string()))
}

pub(crate) fn spawn(service: &str, what: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    std::thread::Builder::new()
        .name(format!("{service}-{what}"))
        .spawn(run)
        .map_err(|error| Error::Down(format!("no thread for the database: {error}")))
}

fn write(conn: &mut Conn, shared: &Shared, queue: &Queue<Box<dyn Job>>, keeper: &Keeper, most: usize) {
    let _guard = queue.guard(give_up);
    let mut jobs = Vec::new();
    // Pages in the log when it was last copied.
    let mut copied = 0;
    while queue.take(most, &mut jobs) {
        keeper.wait();
        group::run(conn, shared, std::mem::take(&mut jobs));
        let pages = keeper.pages.load(Ordering::Relaxed);
        copied = copied.min(pages);
        if pages - copied >= CHECKPOINT_PAGES {
            copied = pages;
            keeper.tell(|wanted| wanted.checkpoint = true);
        }
    }
    keeper.tell(|wanted| wanted.stop = true);
}

impl Keeper {
    fn tell(&self, change: impl FnOnce(&mut Wanted)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_all();
    }

    /// Holds the writer back while the log starts anew: the engine's own lock is not fair, and a writer with
    /// work to do would take it again and again before a checkpointer that asks from time to time.
    fn wait(&self) {
        if self.restarting.load(Ordering::Acquire) {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let restarting = |_: &mut Wanted| self.restarting.load(Ordering::Acquire);
            let most = Duration::from_millis(RESTART_MS * 2);
            drop(self.wake.wait_timeout_while(state, most, restarting));
        }
    }

    fn restart(&self, restarting: bool) {
        self.restarting.store(restarting, Ordering::Release);
        self.tell(|_| ());
    }
}

fn keep(conn: &Conn, shared: &Shared, keeper: &Keeper) {
    // A reader that takes its time must not hold the writer back: then the log grows until the next try.
    if let Err(error) = conn.db.busy_timeout(Duration::from_millis(RESTART_MS)) {
        tracing::warn!(service = shared.service, %error, "the checkpointer waits longer than it should");
    }
    loop {
        let mut wanted = keeper.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !wanted.checkpoint && !wanted.stop {
            wanted = keeper.wake.wait(wanted).unwrap_or_else(PoisonError::into_inner);
        }
        wanted.checkpoint = false;
        let stop = wanted.stop;
        drop(wanted);
        if stop {
            checkpoint(conn, shared, "TRUNCATE");
            return;
        }
        checkpoint(conn, shared, "PASSIVE");
        if keeper.pages.load(Ordering::Relaxed) >= RESTART_PAGES {
            // Only what came in the last milliseconds is left to copy, so writers are held back for moments.
            keeper.restart(true);
            checkpoint(conn, shared, "RESTART");
            keeper.restart(false);
        }
    }
}

/// Copies the log into the file, as far as readers let it.
fn checkpoint(conn: &Conn, shared: &Shared, how: &str) {
    shared.counts.checkpoint();
    if let Err(error) = conn
        .db
        .query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |_| Ok(()))
    {
        tracing::warn!(service = shared.service, %error, how, "the log could not be copied into the file");
    }
}
