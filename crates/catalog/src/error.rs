//! What the catalogue refuses, and what it tells of it.

use api::Ref;
use api::catalog::Short;
use base::OrderId;
use http::StatusCode;
use serde::Serialize;
use wire::{FieldFault, Problem};

use crate::domain::Refusal;

/// A variant to choose from, where a product alone does not say enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// The variant's id.
    pub id: base::VariantId,
    /// Its SKU.
    pub sku: String,
    /// The chosen values.
    pub name: String,
}

/// Why something was not done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The database refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// There is no such product, or the caller may not see it.
    #[error("no product {0}")]
    NoSuchProduct(Ref),
    /// There is no such variant of the product.
    #[error("no variant {0}")]
    NoSuchVariant(String),
    /// Fields are wrong; all of them.
    #[error("invalid fields")]
    Invalid(Vec<FieldFault>),
    /// The product has several variants; one has to be named.
    #[error("several variants")]
    VariantRequired(Vec<Choice>),
    /// A living product has this handle.
    #[error("the handle {0} is taken")]
    HandleTaken(String),
    /// Living variants have these SKUs.
    #[error("the SKU {0} is taken")]
    SkuTaken(String),
    /// The change was meant for an earlier version.
    #[error("changed meanwhile")]
    Stale,
    /// Setting a stock needs `If-Match`.
    #[error("a precondition is needed")]
    PreconditionRequired,
    /// Less would be left than is promised to orders.
    #[error("{reserved} of {stock} are reserved")]
    StockReserved {
        /// On hand.
        stock: i64,
        /// Of that, promised.
        reserved: i64,
    },
    /// Not enough of these.
    #[error("out of stock")]
    OutOfStock(Vec<Short>),
    /// The reservation was undone, or there is none.
    #[error("the reservation of {0} is closed")]
    Closed(OrderId),
    /// The file to be imported is no product file; the sentence says why.
    #[error("{0}")]
    NoProducts(String),
    /// The file to be imported broke off.
    #[error("{0}")]
    Unreadable(String),
}

impl Error {
    /// One wrong field.
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Error::Invalid(vec![FieldFault {
            pointer: pointer.into(),
            detail: detail.into(),
        }])
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::OutOfStock(lines) => Error::OutOfStock(lines),
            Refusal::Closed(order) => Error::Closed(order),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(store::Error::Duplicate(_)) => Problem::conflict(
                "duplicate",
                "Somebody took this SKU or handle a moment ago. Choose another one.",
            ),
            Error::Store(error) => serve::of_store(error),
            Error::NoSuchProduct(which) => Problem::not_found(format!("There is no product {which}.")),
            Error::NoSuchVariant(which) => Problem::not_found(format!("This product has no variant {which}.")),
            Error::Invalid(faults) => {
                let mut problem = Problem::invalid("Some fields are not as they should be.");
                problem.errors = faults;
                problem
            }
            Error::VariantRequired(variants) => Problem::new(
                StatusCode::BAD_REQUEST,
                "variant_required",
                "This product has several variants. Name one of them by `variantId` or `sku`.",
            )
            .with("variants", variants),
            Error::HandleTaken(handle) => {
                Problem::conflict("handle_taken", format!("Another product has the handle {handle}."))
                    .field("/handle", "is taken")
            }
            Error::SkuTaken(sku) => {
                Problem::conflict("sku_taken", format!("Another product has the SKU {sku}.")).field("/sku", "is taken")
            }
            Error::Stale => Problem::new(
                StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                "Somebody changed this meanwhile. Read it again, and repeat the change with the new tag.",
            ),
            Error::PreconditionRequired => Problem::new(
                StatusCode::PRECONDITION_REQUIRED,
                "precondition_required",
                "Setting a stock needs `If-Match` with the tag that reading the stock gives.",
            ),
            Error::StockReserved { stock, reserved } => Problem::conflict(
                "stock_reserved",
                format!("There are {stock} pieces, {reserved} of them reserved for orders; fewer cannot be left."),
            )
            .with("stock", stock)
            .with("reserved", reserved),
            Error::OutOfStock(lines) => {
                Problem::conflict("out_of_stock", "There is not enough of everything.").with("lines", lines)
            }
            Error::NoProducts(reason) => Problem::new(
                StatusCode::BAD_REQUEST,
                "not_a_product_file",
                format!("Nothing was imported: {reason}."),
            ),
            Error::Unreadable(reason) => Problem::new(
                StatusCode::BAD_REQUEST,
                "unreadable_file",
                format!("The file broke off ({reason}). What came before is in; send the whole file again."),
            ),
            Error::Closed(order) => Problem::conflict(
                "closed",
                format!("The reservation of {order} was undone or never made."),
            ),
        }
    }
}
