//! The catalogue through its own router, on both engines.

mod bulk;
mod categories;
mod currency;
mod desk;
mod holds;
mod imports;
mod lists;
mod products;
mod search;
mod stock;
mod trees;
mod variants;

/// Each case on SQLite in memory and on a PostgreSQL database of its own.
macro_rules! on_both_engines {
    ($($case:ident),* $(,)?) => {
        testkit::on_both! { crate::tests::desk::Desk::open; $($case)* }
    };
}
use on_both_engines;
