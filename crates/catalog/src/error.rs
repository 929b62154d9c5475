//! What the catalogue refuses, and what it tells of it.

use api::Ref;
use api::catalog::Short;
use base::{ImportId, OrderId};
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
    /// There is no such category.
    #[error("no category {0}")]
    NoSuchCategory(String),
    /// Categories at these paths have the name.
    #[error("several categories have this name; write the path of one: {}", .0.join("; "))]
    SeveralCategories(Vec<String>),
    /// The tree is full.
    #[error(
        "the shop has {} categories already, which is all it can have",
        crate::domain::CATEGORIES_MAX
    )]
    TooManyCategories,
    /// A category with this name stands at the same place.
    #[error("there is a category {0} already")]
    CategoryTaken(String),
    /// Another category has this handle.
    #[error("the handle {0} is taken")]
    CategoryHandleTaken(String),
    /// A category would stand below itself.
    #[error("a category cannot stand below itself")]
    CategoryCycle,
    /// Something stands in the category.
    #[error("the category is in use")]
    CategoryInUse {
        /// Categories directly below it.
        children: usize,
        /// Whether products stand in it.
        products: bool,
    },
    /// So many products stand in a category that it cannot move in one step.
    #[error("the category is too large to be moved")]
    CategoryTooLarge,
    /// Fields are wrong; all of them.
    #[error("invalid fields")]
    Invalid(Vec<FieldFault>),
    /// Rows of a bulk write, by place, and why each is refused; nothing was written.
    #[error("{} rows are refused", .0.len())]
    Rows(Vec<(usize, Problem)>),
    /// The product has several variants; one has to be named.
    #[error("several variants")]
    VariantRequired(Vec<Choice>),
    /// A product has at least one variant.
    #[error("the last variant cannot be removed")]
    LastVariant,
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
    /// The search index is being made, or cannot be read.
    #[error("the search index is not ready")]
    Unsearchable,
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
    /// The file to be imported is too large.
    #[error("a file has at most {} MiB", crate::import::FILE_MAX >> 20)]
    TooLarge,
    /// There is no such import, or it is too old.
    #[error("no import {0}")]
    NoSuchImport(ImportId),
    /// The import still goes on.
    #[error("the import {0} goes on")]
    ImportUnfinished(ImportId),
    /// The import was a dry run.
    #[error("the import {0} was a dry run")]
    NothingToUndo(ImportId),
    /// Another process went on with the import. Nobody is told.
    #[error("another process goes on with it")]
    TakenOver,
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
            Error::NoSuchCategory(which) => Problem::not_found(format!("There is no category {which}.")),
            Error::SeveralCategories(paths) => Problem::new(
                StatusCode::BAD_REQUEST,
                "category_ambiguous",
                "Several categories have this name. Name one by its path or id.",
            )
            .field("/category", format!("is the name of several: {}", paths.join("; ")))
            .with("paths", paths),
            Error::TooManyCategories => Problem::conflict(
                "too_many_categories",
                format!("A shop has at most {} categories.", crate::domain::CATEGORIES_MAX),
            ),
            Error::CategoryTaken(name) => Problem::conflict(
                "category_exists",
                format!("There is a category {name} at this place already."),
            )
            .field("/name", "is taken"),
            Error::CategoryHandleTaken(handle) => {
                Problem::conflict("handle_taken", format!("Another category has the handle {handle}."))
                    .field("/handle", "is taken")
            }
            Error::CategoryCycle => Problem::conflict(
                "category_cycle",
                "A category cannot be moved below itself or below one that stands in it.",
            )
            .field("/parent", "stands in this category"),
            Error::CategoryInUse { children, products } => Problem::conflict(
                "category_in_use",
                match (children, products) {
                    (0, _) => "Products stand in this category. Give them another one first.".to_owned(),
                    (one, false) => format!("{one} categories stand in this one. Move or delete them first."),
                    (one, true) => {
                        format!("{one} categories and some products stand in this one. Move them elsewhere first.")
                    }
                },
            ),
            Error::CategoryTooLarge => Problem::conflict(
                "category_too_large",
                "So many products stand in this category that the shop would stand still while it moves. Move the \
                 categories below it one by one.",
            ),
            Error::Invalid(faults) => {
                let mut problem = Problem::invalid("Some fields are not as they should be.");
                problem.errors = faults;
                problem
            }
            Error::Rows(rows) => crate::actions::problem_of(rows),
            Error::VariantRequired(variants) => Problem::new(
                StatusCode::BAD_REQUEST,
                "variant_required",
                "This product has several variants. Name one of them by `variantId` or `sku`.",
            )
            .with("variants", variants),
            Error::LastVariant => Problem::conflict(
                "last_variant",
                "This is the product's last variant. Delete the product, or give it another variant first.",
            ),
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
            Error::Unsearchable => {
                Problem::unavailable("The search index is being made. Try again in a moment.").retry_after(1)
            }
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
            Error::TooLarge => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!("The file is too large: {error}. Split it; the parts may be imported one after the other."),
            ),
            Error::NoSuchImport(id) => {
                Problem::not_found(format!("There is no import {id}. Imports are kept for 30 days."))
            }
            Error::ImportUnfinished(id) => Problem::conflict(
                "import_unfinished",
                format!("The import {id} still goes on. It can be undone when it is done."),
            ),
            Error::NothingToUndo(id) => Problem::conflict(
                "nothing_to_undo",
                format!("The import {id} was a dry run: it changed nothing."),
            ),
            Error::TakenOver => Problem::unavailable("Another process goes on with this import. Please ask again."),
            Error::Closed(order) => Problem::conflict(
                "closed",
                format!("The reservation of {order} was undone or never made."),
            ),
        }
    }
}
