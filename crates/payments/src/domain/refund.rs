//! Money on its way back.

use std::str::FromStr;

use base::{AttemptId, PaymentId, RefundId, Time};

use super::Cause;

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundStatus {
    /// Committed here, not confirmed by the provider.
    Pending,
    /// Given back.
    Completed,
    /// Refused by the provider for good.
    Failed,
}

impl RefundStatus {
    /// The word in rows and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            RefundStatus::Pending => "pending",
            RefundStatus::Completed => "completed",
            RefundStatus::Failed => "failed",
        }
    }
}

impl FromStr for RefundStatus {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        use RefundStatus::*;
        [Pending, Completed, Failed]
            .into_iter()
            .find(|status| status.as_str() == word)
            .ok_or(())
    }
}

/// Money on its way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// The id, and the key by which the provider knows it.
    pub id: RefundId,
    /// Of which payment.
    pub payment: PaymentId,
    /// Whose capture it gives back.
    pub attempt: AttemptId,
    /// How much, in minor units.
    pub amount: i64,
    /// Gives back what nobody owed; see [`Capture::surplus`](super::Capture::surplus).
    pub surplus: bool,
    /// How far it is.
    pub status: RefundStatus,
    /// Why, for the books.
    pub reason: Option<String>,
    /// How often it was taken up again after its first driver.
    pub tries: i64,
    /// From then on nobody drives it.
    pub resume_at: Time,
    /// Who caused it.
    pub cause: Cause,
    /// When it was asked for.
    pub created_at: Time,
}
