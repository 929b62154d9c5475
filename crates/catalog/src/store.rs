//! The catalogue's rows. All SQL of this service is here and below.
//!
//! Writes take slices and send them as arrays: one statement, whatever the number of rows. Lists live in `lists`,
//! which is the one place that a search engine would replace.

mod audit;
mod cards;
mod exports;
mod lists;
mod products;
mod reservations;
mod shelves;
mod variants;

use store::{Dialect, Error, Tx};

pub use audit::{reservations as audited_reservations, stock_faults};
pub use cards::{CardRow, Wanted, cards, former};
pub use exports::{product_metadata, variant_metadata};
pub use lists::{Filter, From, Listed, Order, list};
pub use products::{
    Found, NewRow, Which, archive, free_handles, handles_taken, insert, kept, product, products, rename, save,
    skus_taken,
};
#[cfg(test)]
pub use reservations::books;
pub use reservations::{hold, load};
pub use shelves::{Change, Stocked, adjust, received, reset, shelf};
pub use variants::{NewVariantRow, archive as archive_variants, insert as insert_variants, save as save_variants};

/// Lets PostgreSQL look at what is in the tables now, after many rows came at once: until it does so by itself, within a
/// minute or so, it plans for tables that are nearly empty, and reads of a product cost ten times what they should.
///
/// # Errors
/// What the engine refuses.
pub fn analyze(tx: &mut Tx<'_>) -> Result<(), Error> {
    match tx.dialect() {
        Dialect::Sqlite => Ok(()), // Plans by what the statement says alone.
        Dialect::Postgres => {
            let sql = "ANALYZE catalog_product, catalog_handle, catalog_variant, catalog_price, catalog_stock";
            tx.run(sql, &[]).map(drop)
        }
    }
}

/// The one price list for now.
const PRICE_LIST: &str = "default";
/// The one place for now.
const LOCATION: &str = "main";
