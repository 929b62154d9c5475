//! Reads Shopify's product CSV as a stream: [`Entry`]s as they complete, and the rows that are broken.
//!
//! Columns go by name. The rows of a product stand together: the one with the title tells of the product, its first
//! variant and first picture, each later one of a further variant, a further picture or both. Columns that the shop
//! has no field for speak of whom their row speaks of; on a row of a picture alone nobody reads them. What always holds:
//!
//! - a product with a broken row is left out whole, and all its broken rows are told, each with its line; a half
//!   product in the shop would be found by customers, the report by the clerk;
//! - a row without a handle belongs to nobody, is told and harms nobody;
//! - one product and one row are in memory at a time, both of bounded size;
//! - no bytes make it panic, and only a first line that is no header makes it refuse the file.
//!
//! A row whose quotes do not close is told by the line where they open, and costs that row only. Cells are cut of
//! surrounding space. An empty inventory tracker counts as tracked.

use std::collections::VecDeque;
use std::io::{self, Read};

use api::catalog::RejectedRow;
use base::{Currency, Handle};
use csv::ByteRecord;

use super::columns::{Column, Columns};
use super::entry::{Entry, Finished, Gathering};
use super::read::Raw;
use super::records::{Next, Records};
use super::row::Row;

/// Why a file is not read at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// It is no product file; the sentence says why.
    #[error("{0}")]
    NoProducts(String),
    /// It cannot be read further.
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// What comes out of a file.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    /// A product whose rows are all sound, and these.
    Product(Box<Entry>, Vec<Raw>),
    /// A product with broken rows, which have been told, and its sound ones.
    LeftOut(String, Vec<Raw>),
    /// A broken row.
    Failed(RejectedRow, Raw),
}

/// A file while it is read.
pub(crate) struct Shopify<R> {
    records: Records<R>,
    record: ByteRecord,
    columns: Columns,
    header: Vec<String>,
    rows: u64,
    currency: Currency,
    gathering: Option<Gathering>,
    ready: VecDeque<Found>,
    ended: bool,
}

impl<R: Read> Shopify<R> {
    /// Reads the header. Prices are in `currency`. Errors: no header with a column `Handle`, nothing to read.
    pub(crate) fn open(from: R, currency: Currency) -> Result<Self, Refused> {
        let mut records = Records::new(from);
        let mut record = ByteRecord::new();
        loop {
            match records.next(&mut record)? {
                Next::Record(_) if is_blank(&record) => {}
                Next::Record(_) => break,
                Next::Broken { reason, .. } => return Err(Refused::NoProducts(format!("the first line: {reason}"))),
                Next::End => return Err(Refused::NoProducts("the file is empty".into())),
            }
        }
        let columns = Columns::read(record.iter()).map_err(Refused::NoProducts)?;
        let raw = Raw {
            line: 1,
            cells: record.clone(),
        };
        let header = raw.texts();
        Ok(Self {
            records,
            record,
            columns,
            header,
            rows: 0,
            currency,
            gathering: None,
            ready: VecDeque::new(),
            ended: false,
        })
    }

    /// The first line.
    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    /// Rows below the header so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes read so far, for a progress bar.
    pub(crate) fn bytes(&self) -> u64 {
        self.records.bytes()
    }

    /// Bytes held in memory, which are bounded.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.records.held()
    }

    fn advance(&mut self) -> io::Result<()> {
        match self.records.next(&mut self.record)? {
            Next::Record(line) => self.take(line),
            Next::Broken { line, reason } => {
                self.rows += 1;
                let handle = self.handle().ok();
                if let Some(handle) = &handle {
                    self.turn_to(handle, line);
                }
                self.fail(RejectedRow {
                    line,
                    handle: handle.map(|handle| handle.to_string()),
                    reason,
                });
            }
            Next::End => {
                self.ended = true;
                self.finish();
            }
        }
        Ok(())
    }

    fn take(&mut self, line: u64) {
        if is_blank(&self.record) {
            return;
        }
        self.rows += 1;
        let handle = match self.handle() {
            Ok(handle) => handle,
            Err(reason) => {
                let row = RejectedRow {
                    line,
                    handle: None,
                    reason,
                };
                return self.fail(row);
            }
        };
        self.turn_to(&handle, line);
        let Some(gathering) = &mut self.gathering else {
            return;
        };
        let read = Row::new(&self.columns, &self.record, line, self.currency).and_then(|row| row.gather(gathering));
        match read {
            Ok(()) => gathering.keep(Raw {
                line,
                cells: self.record.clone(),
            }),
            Err(reason) => self.fail(RejectedRow {
                line,
                handle: Some(handle.to_string()),
                reason,
            }),
        }
    }

    fn handle(&self) -> Result<Handle, String> {
        let cell = self
            .columns
            .place(Column::Handle)
            .and_then(|place| self.record.get(place))
            .unwrap_or_default();
        let text = std::str::from_utf8(cell)
            .map_err(|_| "the cell Handle is no text in UTF-8")?
            .trim();
        if text.is_empty() {
            return Err("the handle is missing".into());
        }
        Handle::new(&text.to_lowercase()).map_err(|fault| fault.to_string())
    }

    /// Ends the product before, if these rows are of another one.
    fn turn_to(&mut self, handle: &Handle, line: u64) {
        if self
            .gathering
            .as_ref()
            .is_none_or(|gathering| gathering.handle() != handle.as_str())
        {
            self.finish();
            self.gathering = Some(Gathering::new(handle.clone(), line));
        }
    }

    fn finish(&mut self) {
        match self.gathering.take().map(Gathering::finish) {
            None => {}
            Some(Finished::Product(entry, rows)) => self.ready.push_back(Found::Product(entry, rows)),
            Some(Finished::Broken(handle, rows)) => self.ready.push_back(Found::LeftOut(handle, rows)),
            Some(Finished::Wrong(row, mut rows)) => {
                let at = rows.iter().position(|raw| raw.line == row.line);
                let handle = row.handle.clone().unwrap_or_default();
                if !rows.is_empty() {
                    let raw = rows.remove(at.unwrap_or(0));
                    self.ready.push_back(Found::Failed(row, raw));
                }
                self.ready.push_back(Found::LeftOut(handle, rows));
            }
        }
    }

    fn fail(&mut self, row: RejectedRow) {
        if let (Some(gathering), Some(_)) = (&mut self.gathering, &row.handle) {
            gathering.broken();
        }
        let raw = Raw {
            line: row.line,
            cells: self.record.clone(),
        };
        self.ready.push_back(Found::Failed(row, raw));
    }
}

impl<R: Read> Iterator for Shopify<R> {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<io::Result<Found>> {
        loop {
            if let Some(found) = self.ready.pop_front() {
                return Some(Ok(found));
            }
            if self.ended {
                return None;
            }
            if let Err(fault) = self.advance() {
                self.ended = true;
                return Some(Err(fault));
            }
        }
    }
}

fn is_blank(record: &ByteRecord) -> bool {
    record.iter().all(|cell| cell.trim_ascii().is_empty())
}
