//! Products in and out by file, in Shopify's CSV dialect.
//!
//! A file is read as a stream on a thread of its own (`shopify`: rows become entries), entries are merged with what
//! the shop has by a pure function (`merge`), and go in by batches, each one transaction (`apply`). What always
//! holds:
//!
//! - a file that is no product file changes nothing; a product with a broken row stays out, the others go in;
//! - the same file again changes nothing, whatever was sold meanwhile: no event, no new version, no stock;
//! - what [`Export`] writes, imported, changes nothing;
//! - memory is bounded, whatever the file: a few batches of products, and 16 bytes for each handle and variant.
//!
//! No dry run, undo or resuming here: an import that breaks off is simply sent again.

mod apply;
mod columns;
mod entry;
mod export;
mod http;
mod merge;
mod records;
mod row;
mod shopify;
#[cfg(test)]
mod tests;

pub use apply::{ImportOptions, Progress, import};
pub use export::Export;
pub(crate) use http::routes;

/// The sample catalogue: an ironmonger's shop, in the same dialect. Its first product is a simple one with plenty of
/// stock.
pub const SAMPLE: &str = include_str!("../sample/products.csv");
