//! Cart through its own router, on both engines.

mod between;
mod changes;
mod keeping;
mod people;
mod refusals;
mod shelf;
mod shop;
mod slices;

/// Each case on SQLite in memory and on a PostgreSQL database of its own.
macro_rules! on_both {
    ($($case:ident)*) => {
        testkit::on_both! { crate::tests::shop::Shop::open; $($case)* }
    };
}
pub(crate) use on_both;
