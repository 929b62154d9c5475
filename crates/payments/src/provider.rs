//! The seam to payment providers: an open set, so a small trait. An adapter speaks to its provider and says what
//! came of it; it keeps no rows and decides nothing.
//!
//! What every provider must do: honour keys (the same key twice is one charge, one refund), give each key one
//! final outcome, and be able to void a key so that nothing is captured by it any more.

use api::payments::Failure;
use base::{AttemptId, Money, RefundId, Time};
use futures_util::future::BoxFuture;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use wire::Cx;

use crate::domain::Outcome;
use crate::signature::Unsigned;

/// A charge to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Ours; the provider honours it.
    pub key: AttemptId,
    /// How much.
    pub amount: Money,
    /// The provider's token for the card or account.
    pub token: String,
}

/// Money to give back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GiveBack {
    /// Ours; the provider honours it.
    pub key: RefundId,
    /// Of which charge.
    pub charge: AttemptId,
    /// How much.
    pub amount: Money,
}

/// Why there is no outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The provider said that it did nothing and may be asked again.
    Transient(String),
    /// No answer, or none that can be read: it may have acted.
    Unknown(String),
    /// The provider will not take this request, now or later.
    Refused(String),
}

/// What a webhook says. The same facts as the provider's answers, so that neither order nor repetition matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Notice {
    /// An attempt was captured.
    Captured {
        /// Which.
        key: AttemptId,
        /// The provider's name for it.
        charge: String,
        /// How much.
        amount: Money,
    },
    /// An attempt was declined.
    Declined {
        /// Which.
        key: AttemptId,
        /// Why.
        failure: Failure,
    },
    /// A refund went through.
    Refunded {
        /// Which.
        key: RefundId,
    },
    /// Something that does not concern payments; remembered and left alone.
    Other {
        /// The provider's word for it.
        kind: String,
    },
}

impl Notice {
    /// What it speaks of: an attempt or refund of ours, by its key.
    pub fn subject(&self) -> String {
        match self {
            Notice::Captured { key, .. } | Notice::Declined { key, .. } => key.to_string(),
            Notice::Refunded { key } => key.to_string(),
            Notice::Other { kind } => kind.clone(),
        }
    }

    /// The outcome of an attempt, if it speaks of one.
    pub fn into_outcome(self) -> Option<Outcome> {
        match self {
            Notice::Captured { charge, amount, .. } => Some(Outcome::Captured { charge, amount }),
            Notice::Declined { failure, .. } => Some(Outcome::Declined(failure)),
            Notice::Refunded { .. } | Notice::Other { .. } => None,
        }
    }
}

/// A webhook that is genuine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The provider's id of it; the same again is the same webhook.
    pub id: String,
    /// What it says.
    pub notice: Notice,
}

/// A payment provider.
pub trait Provider: Send + Sync {
    /// Its name in paths and rows.
    fn name(&self) -> &'static str;

    /// The token that is used when an order brings none; without one, such an order waits for a token.
    fn default_token(&self) -> Option<&'static str>;

    /// Captures, once per key.
    fn charge<'a>(&'a self, cx: &'a Cx, charge: &'a Charge) -> BoxFuture<'a, Result<Outcome, Fault>>;

    /// What became of a key; `None` when the provider never heard of it.
    fn find<'a>(&'a self, cx: &'a Cx, key: AttemptId) -> BoxFuture<'a, Result<Option<Outcome>, Fault>>;

    /// Makes sure that nothing is captured by this key from now on; answers what it came to. What was captured
    /// before stays captured: it goes back by a refund.
    fn void<'a>(&'a self, cx: &'a Cx, key: AttemptId) -> BoxFuture<'a, Result<Outcome, Fault>>;

    /// Gives money back, once per key.
    fn give_back<'a>(&'a self, cx: &'a Cx, back: &'a GiveBack) -> BoxFuture<'a, Result<(), Fault>>;

    /// Reads a webhook from its raw bytes. Errors: not signed by this provider, or not of a form it sends.
    fn webhook(&self, headers: &HeaderMap, body: &[u8], now: Time) -> Result<Verified, Unsigned>;
}
