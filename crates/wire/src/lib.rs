//! How services call each other: the same HTTP types whether the peer is a router in this process
//! or a pool of connections to another one.
//!
//! A call carries its context ([`Cx`]): request id, trace, deadline, and who caused it. What went
//! wrong comes back as a [`Problem`], in every shape. Nothing outside this crate knows where a peer is.

mod call;
mod cx;
mod peer;
mod problem;

pub use call::{Call, RETRIES_MAX};
pub use cx::{ANONYMOUS, Cx, header};
pub use peer::{Badge, Late, Peer};
pub use problem::{FieldFault, Problem};
