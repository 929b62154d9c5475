//! The whole catalogue as Shopify CSV, page by page. Importing it again changes nothing: what no column can say
//! stands in columns of our own, as JSON.

use std::collections::BTreeSet;

use api::catalog::{ExportQuery, InventoryPolicy, Status};
use base::{Currency, Money, VariantId};
use csv::{Terminator, Writer, WriterBuilder};
use serde_json::{Map, Value};
use store::Db;

use super::columns::{Column, KNOWN, OPTIONS, Teller, UNTRACKED, is_column};
use crate::domain::{Kept, KeptVariant};
use crate::store::{Exported, Which};
use crate::{Error, store as rows};

/// Products of a page: a short transaction each, so that a long export keeps nobody from tidying up.
const PAGE: u32 = 200;
/// Rows of a page when only metadata is read.
const NAMES_PAGE: u32 = 2_000;
/// Columns for metadata at the most; what has no column goes the way of JSON.
const EXTRA_MAX: usize = 500;

/// An export under way: [`Export::next`] gives the file piece by piece.
pub struct Export {
    db: Db,
    currency: Currency,
    query: ExportQuery,
    /// What the query means; unknown before the first piece.
    which: Option<Exported>,
    /// Columns that the shop has no field for; none before the first piece.
    extra: Option<BTreeSet<String>>,
    after: i64,
    ended: bool,
}

impl Export {
    /// An export of the catalogue of `db`, with prices in `currency`. Drafts are in it, what is archived is not.
    pub fn new(db: &Db, currency: Currency) -> Self {
        Self::of(db, currency, ExportQuery::default())
    }

    /// An export of those products that the query names.
    pub fn of(db: &Db, currency: Currency, query: ExportQuery) -> Self {
        Self {
            db: db.clone(),
            currency,
            query,
            which: None,
            extra: None,
            after: 0,
            ended: false,
        }
    }

    /// The next piece of the file, which begins with the header; `None` behind the last one.
    ///
    /// # Errors
    /// The database's.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let Some(extra) = &self.extra else {
            let query = self.query.clone();
            let which = self
                .db
                .read(move |tx| Ok::<_, Error>(Exported::of(tx, &query)?))
                .await?;
            self.which = Some(which);
            let extra = extra_columns(&self.db).await?;
            let mut page = Page::new(&extra, self.currency);
            page.header();
            let piece = page.bytes();
            self.extra = Some(extra);
            return piece.map(Some);
        };
        if self.ended {
            return Ok(None);
        }
        let (after, currency, which) = (self.after, self.currency, self.which.clone().unwrap_or_default());
        let (found, products) = self
            .db
            .scan(move |tx| {
                let ids = rows::exported(tx, &which, after, PAGE)?;
                Ok::<_, Error>((ids.len(), rows::kept(tx, Which::Ids(&ids), currency)?))
            })
            .await?;
        self.ended = found < PAGE as usize;
        let Some(last) = products.last() else { return Ok(None) };
        self.after = last.number;
        let mut page = Page::new(extra, currency);
        products.iter().for_each(|product| page.product(product));
        page.bytes().map(Some)
    }
}

/// The names in all metadata that become columns.
async fn extra_columns(db: &Db) -> Result<BTreeSet<String>, Error> {
    let mut names = BTreeSet::new();
    let mut add = |teller, metadata: Map<String, Value>| {
        for (name, value) in metadata {
            if names.len() < EXTRA_MAX && is_column(teller, &name, &value) {
                names.insert(name);
            }
        }
    };
    let mut after = 0;
    loop {
        let page = db.scan(move |tx| rows::product_metadata(tx, after, NAMES_PAGE)).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        page.into_iter()
            .for_each(|(_, metadata)| add(Teller::Product, metadata));
    }
    let mut after: Option<VariantId> = None;
    loop {
        let page = db.scan(move |tx| rows::variant_metadata(tx, after, NAMES_PAGE)).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        page.into_iter()
            .for_each(|(_, metadata)| add(Teller::LaterVariant, metadata));
    }
    Ok(names)
}

/// A whole file of these products.
#[cfg(test)]
pub(super) fn file(products: &[Kept], extra: &BTreeSet<String>, currency: Currency) -> Vec<u8> {
    let mut page = Page::new(extra, currency);
    page.header();
    products.iter().for_each(|product| page.product(product));
    page.bytes().unwrap_or_default()
}

/// A piece of the file.
struct Page<'a> {
    extra: &'a BTreeSet<String>,
    currency: Currency,
    to: Writer<Vec<u8>>,
    /// The cells of the row that is written: known columns, then extra ones.
    cells: Vec<String>,
}

impl<'a> Page<'a> {
    fn new(extra: &'a BTreeSet<String>, currency: Currency) -> Self {
        let to = WriterBuilder::new()
            .terminator(Terminator::CRLF)
            .from_writer(Vec::new());
        Self {
            extra,
            currency,
            to,
            cells: vec![String::new(); KNOWN.len() + extra.len()],
        }
    }

    fn bytes(self) -> Result<Vec<u8>, Error> {
        // Writing into memory does not fail.
        self.to
            .into_inner()
            .map_err(|fault| Error::Unreadable(fault.to_string()))
    }

    fn header(&mut self) {
        let names = KNOWN
            .iter()
            .map(|(_, names)| names[0])
            .chain(self.extra.iter().map(String::as_str));
        for (cell, name) in self.cells.iter_mut().zip(names) {
            name.clone_into(cell);
        }
        self.end_row();
    }

    /// A row for each variant and each picture; a variant and a picture may share one.
    fn product(&mut self, product: &Kept) {
        for place in 0..product.variants.len().max(product.facts.images.len()).max(1) {
            self.put(Column::Handle, product.facts.handle.as_str());
            if place == 0 {
                self.facts(product);
            }
            if let Some(variant) = product.variants.get(place) {
                let teller = if place == 0 {
                    Teller::FirstVariant
                } else {
                    Teller::LaterVariant
                };
                self.variant(product, variant, teller);
            }
            if let Some(image) = product.facts.images.get(place) {
                self.put(Column::ImageSrc, &image.url);
                self.put(Column::ImagePosition, &(place + 1).to_string());
                self.put(Column::ImageAlt, image.alt.as_deref().unwrap_or_default());
            }
            self.end_row();
        }
    }

    fn facts(&mut self, product: &Kept) {
        let facts = &product.facts;
        let active = facts.status == Status::Active;
        self.put(Column::Title, &facts.name);
        self.put(Column::Body, &facts.description);
        self.put(Column::Vendor, facts.vendor.as_deref().unwrap_or_default());
        self.put(Column::Type, &facts.category);
        self.put(Column::Tags, &facts.tags.join(", "));
        if facts.tags.iter().any(|tag| tag.contains(',')) {
            self.put(Column::TagsJson, &Value::from(facts.tags.clone()).to_string());
        }
        self.put(Column::Published, if active { "true" } else { "false" });
        self.put(Column::Status, if active { "active" } else { "draft" });
        for ((name, _), option) in OPTIONS.iter().zip(&facts.options) {
            self.put(*name, &option.name);
        }
        if facts.options.is_empty() {
            self.put(Column::Option1Name, "Title");
            self.put(Column::Option1Value, "Default Title");
        }
        self.others(Teller::Product, Column::Metadata, &facts.metadata);
    }

    fn variant(&mut self, product: &Kept, variant: &KeptVariant, teller: Teller) {
        let facts = &variant.facts;
        let flag = |flag: bool| if flag { "true" } else { "false" };
        let money = |minor: i64| Money::new(minor, self.currency).amount().to_string();
        let (price, before) = (
            money(facts.price_minor),
            facts.compare_at_minor.map(money).unwrap_or_default(),
        );
        for ((_, value), chosen) in OPTIONS.iter().zip(&facts.choice) {
            self.put(*value, chosen);
        }
        debug_assert_eq!(facts.choice.len(), product.facts.options.len());
        self.put(
            Column::Sku,
            facts.sku.as_ref().map(base::Sku::as_str).unwrap_or_default(),
        );
        self.put(Column::Barcode, facts.barcode.as_deref().unwrap_or_default());
        self.put(Column::Price, &price);
        self.put(Column::CompareAt, &before);
        self.put(Column::Quantity, &variant.on_hand.to_string());
        self.put(Column::Tracker, if facts.tracked { "shopify" } else { UNTRACKED });
        self.put(
            Column::Policy,
            match facts.inventory_policy {
                InventoryPolicy::Deny => "deny",
                InventoryPolicy::Continue => "continue",
            },
        );
        self.put(
            Column::Grams,
            &facts.weight.map(|grams| grams.to_string()).unwrap_or_default(),
        );
        self.put(Column::WeightUnit, facts.weight_unit.as_deref().unwrap_or_default());
        self.put(Column::RequiresShipping, flag(facts.requires_shipping));
        self.put(Column::TaxCode, facts.tax_category.as_deref().unwrap_or_default());
        self.others(teller, Column::VariantMetadata, &facts.metadata);
    }

    /// What the shop has no field for: in columns where an import reads it back just so, else as JSON.
    fn others(&mut self, teller: Teller, json: Column, metadata: &Map<String, Value>) {
        let mut rest = Map::new();
        for (name, value) in metadata {
            match (value, self.extra.iter().position(|extra| extra == name)) {
                (Value::String(text), Some(place)) if is_column(teller, name, value) => {
                    self.cells[KNOWN.len() + place].clone_from(text);
                }
                _ => {
                    rest.insert(name.clone(), value.clone());
                }
            }
        }
        if !rest.is_empty() {
            self.put(json, &Value::Object(rest).to_string());
        }
    }

    fn put(&mut self, column: Column, text: &str) {
        text.clone_into(&mut self.cells[column as usize]);
    }

    fn end_row(&mut self) {
        // Writing into memory does not fail; see `bytes`.
        let _ = self.to.write_record(&self.cells);
        self.cells.iter_mut().for_each(String::clear);
    }
}
