//! What payments refuses, and what each refusal is to the caller.

use base::Money;
use http::StatusCode;
use wire::Problem;

use crate::domain::Refusal;
use crate::signature::Unsigned;

/// Why an action was refused, or could not be done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// There is no such payment, or it is somebody else's.
    #[error("no such payment")]
    NoSuchPayment,
    /// No such provider takes part in this shop.
    #[error("no such provider")]
    NoSuchProvider,
    /// The order was undone; nothing may be captured for it any more.
    #[error("the payment is closed")]
    Closed,
    /// The money is there already.
    #[error("already paid")]
    AlreadyPaid,
    /// It is paid in cash when it arrives.
    #[error("payable on delivery")]
    PayableOnDelivery,
    /// Asked to pay something else than is due.
    #[error("{due} is due")]
    AmountDiffers {
        /// What is due.
        due: Money,
    },
    /// More than can be given back.
    #[error("{left} can be given back")]
    RefundExceeds {
        /// What can be given back.
        left: Money,
    },
    /// Not an amount.
    #[error("{0}")]
    BadAmount(String),
    /// A reason that nobody reads to its end.
    #[error("a reason of more than {max} characters")]
    LongReason {
        /// The longest that is taken.
        max: usize,
    },
    /// A webhook that is not believed.
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
    /// Another service refused or is down; its words reach the caller.
    #[error(transparent)]
    Peer(#[from] Problem),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Closed => Error::Closed,
            Refusal::Differs { due } => Error::AmountDiffers { due },
            Refusal::Exceeds { left } => Error::RefundExceeds { left },
            Refusal::NotPositive => Error::BadAmount("must be more than zero".to_owned()),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSuchPayment => Problem::not_found("There is no such payment."),
            Error::NoSuchProvider => Problem::not_found("This shop does not work with such a payment provider."),
            Error::Closed => Problem::conflict("closed", "The order was called off; it cannot be paid any more."),
            Error::AlreadyPaid => Problem::conflict("already_paid", "The order is paid already."),
            Error::PayableOnDelivery => Problem::conflict(
                "payable_on_delivery",
                "This order is paid in cash when it is delivered.",
            ),
            Error::AmountDiffers { due } => {
                Problem::conflict("amount_differs", format!("{due} is due, no more and no less."))
                    .with("due", due.amount())
                    .with("currency", due.currency)
            }
            Error::RefundExceeds { left } => {
                let detail = format!("{left} of this payment can still be given back.");
                Problem::conflict("refund_exceeds_captured", detail)
                    .with("refundable", left.amount())
                    .with("currency", left.currency)
            }
            Error::BadAmount(why) => Problem::invalid("The amount cannot be refunded.").field("/amount", why),
            Error::LongReason { max } => Problem::invalid("The reason is too long.")
                .field("/reason", format!("must have at most {max} characters")),
            Error::Unsigned(why) => {
                tracing::warn!(%why, "a webhook was refused");
                Problem::new(
                    StatusCode::BAD_REQUEST,
                    "bad_webhook",
                    format!("The webhook is not accepted: {why}."),
                )
            }
            Error::Peer(problem) => problem,
            Error::Store(error) => serve::of_store(error),
        }
    }
}
