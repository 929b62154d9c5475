//! What a file says of a product, before anybody has looked at what the shop has.

use std::collections::HashSet;
use std::sync::Arc;

use api::catalog::{InventoryPolicy, RejectedRow, Status};
use base::{Handle, Sku};
use serde_json::{Map, Value};

use super::columns::{Teller, is_column};
use super::read::Raw;
use crate::domain::{IMAGES_MAX, VARIANTS_MAX, choice_key};

/// Bytes of a product's rows that are kept at the most while it is read.
const ROW_BYTES_MAX: usize = 8 << 20;

/// What a file says of one fact. The three are not the same: a column that a file does not have changes nothing,
/// an empty cell takes the fact away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fact<T> {
    /// The file has no such column.
    #[default]
    Unsaid,
    /// The cell is empty.
    Blank,
    /// The cell says so.
    Is(T),
}

impl<T> Fact<T> {
    /// What holds after the file has spoken, where nothing is a possible answer.
    pub(crate) fn over(self, old: Option<T>) -> Option<T> {
        match self {
            Fact::Unsaid => old,
            Fact::Blank => None,
            Fact::Is(new) => Some(new),
        }
    }

    /// What holds after the file has spoken, where something must: an empty cell changes nothing.
    pub(crate) fn or(self, old: T) -> T {
        match self {
            Fact::Unsaid | Fact::Blank => old,
            Fact::Is(new) => new,
        }
    }

    /// What the file says, if it says something.
    pub(crate) fn said(self) -> Option<T> {
        match self {
            Fact::Unsaid | Fact::Blank => None,
            Fact::Is(new) => Some(new),
        }
    }

    /// Reads what is said further.
    pub(crate) fn read<U, E>(self, read: impl FnOnce(T) -> Result<U, E>) -> Result<Fact<U>, E> {
        Ok(match self {
            Fact::Unsaid => Fact::Unsaid,
            Fact::Blank => Fact::Blank,
            Fact::Is(text) => Fact::Is(read(text)?),
        })
    }
}

/// Rows of one handle that stand together. The handle may return later in the file as a further entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The line that it begins on.
    pub line: u64,
    /// Which product.
    pub handle: Handle,
    /// The product's own facts; absent when no row carries a title.
    pub facts: Option<ProductFacts>,
    /// Option names in order; empty when the rows name none.
    pub options: Vec<String>,
    /// What is sold, in the file's order; identified by option values.
    pub variants: Vec<EntryVariant>,
    /// Pictures in order, each address once.
    pub images: Vec<EntryImage>,
}

/// What the titled row says of the product.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProductFacts {
    pub line: u64,
    pub title: String,
    /// HTML, not yet sanitised.
    pub description: Fact<String>,
    pub vendor: Fact<String>,
    pub category: Fact<String>,
    pub tags: Fact<Vec<String>>,
    pub status: Fact<Status>,
    pub metadata: Facts,
}

/// What one row says of a variant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EntryVariant {
    pub line: u64,
    /// The chosen value of each option, in the options' order; none when there is nothing to choose.
    pub values: Vec<String>,
    pub sku: Fact<Sku>,
    /// In minor units of the shop's currency, not negative.
    pub price_minor: Fact<i64>,
    pub compare_at_minor: Fact<i64>,
    /// Pieces on hand. Not negative unless the policy says that it may be.
    pub stock: Fact<i64>,
    pub barcode: Fact<String>,
    pub grams: Fact<i64>,
    pub weight_unit: Fact<String>,
    pub tracked: Fact<bool>,
    pub policy: Fact<InventoryPolicy>,
    pub requires_shipping: Fact<bool>,
    pub tax_category: Fact<String>,
    pub metadata: Facts,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntryImage {
    pub line: u64,
    /// http or https.
    pub url: String,
    pub alt: Fact<String>,
    pub position: i64,
}

/// What a row says in the columns that the shop has no field for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Facts {
    /// Which row speaks of whom.
    pub teller: Teller,
    /// The names of those columns; an old value under one that is not in `said` goes.
    pub columns: Arc<[String]>,
    /// What is said.
    pub said: Map<String, Value>,
    /// The whole of what is no column, as our own export writes it.
    pub rest: Fact<Map<String, Value>>,
}

impl Facts {
    /// What holds after the file has spoken.
    pub(crate) fn over(self, mut old: Map<String, Value>) -> Map<String, Value> {
        let is_column = |name: &str, value: &Value| is_column(self.teller, name, value);
        match self.rest {
            Fact::Unsaid => {}
            Fact::Blank => old.retain(|name, value| is_column(name, value)),
            Fact::Is(rest) => {
                old.retain(|name, value| is_column(name, value));
                old.extend(rest);
            }
        }
        for name in self.columns.iter() {
            if old.get(name).is_some_and(|value| is_column(name, value)) {
                old.remove(name);
            }
        }
        old.extend(self.said);
        old
    }
}

/// The rows of one handle while they are read.
pub(crate) struct Gathering {
    entry: Entry,
    broken: bool,
    seen: HashSet<String>,
    skus: HashSet<String>,
    rows: Vec<Raw>,
    row_bytes: usize,
}

/// What the rows of a handle came to.
pub(crate) enum Finished {
    /// A product, and its rows.
    Product(Box<Entry>, Vec<Raw>),
    /// Nothing: rows were broken, and told. The handle and the sound rows.
    Broken(String, Vec<Raw>),
    /// Nothing: the rows do not go together; the one to blame, and all of them.
    Wrong(RejectedRow, Vec<Raw>),
}

impl Gathering {
    pub(crate) fn new(handle: Handle, line: u64) -> Self {
        let entry = Entry {
            line,
            handle,
            facts: None,
            options: Vec::new(),
            variants: Vec::new(),
            images: Vec::new(),
        };
        Self {
            entry,
            broken: false,
            seen: HashSet::new(),
            skus: HashSet::new(),
            rows: Vec::new(),
            row_bytes: 0,
        }
    }

    pub(crate) fn handle(&self) -> &str {
        self.entry.handle.as_str()
    }

    /// Whether a titled row has been here, so that a further title is a repetition.
    pub(crate) fn is_titled(&self) -> bool {
        self.entry.facts.is_some()
    }

    /// Says that one of its rows is broken: the product stays out as a whole.
    pub(crate) fn broken(&mut self) {
        self.broken = true;
        // What will not be used need not be kept.
        self.entry.variants = Vec::new();
        self.entry.images = Vec::new();
    }

    /// Keeps a sound row as it stood, to give it back if the product stays out.
    pub(crate) fn keep(&mut self, raw: Raw) {
        self.row_bytes += raw.cells.as_slice().len();
        if self.row_bytes <= ROW_BYTES_MAX {
            self.rows.push(raw);
        }
    }

    pub(crate) fn facts(&mut self, facts: ProductFacts) {
        self.entry.facts.get_or_insert(facts);
    }

    /// Takes the option names of a row: the first row with names counts, later ones must agree.
    pub(crate) fn options(&mut self, names: Vec<String>) -> Result<(), String> {
        if self.entry.options.is_empty() {
            for (at, name) in names.iter().enumerate() {
                if names[..at].contains(name) {
                    return Err(format!("two options are called {name:?}"));
                }
            }
            self.entry.options = names;
        } else if !names.is_empty() && names != self.entry.options {
            return Err(format!(
                "the options are called {} here and {} further up",
                names.join(", "),
                self.entry.options.join(", ")
            ));
        }
        Ok(())
    }

    pub(crate) fn variant(&mut self, variant: EntryVariant) -> Result<(), String> {
        if let Fact::Is(sku) = &variant.sku
            && !self.skus.insert(sku.to_string())
        {
            return Err(format!(
                "the SKU {:?} stands at another variant of this product already",
                sku.as_str()
            ));
        }
        if !self.seen.insert(choice_key(&variant.values)) {
            return Err(match variant.values.is_empty() {
                true => "the product has several rows with a price but no option values to tell them apart".into(),
                false => format!("the variant {} stands twice", variant.values.join(" / ")),
            });
        }
        if self.seen.len() > VARIANTS_MAX {
            return Err(format!("a product has at most {VARIANTS_MAX} variants"));
        }
        if !self.broken {
            self.entry.variants.push(variant);
        }
        Ok(())
    }

    pub(crate) fn image(&mut self, image: EntryImage) -> Result<(), String> {
        if self.broken || self.entry.images.iter().any(|other| other.url == image.url) {
            return Ok(());
        }
        if self.entry.images.len() >= IMAGES_MAX {
            return Err(format!("a product has at most {IMAGES_MAX} pictures"));
        }
        self.entry.images.push(image);
        Ok(())
    }

    /// The product, now that its rows have ended.
    pub(crate) fn finish(self) -> Finished {
        let (mut entry, rows) = (self.entry, self.rows);
        let handle = entry.handle.as_str().to_owned();
        if self.broken {
            return Finished::Broken(handle, rows);
        }
        let untitled = entry.facts.is_none();
        let nothing_to_choose = match entry.options.as_slice() {
            [] => true,
            [only] => only.eq_ignore_ascii_case("Title"),
            _ => false,
        };
        if nothing_to_choose
            && let [only] = entry.variants.as_mut_slice()
            && let [value] = only.values.as_slice()
            && value.eq_ignore_ascii_case("Default Title")
        {
            only.values.clear();
            entry.options.clear();
        }
        let mut wrong = None;
        for variant in &entry.variants {
            let (named, given) = (entry.options.len(), variant.values.len());
            if given > named && (!untitled || named > 0) {
                wrong = wrong.or(Some((
                    variant.line,
                    format!("option {} has a value but no name", named + 1),
                )));
            }
            if given < named {
                let reason = format!("there is no value for the option {:?}", entry.options[given]);
                wrong = wrong.or(Some((variant.line, reason)));
            }
        }
        if let Some((line, reason)) = wrong {
            let handle = Some(handle);
            return Finished::Wrong(RejectedRow { line, handle, reason }, rows);
        }
        entry.images.sort_by_key(|image| image.position);
        Finished::Product(Box::new(entry), rows)
    }
}
