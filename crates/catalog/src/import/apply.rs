//! Entries become products: a batch is one transaction, decided whole before the first row of it is written.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::sync::Arc;

use api::catalog::{FailedRow, ImportReport, InventoryPolicy, StockMode};
use base::{Currency, ProductId};
use store::{Db, Tx};
use tokio::sync::mpsc;

use super::entry::Entry;
use super::merge::{Merged, is_unchanged, merge};
use super::shopify::{Found, Refused, Shopify};
use crate::actions::{self, By};
use crate::domain::{Kept, choice_key};
use crate::store::Which;
use crate::{Error, store as rows};

/// Products of a batch: enough that a commit hardly counts, few enough that shoppers do not wait behind it.
const BATCH: usize = 200;
/// Bytes of a file that make a batch full before it has [`BATCH`] products; bounds the memory that large ones take.
const BATCH_BYTES: u64 = 2 << 20;
/// Batches that wait for the database while the file is read on.
const BATCHES_WAITING: usize = 1;
/// New products after which the engine plans anew: fewer change nothing about what is best.
const MANY: u64 = 500;
/// How often a batch is tried again while the database has more work than it can take in.
const TRIES: u32 = 100;
/// The wait between those.
const WAIT: std::time::Duration = std::time::Duration::from_millis(50);

/// How to import.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Which quantities are taken.
    pub stock: StockMode,
    /// On whose behalf, for the ledger and the events.
    pub by: By,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the file that have been read.
    pub bytes: u64,
    /// Products that are done, whatever came of them.
    pub products: u64,
    /// Broken rows so far.
    pub failed_rows: u64,
}

/// Imports a product file into the catalogue of `db`; prices are in `currency`. `progress` hears of every batch.
///
/// # Errors
/// [`Error::NoProducts`] when it is no product file: nothing is changed then. [`Error::Unreadable`] and the database's
/// when it breaks off: what went in before stays, and sending the file again goes on from there.
pub async fn import(
    db: &Db,
    currency: Currency,
    from: impl Read + Send + 'static,
    options: ImportOptions,
    mut progress: impl FnMut(Progress),
) -> Result<ImportReport, Error> {
    let (send, mut batches) = mpsc::channel(BATCHES_WAITING);
    let reading = tokio::task::spawn_blocking(move || read(from, currency, &send));
    let mut report = ImportReport::default();
    let mut seen = Seen::default();
    while let Some(batch) = batches.recv().await {
        let Batch {
            entries,
            failed,
            left_out,
            bytes,
        } = batch;
        failed.into_iter().for_each(|row| report.fail(row));
        report.left_out += left_out;
        let mut fresh = Vec::with_capacity(entries.len());
        for entry in entries {
            match seen.note(&entry) {
                Ok(first) => fresh.push((entry, first)),
                Err(row) => count(&mut report, 0, Outcome::Failed(row)),
            }
        }
        let entries = Arc::new(fresh);
        let outcomes = put(db, currency, &options, &entries).await?;
        for ((entry, _), outcome) in entries.iter().zip(outcomes) {
            count(&mut report, entry.variants.len(), outcome);
        }
        let products = report.created + report.updated + report.unchanged + report.left_out;
        progress(Progress {
            bytes,
            products,
            failed_rows: report.failed_rows,
        });
    }
    if report.created >= MANY {
        let done: Result<(), store::Error> = db.write(rows::analyze).await;
        if let Err(fault) = done {
            tracing::info!(%fault, "the tables are looked at later; reads are slower until then");
        }
    }
    match reading.await {
        Ok(Ok(())) => Ok(report),
        Ok(Err(Refused::NoProducts(reason))) => Err(Error::NoProducts(reason)),
        Ok(Err(Refused::Unreadable(fault))) => Err(Error::Unreadable(fault.to_string())),
        Err(fault) => match fault.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(fault) => Err(Error::Unreadable(fault.to_string())),
        },
    }
}

/// What is read in one go.
#[derive(Default)]
struct Batch {
    entries: Vec<Entry>,
    failed: Vec<FailedRow>,
    left_out: u64,
    bytes: u64,
}

/// Reads the file, on a thread that may block. Ends early when nobody listens any more.
fn read(from: impl Read, currency: Currency, to: &mpsc::Sender<Batch>) -> Result<(), Refused> {
    let mut file = Shopify::open(from, currency)?;
    let mut batch = Batch::default();
    let mut handles: HashSet<String> = HashSet::new();
    let mut sent = 0;
    loop {
        let found = file.next().transpose()?;
        let full = batch.entries.len() >= BATCH || batch.failed.len() >= BATCH || file.bytes() - sent > BATCH_BYTES;
        // A handle stands once in a batch, so that a batch can be decided whole.
        let again = matches!(&found, Some(Found::Product(entry)) if handles.contains(entry.handle.as_str()));
        if full || again || found.is_none() {
            sent = file.bytes();
            let full = std::mem::take(&mut batch);
            handles.clear();
            if to.blocking_send(Batch { bytes: sent, ..full }).is_err() {
                return Ok(());
            }
        }
        match found {
            None => return Ok(()),
            Some(Found::Product(entry)) => {
                handles.insert(entry.handle.as_str().to_owned());
                batch.entries.push(*entry);
            }
            Some(Found::LeftOut) => batch.left_out += 1,
            Some(Found::Failed(row)) => batch.failed.push(row),
        }
    }
}

/// What stood in the file already, as hashes: a collision among a million is less likely than a broken disk.
#[derive(Default)]
struct Seen {
    hasher: RandomState,
    handles: HashSet<u64>,
    variants: HashSet<u64>,
}

impl Seen {
    /// Notes an entry; answers whether its handle is new. A variant that stood further up would change back and
    /// forth with every import of the file.
    fn note(&mut self, entry: &Entry) -> Result<bool, Box<FailedRow>> {
        let handle = entry.handle.as_str();
        for variant in &entry.variants {
            if !self
                .variants
                .insert(self.hasher.hash_one((handle, choice_key(&variant.values))))
            {
                let reason = "the handle stands further up already, with the same variant".to_owned();
                return Err(Box::new(FailedRow {
                    line: variant.line,
                    handle: Some(handle.to_owned()),
                    reason,
                }));
            }
        }
        Ok(self.handles.insert(self.hasher.hash_one(handle)))
    }
}

/// What came of an entry.
enum Outcome {
    Created,
    Updated,
    Unchanged,
    Failed(Box<FailedRow>),
}

fn count(report: &mut ImportReport, variants: usize, outcome: Outcome) {
    match outcome {
        Outcome::Created => report.created += 1,
        Outcome::Updated => report.updated += 1,
        Outcome::Unchanged => report.unchanged += 1,
        Outcome::Failed(row) => {
            report.left_out += 1;
            report.fail(*row);
            return;
        }
    }
    report.variants += variants as u64;
}

type Entries = Arc<Vec<(Entry, bool)>>;

/// Puts a batch in; when its entries stand in each other's way, one by one.
async fn put(db: &Db, currency: Currency, options: &ImportOptions, entries: &Entries) -> Result<Vec<Outcome>, Error> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    match put_together(db, currency, options, entries, 0..entries.len()).await {
        Ok(outcomes) => return Ok(outcomes),
        Err(fault) if refusal(&fault).is_some() => {}
        Err(fault) => return Err(fault),
    }
    let mut outcomes = Vec::with_capacity(entries.len());
    for place in 0..entries.len() {
        match put_together(db, currency, options, entries, place..place + 1).await {
            Ok(one) => outcomes.extend(one),
            Err(fault) => {
                let Some(reason) = refusal(&fault) else {
                    return Err(fault);
                };
                let entry = &entries[place].0;
                let handle = Some(entry.handle.as_str().to_owned());
                outcomes.push(Outcome::Failed(Box::new(FailedRow {
                    line: entry.line,
                    handle,
                    reason,
                })));
            }
        }
    }
    Ok(outcomes)
}

/// Why an entry was refused, if the fault is the entry's and not the database's.
fn refusal(fault: &Error) -> Option<String> {
    match fault {
        Error::Store(store::Error::Duplicate(_)) => Some("its handle or a SKU is taken".into()),
        // Entries that mean the same product, or somebody who changes it all the time.
        Error::Store(store::Error::Conflict) => Some("somebody else changed the product at the same time".into()),
        Error::SkuTaken(_) | Error::HandleTaken(_) | Error::StockReserved { .. } => Some(fault.to_string()),
        _ => None,
    }
}

async fn put_together(
    db: &Db,
    currency: Currency,
    options: &ImportOptions,
    entries: &Entries,
    some: std::ops::Range<usize>,
) -> Result<Vec<Outcome>, Error> {
    let mut tries = 0;
    loop {
        let (entries, options, some) = (Arc::clone(entries), options.clone(), some.clone());
        let done = db
            .write(move |tx| apply(tx, currency, &options, &entries[some.clone()]))
            .await;
        match done {
            // Shoppers go first; an import can wait.
            Err(Error::Store(store::Error::Busy)) if tries < TRIES => tokio::time::sleep(WAIT).await,
            done => return done,
        }
        tries += 1;
    }
}

/// Decides all entries, then writes: changes one by one, new products together. Each handle stands once.
fn apply(
    tx: &mut Tx<'_>,
    currency: Currency,
    options: &ImportOptions,
    entries: &[(Entry, bool)],
) -> Result<Vec<Outcome>, Error> {
    let kept = known(tx, currency, entries)?;
    let mut merged = Vec::with_capacity(entries.len());
    for (entry, first) in entries {
        let kept = kept.get(entry.handle.as_str());
        merged.push(merge(entry.clone(), kept, *first, options.stock).map(|merged| (merged, kept)));
    }
    let plans: Vec<(&Merged, Option<&Kept>)> = merged
        .iter()
        .flatten()
        .map(|(merged, kept)| (merged, *kept))
        .filter(|(new, old)| differs(new, *old))
        .collect();
    let mut skus = Skus::load(tx, &plans)?;

    let (mut outcomes, mut fresh) = (Vec::with_capacity(entries.len()), Vec::new());
    for ((entry, _), merged) in entries.iter().zip(merged) {
        let (merged, kept) = match merged {
            Ok((merged, kept)) if differs(&merged, kept) => (merged, kept),
            Ok(_) => {
                outcomes.push(Outcome::Unchanged);
                continue;
            }
            Err(row) => {
                outcomes.push(Outcome::Failed(row));
                continue;
            }
        };
        let hurdle = skus
            .hurdle(&merged, kept)
            .or_else(|| kept.and_then(|kept| stock_hurdle(&merged, kept)));
        outcomes.push(match (hurdle, kept) {
            (Some((line, reason)), _) => {
                let handle = Some(entry.handle.as_str().to_owned());
                Outcome::Failed(Box::new(FailedRow {
                    line: line.unwrap_or(entry.line),
                    handle,
                    reason,
                }))
            }
            (None, Some(kept)) => {
                actions::revise(tx, &options.by, currency, kept, merged.draft)?;
                for (variant, pieces, _) in merged.counted {
                    actions::put_stock(tx, &options.by, variant, pieces)?;
                }
                Outcome::Updated
            }
            (None, None) => {
                fresh.push(merged.draft);
                Outcome::Created
            }
        });
    }
    actions::create_all(tx, &options.by, currency, fresh)?;
    Ok(outcomes)
}

fn differs(merged: &Merged, kept: Option<&Kept>) -> bool {
    kept.is_none_or(|kept| !is_unchanged(merged, kept))
}

/// The products that the entries mean, by the handle that they use: the one it has, or one that it had before, so
/// that a product which was renamed in the shop is not made anew.
fn known(tx: &mut Tx<'_>, currency: Currency, entries: &[(Entry, bool)]) -> Result<HashMap<String, Kept>, Error> {
    let handles: Vec<_> = entries.iter().map(|(entry, _)| entry.handle.clone()).collect();
    let found = rows::kept(tx, Which::Handles(&handles), currency)?;
    let mut known: HashMap<String, Kept> = found
        .into_iter()
        .map(|kept| (kept.facts.handle.as_str().to_owned(), kept))
        .collect();
    let strange: Vec<String> = handles
        .iter()
        .map(|handle| handle.as_str().to_owned())
        .filter(|handle| !known.contains_key(handle))
        .collect();
    if strange.is_empty() {
        return Ok(known);
    }
    let former = rows::former(tx, &strange)?;
    if former.is_empty() {
        return Ok(known);
    }
    let handles = former.len();
    let former: HashMap<ProductId, String> = former.into_iter().map(|(handle, id)| (id, handle)).collect();
    let mut twice = former.len() < handles || known.values().any(|kept| former.contains_key(&kept.id));
    let ids: Vec<ProductId> = former.keys().copied().collect();
    for kept in rows::kept(tx, Which::Ids(&ids), currency)? {
        if let Some(handle) = former.get(&kept.id) {
            twice |= known.insert(handle.clone(), kept).is_some();
        }
    }
    if twice {
        // Two entries mean one product: they go in one after the other.
        return Err(Error::Store(store::Error::Conflict));
    }
    Ok(known)
}

/// Who has the SKUs that a batch wants.
struct Skus {
    taken: HashMap<String, base::VariantId>,
    claimed: HashSet<String>,
}

impl Skus {
    fn load(tx: &mut Tx<'_>, plans: &[(&Merged, Option<&Kept>)]) -> Result<Self, Error> {
        let mut wanted = Vec::new();
        for (merged, kept) in plans {
            let old: HashSet<_> = kept
                .iter()
                .flat_map(|kept| &kept.variants)
                .map(|old| &old.facts.sku)
                .collect();
            let new = merged.draft.variants.iter().map(|variant| &variant.facts.sku);
            wanted.extend(
                new.filter(|sku| !old.contains(sku))
                    .flatten()
                    .map(|sku| sku.as_str().to_owned()),
            );
        }
        let taken = if wanted.is_empty() {
            Vec::new()
        } else {
            rows::skus_taken(tx, &wanted)?
        };
        Ok(Self {
            taken: taken.into_iter().collect(),
            claimed: HashSet::new(),
        })
    }

    /// What stands in the way of a product's SKUs, with the line to blame.
    fn hurdle(&mut self, merged: &Merged, kept: Option<&Kept>) -> Option<(Option<u64>, String)> {
        for (place, variant) in merged.draft.variants.iter().enumerate() {
            let Some(sku) = variant.facts.sku.as_ref().map(base::Sku::as_str) else {
                continue;
            };
            let own = |id| kept.is_some_and(|kept| kept.variants.iter().any(|variant| variant.id == id));
            let free = self.taken.get(sku).is_none_or(|id| own(*id));
            if !free || !self.claimed.insert(sku.to_owned()) {
                let line = merged.lines.get(place).copied().flatten();
                return Some((line, format!("the SKU {sku:?} stands at another variant already")));
            }
        }
        None
    }
}

/// What stands in the way of the stock that a file says was counted, or of refusing orders beyond it.
fn stock_hurdle(merged: &Merged, kept: &Kept) -> Option<(Option<u64>, String)> {
    for ((old, new), line) in kept.variants.iter().zip(&merged.draft.variants).zip(&merged.lines) {
        if new.facts.inventory_policy == InventoryPolicy::Continue {
            continue;
        }
        if old.reserved > old.on_hand {
            return Some((
                *line,
                format!("{} of {} pieces are reserved for orders", old.reserved, old.on_hand),
            ));
        }
        if let Some((_, pieces, line)) = merged.counted.iter().find(|(id, ..)| *id == old.id)
            && *pieces < old.reserved
        {
            let reason = format!(
                "{} pieces are reserved for orders, so {pieces} cannot be left",
                old.reserved
            );
            return Some((Some(*line), reason));
        }
    }
    None
}

/// A reader whose bytes come from asynchronous code; an error there breaks it off.
pub(super) struct Chunks {
    pub from: mpsc::Receiver<io::Result<axum::body::Bytes>>,
    pub rest: axum::body::Bytes,
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.from.blocking_recv() {
                Some(chunk) => self.rest = chunk?,
                None => return Ok(0),
            }
        }
        let count = into.len().min(self.rest.len());
        into[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}
