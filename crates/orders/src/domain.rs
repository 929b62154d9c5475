//! The rules of an order: what it holds, which ways it may go, and the process that brings it to rest.
//!
//! Values in, values out. Nothing here waits, reads a clock or knows of a database.

pub mod letter;
mod order;
mod process;
#[cfg(test)]
mod process_tests;
mod totals;

pub use order::{Change, Illegal, Line, Order, OrderEvent, Placing, REASONS, Refusal, SoFar, Stays};
pub use process::{Outcome, Step, Written, apply, next};
pub use totals::{Totals, total};
