//! Products in and out by file, in Shopify's CSV dialect.
//!
//! A file is laid aside in the database as it comes (`pieces`), then read as a stream on a thread of its own (`shopify`:
//! rows become entries), entries are merged with what the shop has by a pure function (`merge`), and go in by batches,
//! each one transaction (`apply`) that also says how far the import got (`jobs`). What was changed is kept field by
//! field (`change`), so that an import can be taken back (`undo`). What always holds:
//!
//! - a file that is no product file changes nothing; a product with a broken row stays out, the others go in;
//! - the same file again changes nothing, whatever was sold meanwhile: no event, no new version, no stock;
//! - what [`Export`] writes, imported, changes nothing;
//! - memory is bounded, whatever the file: a few batches of products, and 16 bytes for each handle and variant;
//! - an import whose process dies is gone on with, by the next process or by whoever sends the file again, and ends as
//!   if nothing had happened;
//! - an undo restores exactly what was, but for what somebody changed since, which it tells of;
//! - a dry run changes nothing.

mod apply;
mod change;
mod columns;
mod entry;
mod export;
mod http;
mod jobs;
mod merge;
mod pieces;
mod read;
mod records;
mod row;
mod shopify;
mod stage;
mod tasks;
#[cfg(test)]
mod tests;
mod undo;
mod view;

use std::io::Read;

use base::{Currency, ImportId};
use serde_json::json;
use store::Tx;

use crate::{Error, store as rows};

pub(crate) use change::Change;
pub use export::Export;
pub(crate) use http::routes;
pub use jobs::{ImportOptions, Jobs};
pub use stage::FILE_MAX;
pub(crate) use tasks::resume;

use shopify::{Found, Shopify};

/// Reads a file to its end without keeping any of it: how many products are whole, and how many rows are broken. None:
/// it is no product file.
pub(crate) fn counted(from: impl Read, currency: Currency) -> Option<(usize, usize)> {
    let (mut whole, mut broken) = (0, 0);
    for found in Shopify::open(from, currency).ok()? {
        match found.ok()? {
            Found::Product(..) => whole += 1,
            Found::Failed(..) => broken += 1,
            Found::LeftOut(..) => {}
        }
    }
    Some((whole, broken))
}

/// Notes in the audit log what an import, or its undo, did.
fn record(tx: &mut Tx<'_>, id: ImportId) -> Result<(), Error> {
    let row = rows::import(tx, id)?.ok_or(Error::NoSuchImport(id))?;
    let subject = id.to_string();
    let tally = json!({ "created": row.tally.created, "updated": row.tally.updated });
    let (actor, request, deed) = match row.undo_by {
        _ if row.dry_run => return Ok(()),
        Some((actor, request)) => {
            let done = json!({ "restored": row.restored, "kept": row.kept, "force": row.undo_force });
            let deed = bus::Deed {
                action: "product.import.undo",
                subject: &subject,
                before: Some(tally),
                after: Some(done),
            };
            (actor, request, deed)
        }
        None => {
            let deed = bus::Deed {
                action: "product.import",
                subject: &subject,
                before: None,
                after: Some(tally),
            };
            (row.actor, row.request_id, deed)
        }
    };
    Ok(bus::audit(tx, &actor, &request, deed)?)
}

/// The sample catalogue: an ironmonger's shop, in the same dialect. Its first product is a simple one with plenty of
/// stock. Amounts have two decimals, and hold in [`sample`] for every currency.
pub const SAMPLE: &str = include_str!("../sample/products.csv");
/// The columns of [`SAMPLE`] that hold amounts.
const AMOUNTS: [&str; 3] = ["Variant Price", "Variant Compare At Price", "Cost per item"];

/// The sample with amounts that the currency has: 24.90 dollars, 2490 yen.
///
/// # Errors
/// None for the file as it is: its rows are read and written as CSV.
pub fn sample(currency: Currency) -> Result<Vec<u8>, csv::Error> {
    if currency.digits() >= 2 {
        return Ok(SAMPLE.into());
    }
    let mut rows = csv::Reader::from_reader(SAMPLE.as_bytes());
    let head = rows.headers()?.clone();
    let mut whole = csv::Writer::from_writer(Vec::new());
    whole.write_record(&head)?;
    for row in rows.records() {
        let row = row?;
        let fields = head.iter().zip(&row);
        whole.write_record(fields.map(|(column, field)| match AMOUNTS.contains(&column) {
            true => field.replace('.', ""),
            false => field.to_owned(),
        }))?;
    }
    whole.into_inner().map_err(|fault| fault.into_error().into())
}
