//! Imports as processes: a file is laid aside as it comes, then worked off batch by batch, each batch one transaction
//! that also says how far it got. Whoever finds an import that nobody works on goes on from there.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::catalog::{Import, ImportState, KEPT_SHOWN_MAX, REJECTED_SHOWN_MAX, StockMode};
use axum::body::Bytes;
use base::{Currency, ImportId, RequestId, Time};
use serve::Stop;
use store::{Db, Tx};
use tokio::sync::mpsc;

use super::apply::{Claimed, apply, preview, refused};
use super::pieces;
use super::read::{Batch, Chunks, Item, read};
use super::shopify::Refused;
use super::view;
use crate::actions::By;
use crate::store::{Changes, ImportRow, Tally};
use crate::{Error, store as rows};

/// Batches that wait for the database while the file is read on.
const BATCHES_WAITING: usize = 1;
/// Pieces of a file that wait for the parser.
const PIECES_WAITING: usize = 2;
/// New products after which the engine plans anew: fewer change nothing about what is best.
const MANY: i64 = 500;
/// How often a batch is tried again while the database has more work than it can take in.
const BUSY_TRIES: u32 = 100;
/// The wait between those.
const BUSY_WAIT: Duration = Duration::from_millis(50);
/// How long a driver that was not heard of keeps an import: more than a batch takes on a busy database.
const LEASE: Duration = Duration::from_secs(20);
/// How often an import is taken up again without any progress before it is given up.
const TRIES_MAX: i64 = 10;
/// How often a report is read again by who waits for another driver.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How to import.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Which quantities are taken.
    pub stock: StockMode,
    /// Whether nothing is changed.
    pub dry_run: bool,
    /// On whose behalf, for the ledger, the events and the audit log.
    pub by: By,
}

/// What imports of a process stand on.
pub struct Jobs {
    pub(super) db: Db,
    pub(super) currency: Currency,
    /// What this process is called in leases.
    pub(super) driver: String,
    /// The imports that this process takes in or works on.
    busy: Mutex<HashSet<ImportId>>,
    pub(super) stop: Stop,
}

/// Says that this process is on an import, until it goes.
pub(super) struct Hold<'a> {
    jobs: &'a Jobs,
    id: ImportId,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.jobs
            .busy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
    }
}

impl Jobs {
    /// The imports of the catalogue in `db`, with prices in `currency`. After `stop` no further batch is begun.
    pub fn new(db: &Db, currency: Currency, stop: Stop) -> Self {
        let now = db.clock().now();
        let name: RequestId = db.ids().next(now);
        Self {
            db: db.clone(),
            currency,
            driver: name.to_string(),
            busy: Mutex::default(),
            stop,
        }
    }

    /// Keeps others of this process off an import; nothing when one is on it.
    pub(super) fn hold(&self, id: ImportId) -> Option<Hold<'_>> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        // Made only where it is given out: one that is dropped here would free the other's import, under this lock.
        busy.insert(id).then(|| Hold { jobs: self, id })
    }

    pub(super) fn is_held(&self, id: ImportId) -> bool {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    /// Until when an import that this process works on is its own.
    pub(super) fn lease(&self) -> Time {
        self.db.clock().now().after(LEASE)
    }

    /// Leases that ended by this moment count no more. Where no other process writes, none but our own ever do.
    pub(crate) fn free(&self) -> Time {
        match self.db.generation() {
            Some(_) => Time::from_micros(i64::MAX),
            None => self.db.clock().now(),
        }
    }

    /// A new id for an import.
    pub(crate) fn new_id(&self) -> ImportId {
        self.db.ids().next(self.db.clock().now())
    }

    /// The import has failed.
    pub(super) async fn give_up(&self, id: ImportId, (code, sentence): (&'static str, String)) -> Result<(), Error> {
        let driver = self.driver.clone();
        self.write(move |tx| Ok(rows::fail(tx, id, &driver, (code, &sentence))?))
            .await?;
        self.drop_pieces().await
    }

    /// Throws away what is left of files that nobody needs any more.
    pub(super) async fn drop_pieces(&self) -> Result<(), Error> {
        // Asked first: a write, even of nothing, would make answers stale that are kept until the next commit.
        while self.db.read(|tx| Ok::<_, Error>(rows::has_old_pieces(tx)?)).await? {
            self.write(|tx| Ok(rows::drop_pieces(tx, pieces::DROPPED_AT_ONCE)?))
                .await?;
        }
        Ok(())
    }

    /// An import as it stands.
    ///
    /// # Errors
    /// [`Error::NoSuchImport`]; the database's.
    pub(super) async fn row(&self, id: ImportId) -> Result<ImportRow, Error> {
        self.db
            .read(move |tx| Ok::<_, Error>(rows::import(tx, id)?))
            .await?
            .ok_or(Error::NoSuchImport(id))
    }

    /// An import with the first of its rejected rows, and of what its undo left.
    ///
    /// # Errors
    /// [`Error::NoSuchImport`]; the database's.
    pub async fn report(&self, id: ImportId) -> Result<Import, Error> {
        self.db
            .read(move |tx| {
                let row = rows::import(tx, id)?.ok_or(Error::NoSuchImport(id))?;
                let rejected = match row.tally.rejected {
                    0 => Vec::new(),
                    _ => rows::rejected(tx, id, 0, true, REJECTED_SHOWN_MAX as u32)?,
                };
                let kept = match row.kept {
                    0 => Vec::new(),
                    _ => rows::changes(tx, id, Changes::Kept, KEPT_SHOWN_MAX as u32)?,
                };
                Ok(view::import(row, rejected, kept))
            })
            .await
    }

    /// Works an import off, or takes it back, whichever is due; waits where somebody else does. Answers when it is at
    /// rest, or when the process is asked to end.
    ///
    /// # Errors
    /// The database's.
    pub async fn drive(&self, id: ImportId) -> Result<(), Error> {
        while !self.stop.is_stopped() {
            let Some(_hold) = self.hold(id) else {
                if self.row(id).await?.state.is_at_rest() {
                    return Ok(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            };
            let (driver, free, lease) = (self.driver.clone(), self.free(), self.lease());
            let ours = self
                .write(move |tx| Ok(rows::claim(tx, id, &driver, free, lease)?))
                .await?;
            let row = self.row(id).await?;
            if row.state.is_at_rest() {
                return Ok(());
            }
            if !ours {
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            if row.tries > TRIES_MAX {
                let sentence = "it was taken up again and again without any progress".to_owned();
                self.give_up(id, ("import_failed", sentence)).await?;
                return Ok(());
            }
            let done = match row.state {
                ImportState::Undoing => self.take_back(row).await,
                _ => self.work_off(row).await,
            };
            match done {
                Ok(()) => {}
                // Another process went on with it: look again.
                Err(Error::TakenOver) => tokio::time::sleep(LOOK_EVERY).await,
                Err(fault @ Error::NoProducts(_)) => self.give_up(id, told(&fault)).await?,
                Err(fault) => return Err(fault),
            }
        }
        let driver = self.driver.clone();
        self.write(move |tx| Ok(rows::release_import(tx, id, &driver)?)).await
    }

    /// Works off what is left of a file.
    async fn work_off(&self, row: ImportRow) -> Result<(), Error> {
        let mut row = row;
        if row.dry_run && row.reached.items > 0 {
            // What earlier rows would have claimed is not remembered: it begins anew.
            let (id, driver) = (row.id, self.driver.clone());
            self.write(move |tx| Ok(rows::begin_anew(tx, id, &driver)?)).await?;
            row = self.row(id).await?;
        }
        let (send, from) = mpsc::channel(PIECES_WAITING);
        let feeding = serve::spawn(pieces::feed(self.db.clone(), row.id, send));
        let (send, mut batches) = mpsc::channel(BATCHES_WAITING);
        let (currency, done) = (self.currency, row.reached.items);
        let reading = tokio::task::spawn_blocking(move || {
            let chunks = Chunks {
                from,
                rest: Bytes::new(),
            };
            read(chunks, currency, done, &send)
        });
        let worked = self.take_batches(&row, &mut batches).await;
        drop(batches);
        feeding.abort();
        let read = match reading.await {
            Ok(read) => read,
            Err(fault) => match fault.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(fault) => return Err(Error::Store(store::Error::Down(fault.to_string()))),
            },
        };
        if !worked? {
            return Ok(());
        }
        match read {
            Ok(()) => {}
            Err(Refused::NoProducts(reason)) => return Err(Error::NoProducts(reason)),
            // The file is here as a whole: it is the database that cannot be read just now.
            Err(Refused::Unreadable(fault)) => return Err(Error::Store(store::Error::Down(fault.to_string()))),
        }
        self.complete(row.id).await
    }

    /// Works off the batches as they come; `false` when the process is to end before the last one.
    async fn take_batches(&self, row: &ImportRow, batches: &mut mpsc::Receiver<Batch>) -> Result<bool, Error> {
        let mut claimed = Arc::new(Mutex::new(Claimed::default()));
        while let Some(mut batch) = batches.recv().await {
            if self.stop.is_stopped() {
                return Ok(false);
            }
            if let Some(header) = batch.header.take() {
                let id = row.id;
                self.write(move |tx| Ok(rows::put_header(tx, id, &header)?)).await?;
            }
            let batch = Arc::new(batch);
            let whole = 0..batch.items.len();
            if row.dry_run {
                self.foresee(row, &batch, &mut claimed).await?;
                continue;
            }
            match self.put(row, &batch, whole.clone(), None).await {
                Ok(()) => continue,
                Err(fault) if refusal(&fault).is_some() => {}
                Err(fault) => return Err(fault),
            }
            // Some stand in each other's way: one by one.
            for place in whole {
                let done = self.put(row, &batch, place..place + 1, None).await;
                let Err(fault) = done else { continue };
                let Some(reason) = refusal(&fault) else {
                    return Err(fault);
                };
                self.put(row, &batch, place..place + 1, Some(reason)).await?;
            }
        }
        Ok(true)
    }

    /// Puts some of a batch in, in one transaction; with a reason, notes that the only one is refused for it.
    async fn put(
        &self,
        row: &ImportRow,
        batch: &Arc<Batch>,
        some: std::ops::Range<usize>,
        reason: Option<String>,
    ) -> Result<(), Error> {
        let by = By {
            actor: row.actor.clone(),
            request_id: row.request_id.clone(),
        };
        let (id, stock, currency) = (row.id, row.stock, self.currency);
        let (driver, lease, batch) = (self.driver.clone(), self.lease(), Arc::clone(batch));
        self.write(move |tx| {
            let items = &batch.items[some.clone()];
            let reached = crate::store::Reached {
                items: items.last().map_or(batch.reached.items, |item| item.number),
                ..batch.reached
            };
            let before = items.first().map_or(reached.items, |item| item.number - 1);
            // First of all, so that a driver that was given up waits here and writes nothing.
            if !rows::advance(tx, id, before, reached, Tally::default(), (&driver, lease))? {
                return Err(Error::TakenOver);
            }
            let worked = match (&reason, items) {
                (Some(reason), [one]) => refused(one, reason.clone()),
                _ => apply(tx, currency, &by, stock, items)?,
            };
            rows::put_changes(tx, id, &worked.changes)?;
            rows::put_rejected(tx, id, &worked.rejected)?;
            rows::count(tx, id, worked.tally)?;
            Ok(())
        })
        .await
    }

    /// Notes what a batch would do.
    async fn foresee(
        &self,
        row: &ImportRow,
        batch: &Arc<Batch>,
        claimed: &mut Arc<Mutex<Claimed>>,
    ) -> Result<(), Error> {
        let (currency, stock, seen, of) = (self.currency, row.stock, Arc::clone(batch), Arc::clone(claimed));
        let worked = self
            .db
            .scan(move |tx| {
                let mut claimed = of.lock().unwrap_or_else(PoisonError::into_inner);
                preview(tx, currency, stock, &seen.items, &mut claimed)
            })
            .await?;
        let (id, driver, lease, batch) = (row.id, self.driver.clone(), self.lease(), Arc::clone(batch));
        self.write(move |tx| {
            let before = batch
                .items
                .first()
                .map_or(batch.reached.items, |item: &Item| item.number - 1);
            if !rows::advance(tx, id, before, batch.reached, worked.tally, (&driver, lease))? {
                return Err(Error::TakenOver);
            }
            rows::put_changes(tx, id, &worked.changes)?;
            Ok(rows::put_rejected(tx, id, &worked.rejected)?)
        })
        .await
    }

    /// All is done.
    pub(super) async fn complete(&self, id: ImportId) -> Result<(), Error> {
        let driver = self.driver.clone();
        self.write(move |tx| {
            if !rows::complete(tx, id, &driver)? {
                return Err(Error::TakenOver);
            }
            super::record(tx, id)
        })
        .await?;
        self.drop_pieces().await?;
        let row = self.row(id).await?;
        if row.state == ImportState::Done && !row.dry_run && row.tally.created >= MANY {
            let done: Result<(), store::Error> = self.db.write(rows::analyze).await;
            if let Err(fault) = done {
                tracing::info!(%fault, "the tables are looked at later; reads are slower until then");
            }
        }
        Ok(())
    }

    /// A write that waits while the database has more to do than it can take in: shoppers go first.
    pub(super) async fn write<T, F>(&self, act: F) -> Result<T, Error>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, Error> + Clone + Send + 'static,
        T: Send + 'static,
    {
        let mut tries = 0;
        loop {
            match self.db.write(act.clone()).await {
                Err(Error::Store(store::Error::Busy)) if tries < BUSY_TRIES => tokio::time::sleep(BUSY_WAIT).await,
                done => return done,
            }
            tries += 1;
        }
    }
}

/// Why an import breaks off, for its report.
pub(super) fn told(fault: &Error) -> (&'static str, String) {
    match fault {
        Error::NoProducts(reason) => ("not_a_product_file", reason.clone()),
        Error::Unreadable(reason) => ("unreadable_file", reason.clone()),
        Error::TooLarge => ("too_large", fault.to_string()),
        _ => (
            "import_failed",
            "the shop could not take the file in; send it again".into(),
        ),
    }
}

/// Why an entry was refused, if the fault is the entry's and not the database's.
pub(super) fn refusal(fault: &Error) -> Option<String> {
    match fault {
        Error::Store(store::Error::Duplicate(_)) => Some("its handle or a SKU is taken".into()),
        // Entries that mean the same product, or somebody who changes it all the time.
        Error::Store(store::Error::Conflict) => Some("somebody else changed the product at the same time".into()),
        Error::SkuTaken(_) | Error::HandleTaken(_) | Error::StockReserved { .. } => Some(fault.to_string()),
        Error::SeveralCategories(_) | Error::TooManyCategories => Some(fault.to_string()),
        // What only the tree knows of a category: the rows were checked when they were read.
        Error::Invalid(faults) => faults
            .first()
            .map(|fault| format!("the {} {}", fault.pointer.trim_start_matches('/'), fault.detail)),
        _ => None,
    }
}
