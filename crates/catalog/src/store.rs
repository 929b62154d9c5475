//! The catalogue's rows. All SQL of this service is here and below.
//!
//! Writes take slices and send them as arrays: one statement, whatever the number of rows. Lists live in `lists`,
//! which is the one place that a search engine would replace.

mod audit;
mod cards;
mod categories;
mod currency;
mod exports;
mod imports;
mod listing;
mod lists;
mod products;
mod reservations;
mod search;
mod shelves;
mod variants;

use store::{Dialect, Error, Tx};

#[cfg(test)]
pub use audit::ledger;
pub use audit::{reservations as audited_reservations, stock_faults};
pub use cards::{CardRow, Wanted, cards, former};
pub use categories::{
    Categories, categories, children, count_categories, count_children, held_categories, insert_categories, raise_tree,
    remove_category, save_categories, tree_version, with_children,
};
pub use currency::keep_currency;
pub use exports::{Exported, exported, product_metadata, variant_metadata};
#[cfg(test)]
pub use imports::count_pieces;
pub use imports::{
    ChangeRow, Changes, ImportRow, NewChange, NewRejected, Reached, TakenBack, Tally, advance, begin_anew, begin_undo,
    changes, claim, complete, count, drop_pieces, fail, forget_import, give_up, has_old_pieces, import, imports,
    insert_import, left_behind, old_imports, piece, put_changes, put_header, put_piece, put_rejected, put_undone,
    rejected, release_import, seal, sweep_import, unfinished,
};
pub use listing::{
    Listing, count_listed, new_labels, place, put_listings, relabel, tag_labels, tags, take_listing, unplaced,
};
#[cfg(test)]
pub use listing::{forget_places, listed_books};
pub use lists::{Filter, From, Listed, Order, Shows, list};
pub use products::{
    Found, NewRow, Which, archive, free_handles, handles_taken, insert, kept, product, products, rename, save,
    skus_taken,
};
#[cfg(test)]
pub use reservations::books;
pub use reservations::{hold, load};
#[cfg(test)]
pub use search::rename_table;
pub use search::{availability, category_keys, living, living_after, living_count, of_category};
pub use shelves::{Change, Stocked, adjust, movements, received, reset, shelf};
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
            let sql = "ANALYZE catalog_product, catalog_handle, catalog_variant, catalog_price, catalog_stock, \
                       catalog_category, catalog_tag, catalog_listing";
            tx.run(sql, &[]).map(drop)
        }
    }
}

/// The one price list for now.
const PRICE_LIST: &str = "default";
/// The one place for now.
const LOCATION: &str = "main";
