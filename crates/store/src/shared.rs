//! What the threads and handles of one database share: its name, time, ids, counters and prepared texts.

use std::sync::atomic::{AtomicU64, Ordering};

use base::{Clock, Ids};
use tokio::sync::watch;

use crate::Dialect;
use crate::own::OwnSql;

pub(crate) struct Shared {
    pub(crate) service: &'static str,
    pub(crate) dialect: Dialect,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) own: OwnSql,
    pub(crate) counts: Counts,
    /// How many commits wrote events; whoever delivers them waits for it to change.
    pub(crate) committed: watch::Sender<u64>,
}

impl Shared {
    pub(crate) fn new(service: &'static str, dialect: Dialect, clock: Clock, ids: Ids) -> Self {
        let (committed, _) = watch::channel(0);
        Self {
            service,
            dialect,
            clock,
            ids,
            own: OwnSql::new(service, dialect),
            counts: Counts::default(),
            committed,
        }
    }

    /// Books a commit: how many closures it held, whether it wrote, how many events.
    pub(crate) fn commit(&self, closures: usize, wrote: bool, events: usize) {
        let counts = &self.counts;
        counts.transactions.fetch_add(1, Ordering::Relaxed);
        counts.closures.fetch_add(closures as u64, Ordering::Relaxed);
        counts.largest_group.fetch_max(closures as u64, Ordering::Relaxed);
        if wrote {
            counts.commits.fetch_add(1, Ordering::Release);
            counts.syncs.fetch_add(1, Ordering::Relaxed);
        }
        if events > 0 {
            self.committed.send_modify(|ticks| *ticks += 1);
        }
    }
}

/// Counters since start.
#[derive(Default)]
pub(crate) struct Counts {
    transactions: AtomicU64,
    commits: AtomicU64,
    syncs: AtomicU64,
    statements: AtomicU64,
    closures: AtomicU64,
    largest_group: AtomicU64,
    batches: AtomicU64,
    items: AtomicU64,
    largest_batch: AtomicU64,
    reruns: AtomicU64,
}

impl Counts {
    pub(crate) fn statement(&self, count: u64) {
        self.statements.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn batch(&self, items: usize) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.items.fetch_add(items as u64, Ordering::Relaxed);
        self.largest_batch.fetch_max(items as u64, Ordering::Relaxed);
    }

    pub(crate) fn rerun(&self) {
        self.reruns.fetch_add(1, Ordering::Relaxed);
    }

    /// A checkpoint syncs the log and the file.
    pub(crate) fn checkpoint(&self) {
        self.syncs.fetch_add(2, Ordering::Relaxed);
    }

    /// How many commits changed something. Ordered after the commits that it counts.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    pub(crate) fn figures(&self) -> Figures {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures {
            transactions: of(&self.transactions),
            commits: of(&self.commits),
            syncs: of(&self.syncs),
            statements: of(&self.statements),
            closures: of(&self.closures),
            largest_group: of(&self.largest_group),
            batches: of(&self.batches),
            items: of(&self.items),
            largest_batch: of(&self.largest_batch),
            reruns: of(&self.reruns),
        }
    }
}

/// What a database did since it was opened, for benches and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Figures {
    /// Writing transactions that ended well, those included that changed nothing.
    pub transactions: u64,
    /// Commits that changed something.
    pub commits: u64,
    /// Flushes to disk as far as known here: one per commit, two per SQLite checkpoint.
    pub syncs: u64,
    /// Statements of closures (reads and writes; not BEGIN, COMMIT and the like).
    pub statements: u64,
    /// Closures that the commits answered.
    pub closures: u64,
    /// Most closures in one commit.
    pub largest_group: u64,
    /// Batches of combiners.
    pub batches: u64,
    /// Items in those batches.
    pub items: u64,
    /// Most items in one batch.
    pub largest_batch: u64,
    /// Closures and batches that ran again after a conflict.
    pub reruns: u64,
}
