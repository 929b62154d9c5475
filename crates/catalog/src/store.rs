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

/// The one price list for now.
const PRICE_LIST: &str = "default";
/// The one place for now.
const LOCATION: &str = "main";
