//! SQL for every service: one text, two engines.
//!
//! ```text
//! let order = db.read(move |tx| store::order(tx, id)).await?;
//! db.write(move |tx| {
//!     tx.run("UPDATE orders_order SET state = $2 WHERE id = $1", &args![id, "confirmed"])?;
//!     tx.emit(confirmed(&order))
//! }).await?;
//! ```
//!
//! A [`Db`] runs plain synchronous closures over a [`Tx`], so that nobody can call another service between begin
//! and commit. [`Db::read`] and [`Db::scan`] see one moment and can't write; [`Db::write`] joins a group that one
//! commit answers; a [`Combiner`] lets hot actions decide over slices. What must always hold:
//!
//! - an answer leaves only after its commit is on disk;
//! - a closure that errs or panics leaves nothing behind and hurts no neighbour;
//! - events ([`Tx::emit`]) commit with the rows they tell of, and are numbered in the order of commits;
//! - a call with a key ([`Db::write_once`]) has its effect once;
//! - every queue is bounded, and full means [`Error::Busy`] at once.
//!
//! Tables of our own, per service: `_migration`, `_once`, `_outbox`, `_cursor`, `_lease`, `_counter`, `_dead`.
//! Time and ids come from the app. SQL is the portable subset: `$1…`, TEXT and BIGINT, `ON CONFLICT`, `RETURNING`,
//! guards in the `WHERE`, `= ANY($1)` for arrays.

mod combiner;
mod db;
mod error;
mod file;
mod group;
mod job;
mod migrate;
mod once;
mod outbox;
mod own;
mod postgres;
mod queue;
mod rows;
mod server;
mod settings;
mod shared;
mod sqlite;
mod tx;
mod value;

pub use combiner::Combiner;
pub use db::Db;
pub use error::{Error, OpenError};
pub use migrate::Migration;
pub use once::{Answered, Once, keep, recall, seen, seen_all, sweep_once};
pub use outbox::{
    Dead, Outgoing, SWEEP_MAX, Stored, bury, cursor, dead, dead_letter, lease, move_cursor, outbox_after, outbox_last,
    release, rewind_cursor, sweep_outbox, unbury,
};
pub use rows::{RowColumn, Rows};
pub use settings::{Dialect, Engine, Settings};
pub use shared::Figures;
pub use tx::{EVENTS_MAX, NUMBERS_MAX, Row, Tx};
pub use value::{Cell, Column, Value, texts};
