//! What of the catalogue reads texts of strangers, as one call each: for whoever proves that no text breaks it.

use api::catalog::{Highlights, Product};
use base::Currency;

use crate::import;
use crate::search::{Asked, Sought, highlights};

/// Reads a product file to its end: how many products are whole, and how many rows are broken. None: it is no product
/// file.
pub fn file(bytes: &[u8]) -> Option<(usize, usize)> {
    import::counted(bytes, Currency::USD)
}

/// Reads a search and marks what it finds in a product, with all the typos that may be forgiven.
pub fn search(text: &str, product: &Product) -> Highlights {
    let words = Asked::read(text).words.into_iter();
    let sought: Vec<Sought> = words
        .map(|word| Sought {
            typos: word.typos,
            word,
            parts: None,
        })
        .collect();
    highlights(product, &sought)
}
