//! Events: from a service's outbox to those who subscribe, each with its effect once.
//!
//! A service emits with `tx.emit`; the rows lie in its outbox when the transaction commits. Its [`relay`] posts
//! them in batches to every subscriber's `/internal/events`, keeps a cursor for each, and so never lets a dead
//! one hold up the others. A subscriber declares an [`inbox`]: the harness writes `(consumer, event id)` in the
//! transaction of the effect, so that a batch may come as often as it likes. An event that a consumer cannot
//! take in is tried again with growing waits, then laid among the dead letters, so that it is neither lost nor
//! in the way; an operator sees them there and has them tried once more (`ironmonger deadletters`). [`sweep`] forgets
//! what is old.
//!
//! Nobody may rely on the order of arrival between subjects; within one, compare `sequence`.

mod audit;
mod inbox;
mod relay;
mod sweep;

#[cfg(test)]
mod tests;

pub use audit::{Deed, audit};
pub use inbox::{Inbox, TRIES_MAX, inbox, inbox_of_batches};
pub use relay::relay;
pub use sweep::{KEEP_CALLS, KEEP_EVENTS, sweep};
