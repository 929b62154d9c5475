//! What cart refuses, and the one place where that becomes a problem document.

use api::cart::LINES_PER_CART_MAX;
use base::{MoneyFault, QUANTITY_MAX, VariantId};
use wire::Problem;

use crate::domain::Refusal;

/// Why an action was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A rule of carts refused.
    #[error("a rule of carts refused: {0:?}")]
    Refused(Refusal),
    /// Another service refused or failed, or a precondition does not hold.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The sum of a cart cannot be told.
    #[error(transparent)]
    Sum(#[from] MoneyFault),
    /// The cart is nobody's, or somebody else's.
    #[error("there is no such cart for this caller")]
    NoSuchCart,
    /// The body names somebody else.
    #[error("the body names another user")]
    NotTheirs,
    /// The body names nothing to add, or nothing that can be.
    #[error("{pointer} {detail}")]
    Unfit {
        /// Which field.
        pointer: &'static str,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// The name fits several lines: product and options differ.
    #[error("several lines are of this product")]
    SeveralLines(Vec<Choice>),
    /// A cart changed between two looks at it.
    #[error("the cart changed meanwhile")]
    Changed,
}

/// One of several variants that could be meant.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Choice {
    /// The variant.
    pub id: VariantId,
    /// Its SKU.
    pub sku: String,
    /// Its name.
    pub name: String,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(refusal)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(fault) => serve::of_store(fault),
            Error::Problem(problem) => problem,
            Error::Refused(refusal) => refused(refusal),
            Error::Sum(fault) => {
                tracing::error!(%fault, "the sum of a cart cannot be told");
                Problem::conflict(
                    "total_too_large",
                    "This cart costs more than can be told. Please make it smaller.",
                )
            }
            Error::NoSuchCart => Problem::not_found("There is no such cart."),
            Error::NotTheirs => Problem::forbidden("`userId` names somebody else. Leave it out, or send your own."),
            Error::Unfit { pointer, detail } => {
                Problem::invalid("The body is not as it should be.").field(pointer, detail)
            }
            Error::SeveralLines(variants) => {
                let detail = "Several lines of the cart are of this product. Name the variant, or the line's id.";
                Problem::new(http::StatusCode::BAD_REQUEST, "variant_required", detail).with("variants", variants)
            }
            Error::Changed => serve::of_store(store::Error::Conflict),
        }
    }
}

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::OutOfStock(short) => {
            let detail = match short.available {
                0 => format!("{} is sold out.", short.sku),
                available => format!(
                    "There are only {available} of {}; the line would have {}.",
                    short.sku, short.requested
                ),
            };
            Problem::conflict("out_of_stock", detail).with("lines", [short])
        }
        Refusal::LineFull { sku, held } => {
            let detail =
                format!("A line has at most {QUANTITY_MAX} pieces; there are {held} of {sku} in the cart already.");
            Problem::conflict("line_full", detail)
        }
        Refusal::CartFull => Problem::conflict("cart_full", format!("A cart has at most {LINES_PER_CART_MAX} lines.")),
        Refusal::NoSuchLine => Problem::not_found("There is no such line in the cart."),
    }
}
