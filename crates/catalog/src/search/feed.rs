//! How the index is filled and kept up.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use api::catalog::IndexState;
use base::{CategoryId, ProductId, VariantId};
use serde_json::Value;
use serve::Stop;
use store::{Dialect, Outgoing, Stored};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet as _, TERMINATED, TantivyError};

use super::Search;
use super::feeder::{Fault, Feeder, blocking};
use super::index::{Mark, Shared, Shelf, column, is_available};
use crate::store as rows;

/// Events that are read at once.
const EVENTS_MAX: u32 = 500;
/// Products that are read at once: a page of an export.
const PRODUCTS_MAX: usize = 200;
/// Documents in one commit at most while there is more to come.
const COMMIT_MAX: usize = 5_000;
/// Events without a document after which how far they were followed is committed all the same, so that a restart does
/// not read them all again.
const UNMARKED_MAX: i64 = 20_000;
/// How long an event waits for the next ones: commits of an index cost more than those of a database.
const LINGER: Duration = Duration::from_millis(50);
/// How often the outbox is read although this process wrote nothing: another one may have.
const POLL: Duration = Duration::from_millis(500);
/// Rounds without a change after which the writer with its memory and threads is let go.
const IDLE_ROUNDS: u32 = 10;
/// The wait after a fault.
const BACKOFF: Duration = Duration::from_secs(2);

/// How far a new index is, for those who ask.
#[derive(Default)]
pub struct Progress {
    building: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
    built: AtomicU64,
    fault: Mutex<Option<String>>,
}

impl Search {
    /// How the index stands.
    pub fn state(&self) -> IndexState {
        let progress = &self.progress;
        IndexState {
            ready: self.shelf.borrow().is_some(),
            building: progress.building.load(Ordering::Relaxed),
            done: progress.done.load(Ordering::Relaxed),
            total: progress.total.load(Ordering::Relaxed),
            built: progress.built.load(Ordering::Relaxed),
            fault: progress.fault.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Makes the index anew; searches go on with the old one until the new one is whole. Whoever comes while this goes
    /// on joins.
    pub fn reindex(self: &std::sync::Arc<Self>) -> IndexState {
        if !self.progress.building.swap(true, Ordering::Relaxed) {
            let search = self.clone();
            // Nobody waits for it: how far it is can be asked.
            drop(serve::spawn(async move {
                let mut feeder = search.feeder.lock().await;
                let built = search.built(&mut feeder, true).await;
                search.told(&built);
                match built {
                    Ok(()) => feeder.let_go().await,
                    Err(fault) => {
                        tracing::error!(%fault, "the search index could not be made anew");
                        // Else what is half made would be committed with the next event.
                        feeder.recover(&fault).await;
                    }
                }
                search.progress.building.store(false, Ordering::Relaxed);
            }));
        }
        self.state()
    }

    /// Follows the outbox until the process ends.
    pub(super) async fn follow_until(&self, stop: Stop) {
        let mut committed = self.db.committed();
        loop {
            committed.borrow_and_update();
            let wait = match self.follow().await {
                Ok(pause) => pause,
                Err(Fault::Stopped) => break,
                Err(fault) => {
                    tracing::warn!(%fault, "the search index is behind; it is tried again");
                    tokio::select! {
                        () = tokio::time::sleep(BACKOFF) => {}
                        () = stop.stopped() => {}
                    }
                    Duration::ZERO
                }
            };
            if stop.is_stopped() {
                break;
            }
            tokio::select! {
                changed = committed.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(LINGER) => {}
                        () = stop.stopped() => {}
                    }
                }
                () = tokio::time::sleep(wait) => {}
                () = self.wake.notified() => {}
                () = stop.stopped() => {}
            }
        }
        self.feeder.lock().await.let_go().await;
    }

    /// Takes in what happened since the last time; answers how long to wait for more.
    pub(crate) async fn follow(&self) -> Result<Duration, Fault> {
        let mut feeder = self.feeder.lock().await;
        if self.is_damaged.swap(false, Ordering::Relaxed) {
            feeder.drop_all().await;
        }
        let followed = match self.built(&mut feeder, false).await {
            Ok(()) => self.take_in(&mut feeder).await,
            Err(fault) => Err(fault),
        };
        let has_changed = match followed {
            Ok(has_changed) => has_changed,
            Err(fault) => {
                feeder.recover(&fault).await;
                return Err(fault);
            }
        };
        feeder.idle = if has_changed { 0 } else { feeder.idle + 1 };
        if feeder.idle >= IDLE_ROUNDS {
            feeder.let_go().await;
        }
        let alone = self.db.dialect() == Dialect::Sqlite && feeder.writer.is_none();
        // On SQLite nobody else writes, so that nothing happens unheard.
        Ok(if alone { Duration::from_secs(3_600) } else { POLL })
    }

    /// Sees to it that the index is opened and whole; made anew when need be or when `anyway`. Searches see one that was
    /// just opened when it is whole, and not before; until then it is opened again.
    async fn built(&self, feeder: &mut Feeder, anyway: bool) -> Result<(), Fault> {
        if feeder.shelf.is_some() {
            return self.whole(feeder, anyway).await;
        }
        let done = self.whole(feeder, anyway).await;
        match &done {
            Ok(()) => drop(self.shelf.send_replace(feeder.shelf.clone())),
            Err(_) => feeder.drop_all().await,
        }
        done
    }

    async fn whole(&self, feeder: &mut Feeder, anyway: bool) -> Result<(), Fault> {
        let mut fits = true;
        if feeder.shelf.is_none() {
            let folder = self.folder.clone();
            let (shelf, mark) = blocking(move || Shelf::open(folder.as_deref())).await?;
            feeder.shelf = Some(Shared::new(shelf));
            fits = match &mark {
                Some(mark) => self.fits(mark).await?,
                None => false,
            };
            feeder.mark = mark.unwrap_or_default();
            feeder.committed = feeder.mark.clone();
        }
        if !fits || anyway {
            self.progress.building.store(true, Ordering::Relaxed);
            let filled = self.fill(feeder).await;
            if !anyway {
                self.told(&filled);
                self.progress.building.store(false, Ordering::Relaxed);
            }
            filled?;
        }
        Ok(())
    }

    fn told(&self, built: &Result<(), Fault>) {
        let fault = built.as_ref().err().map(Fault::to_string);
        *self.progress.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Whether the outbox goes on where the index ends.
    async fn fits(&self, mark: &Mark) -> Result<bool, Fault> {
        let (last, next) = self.around(mark.seq).await?;
        let same = |stored: &Stored| mark.event.as_ref().is_none_or(|id| *id == stored.event.id.to_string());
        Ok(match next.first() {
            Some(stored) if stored.seq == mark.seq => same(stored),
            Some(stored) => stored.seq == mark.seq + 1,
            None => last == mark.seq,
        })
    }

    /// The number of the last event, and the first one from `seq` on.
    async fn around(&self, seq: i64) -> Result<(i64, Vec<Stored>), Fault> {
        let around = self
            .db
            .scan(move |tx| Ok::<_, store::Error>((store::outbox_last(tx)?, store::outbox_after(tx, seq - 1, 1)?)));
        Ok(around.await?)
    }

    /// Fills the index from the database.
    async fn fill(&self, feeder: &mut Feeder) -> Result<(), Fault> {
        // Read first: what happens from here on is followed afterwards, and is harmless twice.
        let last = self.db.scan(store::outbox_last).await?;
        let (_, event) = self.around(last).await?;
        let mark = Mark::new(last, event.first().map(|stored| stored.event.id.to_string()));
        let total = self.db.scan(rows::living_count).await?;
        self.progress.total.store(total.unsigned_abs(), Ordering::Relaxed);
        self.progress.done.store(0, Ordering::Relaxed);
        feeder.written.clear();
        let (mut number, currency) = (0, self.currency);
        feeder
            .write(move |shelf, writer| {
                shelf.unsettle(writer);
                writer.delete_all_documents().map(drop)
            })
            .await?;
        loop {
            if self.stop.is_stopped() {
                return Err(Fault::Stopped);
            }
            let page = self
                .db
                .scan(move |tx| rows::living_after(tx, number, PRODUCTS_MAX as u32, currency));
            let page = page.await?;
            let Some(found) = page.last() else { break };
            number = found.product.number;
            let count = page.len() as u64;
            feeder
                .write(move |shelf, writer| {
                    for found in &page {
                        writer.add_document(shelf.document(&found.product, currency))?;
                    }
                    Ok(())
                })
                .await?;
            self.progress.done.fetch_add(count, Ordering::Relaxed);
        }
        feeder.mark = mark;
        feeder.commit().await?;
        feeder.write(|shelf, writer| shelf.settle(writer)).await?;
        self.progress.built.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Takes in the events that the index does not have; answers whether there were any.
    async fn take_in(&self, feeder: &mut Feeder) -> Result<bool, Fault> {
        let mut has_changed = false;
        loop {
            let seq = feeder.mark.seq;
            let events = self.db.scan(move |tx| store::outbox_after(tx, seq, EVENTS_MAX)).await?;
            let (Some(first), Some(last)) = (events.first(), events.last()) else {
                break;
            };
            if first.seq != seq + 1 {
                tracing::info!("events were swept that the search index did not have yet; it is made anew");
                self.built(feeder, true).await.inspect_err(|_| self.finished())?;
                self.finished();
                continue;
            }
            has_changed = true;
            let mark = Mark::new(last.seq, Some(last.event.id.to_string()));
            self.renew(feeder, self.concerned(feeder, &events).await?).await?;
            feeder.mark = mark;
            if events.len() < EVENTS_MAX as usize {
                break;
            }
            if feeder.written.len() >= COMMIT_MAX {
                feeder.commit().await?;
            }
        }
        if !feeder.written.is_empty() || feeder.mark.seq - feeder.committed.seq > UNMARKED_MAX {
            feeder.commit().await?;
        }
        Ok(has_changed)
    }

    fn finished(&self) {
        self.progress.building.store(false, Ordering::Relaxed);
    }

    /// Products that these events changed for a search. A sale does only when it takes the last piece.
    async fn concerned(&self, feeder: &Feeder, events: &[Stored]) -> Result<BTreeSet<ProductId>, Fault> {
        let mut products = BTreeSet::new();
        let mut variants = BTreeSet::new();
        for Stored { event, .. } in events {
            match &*event.kind {
                "ProductCreated" | "ProductUpdated" | "ProductArchived" => {
                    products.extend(event.subject.parse::<ProductId>().ok())
                }
                // A name or a place that changed is that of all products below it.
                "CategoryUpdated" => {
                    if let Ok(category) = event.subject.parse() {
                        products.extend(self.of_category(category).await?);
                    }
                }
                "InventoryReserved" | "InventoryReleased" | "InventoryAdjusted" => variants.extend(variants_of(event)),
                _ => {}
            }
        }
        if variants.is_empty() {
            return Ok(products);
        }
        let variants: Vec<VariantId> = variants.into_iter().collect();
        let available = self.db.scan(move |tx| rows::availability(tx, &variants)).await?;
        let Some(shelf) = feeder.shelf.clone() else {
            return Ok(products);
        };
        let mut strange = Vec::new();
        for (product, now) in available {
            match feeder.written.get(&product) {
                _ if products.contains(&product) => {}
                Some(before) if *before == now => {}
                Some(_) => drop(products.insert(product)),
                None => strange.push((product, now)),
            }
        }
        if !strange.is_empty() {
            products.extend(blocking(move || turned(&shelf, &strange)).await?);
        }
        Ok(products)
    }

    async fn of_category(&self, category: CategoryId) -> Result<Vec<ProductId>, Fault> {
        let (mut all, mut number) = (Vec::new(), 0);
        loop {
            let page = self
                .db
                .scan(move |tx| rows::of_category(tx, category, number, PRODUCTS_MAX as u32))
                .await?;
            all.extend(page.iter().map(|(_, id)| *id));
            match page.last() {
                Some((last, _)) if page.len() == PRODUCTS_MAX => number = *last,
                _ => return Ok(all),
            }
        }
    }

    /// Writes products as they now are, and takes out those that are gone.
    async fn renew(&self, feeder: &mut Feeder, products: BTreeSet<ProductId>) -> Result<(), Fault> {
        let (products, currency) = (products.into_iter().collect::<Vec<_>>(), self.currency);
        for ids in products.chunks(PRODUCTS_MAX) {
            let ids = ids.to_vec();
            let wanted = ids.clone();
            let found = self.db.scan(move |tx| rows::living(tx, &wanted, currency)).await?;
            feeder.written.extend(ids.iter().map(|id| (*id, false)));
            let living = found
                .iter()
                .map(|found| (found.product.id, is_available(&found.product)));
            feeder.written.extend(living);
            feeder
                .write(move |shelf, writer| {
                    for id in ids {
                        writer.delete_term(shelf.term_of(id));
                    }
                    for found in &found {
                        writer.add_document(shelf.document(&found.product, currency))?;
                    }
                    Ok(())
                })
                .await?;
        }
        Ok(())
    }
}

/// The variants that an event of the stock tells of.
fn variants_of(event: &Outgoing) -> Vec<VariantId> {
    let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
    let one = std::iter::once(&data["variantId"]);
    let lines = data["lines"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|line| &line["variantId"]);
    one.chain(lines).filter_map(|id| id.as_str()?.parse().ok()).collect()
}

/// Those of these products of which the index says something else: whether something of them can be had. What it does
/// not have is no concern.
fn turned(shelf: &Shelf, products: &[(ProductId, bool)]) -> Result<Vec<ProductId>, TantivyError> {
    let mut turned = Vec::new();
    for segment in shelf.searcher().segment_readers() {
        let index = segment.inverted_index(shelf.fields.id)?;
        let available = segment.fast_fields().u64(column::AVAILABLE)?;
        for (product, now) in products {
            let Some(mut found) = index.read_postings(&shelf.term_of(*product), IndexRecordOption::Basic)? else {
                continue;
            };
            while found.doc() != TERMINATED {
                let doc = found.doc();
                let is_alive = segment.alive_bitset().is_none_or(|alive| alive.is_alive(doc));
                if is_alive && (available.first(doc) == Some(1)) != *now {
                    turned.push(*product);
                }
                found.advance();
            }
        }
    }
    Ok(turned)
}
