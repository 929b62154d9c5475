//! What orders refuses, and how it is told.

use api::catalog::Short;
use api::payments::Failure;
use http::StatusCode;
use wire::{FieldFault, Problem};

use crate::domain::{Illegal, Stays};

/// Why a call was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such order, or it is somebody else's.
    #[error("no such order")]
    NoSuchOrder,
    /// The caller named somebody else.
    #[error("an order for somebody else")]
    NotYours,
    /// The caller named somebody else's order in a body.
    #[error("somebody else's order")]
    NotTheirs,
    /// Staff without the permission.
    #[error("needs {0}")]
    NeedsPermission(serve::Permission),
    /// Too many follow orders already.
    #[error("too many streams")]
    TooManyStreams,
    /// Nothing is to be ordered.
    #[error("nothing to order")]
    Empty,
    /// Parts of the body that do not fit.
    #[error("bad fields")]
    Fields(Vec<FieldFault>),
    /// There is not enough of these.
    #[error("out of stock")]
    OutOfStock(Vec<Short>),
    /// What is in the cart can't be bought any more: SKUs.
    #[error("not for sale")]
    NotForSale(Vec<String>),
    /// The state does not allow the move.
    #[error("{0:?}")]
    Illegal(Illegal),
    /// It is refunded in full, so it is not sent any more.
    #[error("refunded")]
    Refunded,
    /// It was paid before.
    #[error("already paid")]
    AlreadyPaid,
    /// It is paid in cash when it arrives.
    #[error("payable on delivery")]
    PayableOnDelivery,
    /// It is cancelled or failed: nothing can be paid any more.
    #[error("order closed")]
    Closed,
    /// The caller takes another amount to be due.
    #[error("amount differs")]
    AmountDiffers(base::Money),
    /// The provider declined.
    #[error("payment declined")]
    Declined(Failure),
    /// The sum does not fit.
    #[error("{0}")]
    Money(#[from] base::MoneyFault),
    /// The store could not.
    #[error("{0}")]
    Store(#[from] store::Error),
    /// Another service refused or failed.
    #[error("{0}")]
    Peer(#[from] Problem),
}

impl From<Stays> for Error {
    fn from(stays: Stays) -> Self {
        match stays {
            Stays::Illegal(illegal) => Error::Illegal(illegal),
            Stays::Refunded => Error::Refunded,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        match error {
            Error::NoSuchOrder => Problem::not_found("There is no such order among those you may see."),
            Error::NotYours => Problem::forbidden("You can only order for yourself: leave `userId` out."),
            Error::NotTheirs => Problem::forbidden("This order is somebody else's."),
            Error::NeedsPermission(permission) => Problem::forbidden(format!(
                "This call needs the permission {permission}. An administrator can give it."
            )),
            Error::TooManyStreams => {
                Problem::unavailable("Too many follow orders just now. Please come back in a while.").retry_after(30)
            }
            Error::Empty => Problem::new(
                StatusCode::BAD_REQUEST,
                "empty_order",
                "There is nothing to order. Put something into the cart first, or send `items`.",
            ),
            Error::Fields(errors) => Problem {
                errors,
                ..Problem::invalid("Some fields are not as they should be.")
            },
            Error::OutOfStock(lines) => {
                let told: Vec<String> = lines
                    .iter()
                    .map(|line| format!("{} of {} (wanted {})", line.available, line.sku, line.requested))
                    .collect();
                Problem::conflict(
                    "out_of_stock",
                    format!("There is not enough in stock: only {}.", told.join(", ")),
                )
                .with("lines", lines)
            }
            Error::NotForSale(skus) => Problem::conflict(
                "not_for_sale",
                format!("No longer for sale: {}. Take it out of the cart.", skus.join(", ")),
            )
            .with("skus", skus),
            Error::Illegal(Illegal { from, to }) => {
                let detail = format!("An order that is {} cannot become {}.", from.as_str(), to.as_str());
                Problem::conflict("illegal_transition", detail)
                    .with("from", from)
                    .with("to", to)
            }
            Error::Refunded => Problem::conflict(
                "order_refunded",
                "All that was paid for this order is given back. Cancel it instead of sending it.",
            ),
            Error::AlreadyPaid => Problem::conflict("already_paid", "This order is paid already."),
            Error::PayableOnDelivery => Problem::conflict(
                "payable_on_delivery",
                "This order is paid in cash when it is delivered.",
            ),
            Error::Closed => Problem::conflict(
                "order_closed",
                "This order was cancelled or has failed. Please order again.",
            ),
            Error::AmountDiffers(due) => Problem::conflict("amount_differs", format!("{due} is due for this order."))
                .with("due", due.amount())
                .field("/amount", format!("must be {}", due.amount())),
            Error::Declined(failure) => {
                Problem::new(StatusCode::PAYMENT_REQUIRED, "payment_declined", failure.detail.clone())
                    .with("failure", failure)
            }
            Error::Money(fault) => Problem::invalid(format!("The order cannot be added up: {fault}.")),
            Error::Store(error) => serve::of_store(error),
            Error::Peer(problem) => problem,
        }
    }
}

impl axum::response::IntoResponse for Error {
    fn into_response(self) -> axum::response::Response {
        Problem::from(self).into_response()
    }
}
