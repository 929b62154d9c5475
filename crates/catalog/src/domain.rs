//! The catalogue's rules: what a product may be, what a batch of reservations does to the stock, what tags mean.
//!
//! Pure: values in, values out.

mod category;
mod change;
mod check;
mod choice;
mod facts;
mod hold;
mod sku;
mod tag;

pub use category::{
    CATEGORIES_MAX, CATEGORY_DEPTH_MAX, CATEGORY_DESCRIPTION_MAX, Category, Named, TreeFault, check_name, named,
    path_key, path_of, planted, replanted,
};
pub use change::{Revision, change};
pub use check::{Faults, check, clean_html, is_web};
pub use choice::{beside, change_variant};
pub use facts::{
    Draft, DraftVariant, Facts, Kept, KeptVariant, Picture, VariantFacts, card_name, choice_key, name_key, search_text,
    tags_key, variant_name,
};
pub use hold::{Asked, Command, Decisions, Held, HeldLine, HoldState, Movement, Reason, Refusal, Shelf, Told, decide};
pub use sku::{sku_for, suffixed};
pub use tag::{category_tag, names_catalogue, names_stock, product_tag, stock_tag};

/// The category of a product that names none.
pub const CATEGORY_DEFAULT: &str = "General";
/// Characters of a product's name: a line or two on a page.
pub const NAME_MAX: usize = 500;
/// Characters of a description: a long page of HTML.
pub const DESCRIPTION_MAX: usize = 100_000;
/// Characters of a category, vendor, tag, option name, option value or barcode.
pub const WORD_MAX: usize = 255;
/// Tags of a product, as many as Shopify takes.
pub const TAGS_MAX: usize = 250;
/// Pictures of a product, as many as Shopify takes.
pub const IMAGES_MAX: usize = 250;
/// Characters of a picture's address: what browsers and caches handle.
pub const URL_MAX: usize = 2_048;
/// Characters of a picture's text.
pub const ALT_MAX: usize = 512;
/// Options of a product, as many as Shopify has columns for.
pub const OPTIONS_MAX: usize = 3;
/// Variants of a product, as many as Shopify takes; what one transaction can write at once.
pub const VARIANTS_MAX: usize = 2_048;
/// Grams: a thousand tons.
pub const WEIGHT_MAX: i64 = 1_000_000_000;
/// Units that people read weights in.
pub const WEIGHT_UNITS: [&str; 4] = ["g", "kg", "oz", "lb"];
/// Bytes of metadata as JSON.
pub const METADATA_MAX: usize = 32_768;
/// The highest price in minor units: 500 lines of 9,999 pieces at this price still fit into 64 bits.
pub const PRICE_MINOR_MAX: i64 = 1_000_000_000_000;
/// The most pieces on hand: sums over a product's variants stay far from 64 bits.
pub const STOCK_MAX: i64 = 1_000_000_000;
/// What can be had of a variant whose stock is not counted or may go below zero.
pub const AVAILABLE_ALWAYS: i64 = 1_000_000_000;
