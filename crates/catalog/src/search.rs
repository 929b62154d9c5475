//! Search and facets: a full-text index beside the database.
//!
//! Each process has an index of its own, in its data folder (in memory where the database is). It is derived: filled
//! from the database, then kept up by following the catalogue's own outbox, whose last event it commits together with
//! its documents. So a crash leaves it as it was at some event, and it goes on from there; what is damaged, of another
//! version, of another database, or too far behind is made anew.
//!
//! Always holds: which products are found, in which order and with which counts depends on the products and the search
//! alone (see `ranking`); what is shown of a product comes from the database, never from the index; the index may be
//! behind by what was committed in the last moments.

mod asked;
mod facets;
mod feed;
mod feeder;
mod filter;
mod finds;
mod index;
mod marks;
mod page;
mod ranking;
mod tally;
mod words;

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use base::{Currency, Cursor};
use serve::{Stop, Task};
use store::Db;
use tantivy::collector::Collector;
use tantivy::{Searcher, TantivyError};
use tokio::sync::{Mutex, Notify, Semaphore, watch};

use crate::Error;

pub use asked::Asked;
pub use facets::facets;
pub use filter::{Wanted, option_of};
pub use marks::highlights;
pub use page::By;
pub use ranking::Sought;

use feed::Progress;
use feeder::Feeder;
use finds::{Finds, Mode};
use index::Shared;
use page::{Page, Place};

/// How long a search waits for an index that is being made: an ordinary catalogue is indexed in less.
const READY_WAIT: Duration = Duration::from_secs(3);

/// The search of this process.
pub struct Search {
    db: Db,
    currency: Currency,
    /// Where the index is; in memory without.
    folder: Option<PathBuf>,
    stop: Stop,
    /// What answers searches; none until the first index is whole.
    shelf: watch::Sender<Option<Shared>>,
    feeder: Mutex<Feeder>,
    progress: Progress,
    turns: Arc<Semaphore>,
    counts: facets::Counts,
    /// The index could not be read: it is opened anew.
    is_damaged: AtomicBool,
    wake: Notify,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Hits {
    /// Numbers of products in their order.
    pub numbers: Vec<i64>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
    /// What was searched for, to be marked.
    pub sought: Vec<Sought>,
}

impl Search {
    /// The search of a catalogue. Nothing is opened before its task runs or somebody asks.
    pub fn new(db: Db, currency: Currency, folder: Option<PathBuf>, stop: Stop) -> Arc<Self> {
        Arc::new(Self {
            db,
            currency,
            folder,
            stop,
            shelf: watch::Sender::new(None),
            feeder: Mutex::default(),
            progress: Progress::default(),
            // Searches compute and do not wait: more at once than there are cores would only wait for each other.
            turns: Arc::new(Semaphore::new(available_parallelism().map_or(1, NonZero::get))),
            counts: facets::Counts::default(),
            is_damaged: AtomicBool::new(false),
            wake: Notify::new(),
        })
    }

    /// Changes whenever searches may find something else than before.
    pub fn generation(&self) -> u64 {
        self.shelf.borrow().as_ref().map_or(0, |shelf| shelf.generation())
    }

    /// The first `limit` products, or those after `after`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another list, [`Error::Unsearchable`].
    pub async fn find(
        &self,
        asked: Option<Asked>,
        wanted: Wanted,
        by: By,
        limit: u32,
        after: Option<&Cursor>,
    ) -> Result<Hits, Error> {
        let after = after.map(|cursor| Place::of(cursor, by)).transpose();
        let after = after.map_err(|fault| Error::field("?cursor", fault.to_string()))?;
        if asked.as_ref().is_some_and(Asked::is_empty) {
            return Ok(Hits::default());
        }
        let limit = limit as usize;
        self.run(move |shelf| {
            let searcher = shelf.searcher();
            let mut found = Found::of(&shelf, &searcher, asked.as_ref(), after.as_ref().map(|(_, mode)| *mode))?;
            let page = Page {
                by,
                limit: limit + 1, // One more tells whether there is a next page.
                after: after.map(|(place, _)| place),
            };
            let mut places = found.collect(&wanted, &page)?;
            if places.is_empty() && found.widens() {
                places = found.collect(&wanted, &page)?;
            }
            let more = places.len() > limit;
            places.truncate(limit);
            let last = places.last().filter(|_| more);
            Ok(Hits {
                next: last.map(|place| place.cursor(by, found.mode)),
                numbers: places.iter().map(Place::number).collect(),
                sought: found.sought,
            })
        })
        .await
    }

    /// Carries out a search off the async threads.
    async fn run<T: Send + 'static>(
        &self,
        act: impl FnOnce(Shared) -> Result<T, TantivyError> + Send + 'static,
    ) -> Result<T, Error> {
        let mut shelf = self.shelf.subscribe();
        let ready = async {
            shelf
                .wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|shelf| shelf.clone())
        };
        let Ok(Some(shelf)) = tokio::time::timeout(READY_WAIT, ready).await else {
            return Err(Error::Unsearchable);
        };
        // It goes along: somebody who goes away leaves a search behind that still computes.
        let turn = self.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|_| Error::Unsearchable)?;
        let searched = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            act(shelf)
        });
        let fault = match searched.await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(fault)) => fault.to_string(),
            Err(panic) => panic.to_string(),
        };
        tracing::error!(fault, "the search index cannot be read; it is opened anew");
        self.is_damaged.store(true, Ordering::Relaxed);
        self.wake.notify_one();
        Err(Error::Unsearchable)
    }

    /// The task that keeps the index up.
    pub fn task(self: &Arc<Self>) -> Task {
        let search = self.clone();
        Task::new("search", move |stop| {
            let search = search.clone();
            async move { search.follow_until(stop).await }
        })
    }
}

/// A search as this index understands it.
struct Found<'a> {
    shelf: &'a Shared,
    searcher: &'a Searcher,
    /// None where everything is found.
    finds: Option<Finds>,
    sought: Vec<Sought>,
    mode: Mode,
    /// Whether the page before settled the mode.
    is_settled: bool,
}

impl<'a> Found<'a> {
    /// Finds what is asked for. All words must be found, unless a page before found that they are not: `mode`.
    fn of(
        shelf: &'a Shared,
        searcher: &'a Searcher,
        asked: Option<&Asked>,
        mode: Option<Mode>,
    ) -> Result<Found<'a>, TantivyError> {
        let found = asked.map(|asked| ranking::find(searcher, &shelf.fields, asked));
        let (finds, sought) = found.transpose()?.unzip();
        Ok(Found {
            shelf,
            searcher,
            finds,
            sought: sought.unwrap_or_default(),
            mode: mode.unwrap_or(Mode::All),
            is_settled: mode.is_some(),
        })
    }

    /// Lets any word do where no product has them all; answers whether it now does. Asked when nothing was found, and
    /// decided without filters: a filter must not change what a search means.
    fn widens(&mut self) -> bool {
        let is_wide = !self.is_settled
            && self.mode == Mode::All
            && self.sought.len() > 1
            && self
                .finds
                .as_ref()
                .is_some_and(|finds| !finds.is_any(self.searcher, self.mode));
        if is_wide {
            self.mode = Mode::Any;
        }
        is_wide
    }

    /// What comes into question of it, as a collector takes it.
    fn collect<C: Collector>(&self, wanted: &Wanted, collector: &C) -> Result<C::Fruit, TantivyError> {
        let found = self.finds.as_ref().map(|finds| (finds, self.mode));
        finds::collect(self.searcher, &self.shelf.fields, found, wanted, collector)
    }
}
