//! Tries at a payment, and what they come to.

use std::str::FromStr;

use api::payments::Failure;
use base::{AttemptId, Money, OrderId, PaymentId, Time};

/// The name of a capture that no provider made: cash, taken when the order was delivered. Providers' names for theirs
/// have another form.
pub const CASH: &str = "cash_on_delivery";

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptStatus {
    /// Committed here; the provider may or may not have heard of it.
    Open,
    /// The provider was asked and did not answer.
    Unknown,
    /// Captured.
    Captured,
    /// Declined by the provider.
    Declined,
    /// Given up; the provider confirmed that nothing was or will be captured.
    Failed,
    /// Called off with its order; likewise confirmed.
    Voided,
}

impl AttemptStatus {
    /// The word in rows and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            AttemptStatus::Open => "open",
            AttemptStatus::Unknown => "unknown",
            AttemptStatus::Captured => "captured",
            AttemptStatus::Declined => "declined",
            AttemptStatus::Failed => "failed",
            AttemptStatus::Voided => "voided",
        }
    }
}

impl FromStr for AttemptStatus {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        use AttemptStatus::*;
        let all = [Open, Unknown, Captured, Declined, Failed, Voided];
        all.into_iter().find(|status| status.as_str() == word).ok_or(())
    }
}

/// A try at a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The id, and the key by which the provider knows it.
    pub id: AttemptId,
    /// Of which payment.
    pub payment: PaymentId,
    /// Of which order.
    pub order: OrderId,
    /// The order's count of tries: 1, 2 …
    pub number: i64,
    /// How far it is.
    pub status: AttemptStatus,
    /// The provider's token, until the outcome is known.
    pub token: Option<String>,
    /// The provider's name for what it captured.
    pub charge: Option<String>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// How often it was taken up again after its first driver.
    pub tries: i64,
    /// From then on nobody drives it.
    pub resume_at: Time,
    /// Who caused it.
    pub cause: Cause,
    /// When it began.
    pub created_at: Time,
}

impl Attempt {
    /// Whether it is cash that was taken at the door: no provider can be asked about it.
    pub fn is_cash(&self) -> bool {
        self.charge.as_deref() == Some(CASH)
    }

    /// Whether its outcome is still to come.
    pub fn is_live(&self) -> bool {
        matches!(self.status, AttemptStatus::Open | AttemptStatus::Unknown)
    }
}

/// Who caused a change, for the event that tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// A user's id or `service:…`.
    pub actor: String,
    /// The request.
    pub request_id: String,
}

/// What the provider made of an attempt. Final: a key has one outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The money is there.
    Captured {
        /// The provider's name for it.
        charge: String,
        /// How much.
        amount: Money,
    },
    /// Refused.
    Declined(Failure),
    /// Nothing was captured, and by this key nothing ever will be.
    Void,
}

/// Money that the provider captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// By which attempt.
    pub attempt: AttemptId,
    /// How much, in minor units.
    pub amount: i64,
    /// The provider's name for it.
    pub charge: String,
    /// Nobody owed it: it is given back by itself and stays out of the payment's tallies.
    pub surplus: bool,
    /// When.
    pub created_at: Time,
}
