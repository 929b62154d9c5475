//! Identity through its own router, on SQLite in memory and on PostgreSQL, with the clock in hand.

mod accounts;
mod arrivals;
mod crew;
mod devices;
mod guests;
mod house;
mod machines;
mod passwords;
mod sessions;
mod tries;

/// Each case on SQLite in memory and on a PostgreSQL database of its own.
macro_rules! on_both {
    ($($case:ident)*) => {
        testkit::on_both! { crate::tests::house::House::open; $($case)* }
    };
}
pub(crate) use on_both;
