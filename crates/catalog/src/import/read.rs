//! Reads a file on a thread that may block, and hands it on in batches: numbered items, so that whoever goes on after
//! a crash knows where.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};

use api::catalog::RejectedRow;
use axum::body::Bytes;
use base::Currency;
use csv::ByteRecord;
use tokio::sync::mpsc;

use super::entry::Entry;
use super::shopify::{Found, Refused, Shopify};
use crate::domain::choice_key;
use crate::store::Reached;

/// Items of a batch: enough that a commit hardly counts, few enough that shoppers do not wait behind it.
const BATCH: usize = 200;
/// Bytes of a file that make a batch full before it has [`BATCH`] items; bounds the memory that large ones take.
const BATCH_BYTES: u64 = 2 << 20;

/// A row as it stood in the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Raw {
    /// The line it begins on.
    pub line: u64,
    /// Its cells.
    pub cells: ByteRecord,
}

impl Raw {
    /// The cells as text; what is none is replaced.
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |cell| String::from_utf8_lossy(cell).into_owned();
        self.cells.iter().map(text).collect()
    }
}

/// What a file consists of: products and rows of nobody, counted from 1.
pub(super) struct Item {
    pub number: i64,
    pub found: Sorted,
}

/// What an item is.
pub(super) enum Sorted {
    /// A product whose rows are sound; `first` unless its handle stood further up.
    Product {
        entry: Box<Entry>,
        rows: Vec<Raw>,
        first: bool,
    },
    /// The same, with a row that stands in the way.
    Refused {
        handle: String,
        rows: Vec<Raw>,
        row: RejectedRow,
    },
    /// The sound rows of a product that has broken ones, which were told.
    LeftOut { handle: String, rows: Vec<Raw> },
    /// A broken row.
    Broken { row: RejectedRow, raw: Raw },
}

/// What is read in one go.
#[derive(Default)]
pub(super) struct Batch {
    /// The file's first line, with the first batch.
    pub header: Option<Vec<String>>,
    pub items: Vec<Item>,
    pub reached: Reached,
}

/// Reads the file and sends what comes after item `done`. Ends early when nobody listens any more.
pub(super) fn read(from: impl Read, currency: Currency, done: i64, to: &mpsc::Sender<Batch>) -> Result<(), Refused> {
    let mut file = Shopify::open(from, currency)?;
    let mut batch = Batch {
        header: Some(file.header().to_vec()),
        ..Batch::default()
    };
    let mut handles: HashSet<String> = HashSet::new();
    let mut seen = Seen::default();
    let (mut sent, mut number) = (0, 0);
    loop {
        let found = file.next().transpose()?;
        let full = batch.items.len() >= BATCH || file.bytes() - sent > BATCH_BYTES;
        // A handle stands once in a batch, so that a batch can be decided whole.
        let again = matches!(&found, Some(Found::Product(entry, _)) if handles.contains(entry.handle.as_str()));
        if full || again || found.is_none() {
            sent = file.bytes();
            let full = std::mem::take(&mut batch);
            handles.clear();
            let reached = Reached {
                bytes: sent as i64,
                items: number,
                rows: file.rows() as i64,
            };
            let worth = number > done || found.is_none();
            if worth && to.blocking_send(Batch { reached, ..full }).is_err() {
                return Ok(());
            }
        }
        let Some(found) = found else { return Ok(()) };
        if let Found::Product(entry, _) = &found {
            handles.insert(entry.handle.as_str().to_owned());
        }
        let found = seen.sort(found);
        number += 1;
        if number > done {
            batch.items.push(Item { number, found });
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
    /// Notes a product: whether its handle is new here. A variant that stood further up would change back and forth
    /// with every import of the file.
    fn sort(&mut self, found: Found) -> Sorted {
        let (entry, rows) = match found {
            Found::Product(entry, rows) => (entry, rows),
            Found::LeftOut(handle, rows) => return Sorted::LeftOut { handle, rows },
            Found::Failed(row, raw) => return Sorted::Broken { row, raw },
        };
        let handle = entry.handle.as_str();
        for variant in &entry.variants {
            let variant_hash = self.hasher.hash_one((handle, choice_key(&variant.values)));
            if !self.variants.insert(variant_hash) {
                let row = RejectedRow {
                    line: variant.line,
                    handle: Some(handle.to_owned()),
                    reason: "the handle stands further up already, with the same variant".to_owned(),
                };
                let handle = handle.to_owned();
                return Sorted::Refused { handle, rows, row };
            }
        }
        let first = self.handles.insert(self.hasher.hash_one(handle));
        Sorted::Product { entry, rows, first }
    }
}

/// A reader whose bytes come from asynchronous code; an error there breaks it off.
pub(super) struct Chunks {
    pub from: mpsc::Receiver<io::Result<Bytes>>,
    pub rest: Bytes,
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
