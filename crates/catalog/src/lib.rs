//! Catalog: products, variants, prices, stock and what is reserved of it.
//!
//! Owns what can be bought and how much of it there is.
//!
//! - Tables: `catalog_product`, `catalog_handle` (handles of before), `catalog_variant`, `catalog_price`,
//!   `catalog_stock`, `catalog_movement` (the stock's ledger), `catalog_reservation` (one row per order);
//!   `catalog_import` with `catalog_import_piece`, `catalog_import_row` and `catalog_import_change` (imports, their
//!   files while they run, rows that stayed out, and what an undo needs); `catalog_currency` (what prices are in).
//! - Events out, each with a sequence of its own subject: `ProductCreated`, `ProductUpdated`, `ProductArchived`
//!   (subject: the product; sequence: its catalogue version); `InventoryReserved`, `InventoryReleased` (subject: the
//!   order; sequence: the reservation's version, 1 and 2); `InventoryAdjusted` (subject: the variant; sequence: the
//!   number of its adjustments). In: none. Settling tells nothing: `OrderConfirmed` does. The first pieces of a new
//!   variant are `received` in the ledger, and no adjustment.
//! - Asks nobody.
//!
//! Always holds, and can be derived from the ledger: on hand = received ± adjusted (or set) − settled + restocked;
//! reserved = the sum of live reservations; 0 ≤ reserved ≤ on hand. Two kinds of variant bend it, and no other:
//! - one whose stock is not tracked is never short: its reservations are kept with lines that are not counted, and
//!   move no stock, so the rule holds for what is counted;
//! - one whose policy is `continue` may be reserved beyond what is on hand, which may then go below zero
//!   (`oversell` in its row; the table's CHECK allows exactly that). It becomes `deny` again only when enough is there.
//!
//! A product is written under its catalogue version, a stock row under its stock version; a product's tag names both
//! apart. SKUs and handles are unique among the living. What is archived stays, since orders name it.
//!
//! `reserve`, `settle` and `undo` are keyed by the order and go through one combiner: a batch is two reads and four
//! writes at most, whatever its size, decided by a pure function in order of arrival. Nothing expires here: orders
//! decides.

pub mod actions;
pub mod domain;
mod error;
mod http;
pub mod import;
pub mod search;
mod store;
pub mod strangers;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use ::store::{Combiner, Db, Migration};
use base::Currency;

pub use error::{Choice, Error};

/// The tables, in the order in which they came to be.
pub const MIGRATIONS: &[Migration] =
    ::store::migrations!("0001_catalog", "0002_categories", "0003_imports", "0004_currency");

/// What can be set. The limits are constants with their reasons.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The folder of this process's search index; in memory without. Nobody else writes there.
    pub search: Option<PathBuf>,
}

/// Why the catalogue does not start.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StartFault {
    /// The database refused.
    #[error(transparent)]
    Store(#[from] ::store::Error),
    /// The prices are in another currency than the settings say.
    #[error(
        "the prices of this shop are in {kept}, but `shop.currency` says {asked}; set it to {kept}, or begin another shop in a data folder or database of its own"
    )]
    OtherCurrency {
        /// The code of what the prices are in.
        kept: String,
        /// What the settings say.
        asked: Currency,
    },
}

/// What every action of the catalogue stands on.
pub struct App {
    db: Db,
    currency: Currency,
    holds: Combiner<domain::Asked, (), Error>,
    kept: http::Kept,
    search: Arc<search::Search>,
    imports: Arc<import::Jobs>,
}

/// Builds the service on its opened database.
///
/// # Errors
/// [`StartFault::OtherCurrency`]; the database's, while products of before the tree of categories get their place in it.
pub async fn build(deps: serve::Deps, db: Db, config: Config) -> Result<serve::Part, StartFault> {
    let deps = deps.of("catalog");
    actions::keep_currency(&db, deps.shop.currency).await?;
    let adopted = actions::adopt(&db).await?;
    if adopted > 0 {
        tracing::info!(
            adopted,
            "products of before the tree of categories have their place in it"
        );
    }
    let search = search::Search::new(db.clone(), deps.shop.currency, config.search, deps.stop.clone());
    let following = search.task();
    let imports = Arc::new(import::Jobs::new(&db, deps.shop.currency, deps.stop.clone()));
    let resuming = import::resume(Arc::clone(&imports));
    let app = App {
        db: db.clone(),
        currency: deps.shop.currency,
        holds: actions::combiner(&db),
        kept: http::Kept::default(),
        search,
        imports,
    };
    let routes = http::routes().finish(Arc::new(app));
    Ok(serve::Part::new("catalog", &deps, routes, Some(db))
        .task(following)
        .task(resuming))
}
