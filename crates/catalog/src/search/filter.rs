//! Which products come into question, whatever is searched for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use base::fold;
use tantivy::columnar::{Column, ColumnValues};
use tantivy::{DocId, SegmentReader, TantivyError};

use super::finds::Way;
use super::index::{Fields, column, option_key};

/// Which products come into question. Values of one facet are alternatives (red or blue); facets must all agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Drafts too, for staff.
    pub drafts: bool,
    /// Folded names or paths of categories; those below them count as well.
    pub categories: Vec<String>,
    /// Folded tags.
    pub tags: Vec<String>,
    /// Folded vendors.
    pub vendors: Vec<String>,
    /// Folded names of options with their values, as people wrote them.
    pub options: BTreeMap<String, BTreeSet<String>>,
    /// The product of this SKU.
    pub sku: Option<String>,
    /// The lowest price is at least this, in minor units.
    pub min_minor: Option<i64>,
    /// The lowest price is at most this, in minor units.
    pub max_minor: Option<i64>,
    /// Whether some variant can be had, or none.
    pub in_stock: Option<bool>,
}

/// What products are told apart by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Facet {
    /// Their category.
    Category,
    /// Their lowest price.
    Price,
    /// Their tags.
    Tag,
    /// Their vendor.
    Vendor,
    /// Whether something can be had.
    Stock,
    /// An option's values; its folded name.
    Option(String),
}

impl Wanted {
    /// The facets that are narrowed.
    pub fn narrowed(&self) -> Vec<Facet> {
        let plain = [
            (Facet::Category, !self.categories.is_empty()),
            (Facet::Price, self.min_minor.is_some() || self.max_minor.is_some()),
            (Facet::Tag, !self.tags.is_empty()),
            (Facet::Vendor, !self.vendors.is_empty()),
            (Facet::Stock, self.in_stock.is_some()),
        ];
        let plain = plain
            .into_iter()
            .filter(|(_, narrowed)| *narrowed)
            .map(|(facet, _)| facet);
        plain.chain(self.options.keys().cloned().map(Facet::Option)).collect()
    }

    /// The same without what narrows a facet.
    pub fn without(&self, facet: &Facet) -> Wanted {
        let mut wanted = self.clone();
        match facet {
            Facet::Category => wanted.categories.clear(),
            Facet::Price => (wanted.min_minor, wanted.max_minor) = (None, None),
            Facet::Tag => wanted.tags.clear(),
            Facet::Vendor => wanted.vendors.clear(),
            Facet::Stock => wanted.in_stock = None,
            Facet::Option(name) => drop(wanted.options.remove(name)),
        }
        wanted
    }

    /// What of a segment comes into question.
    ///
    /// # Errors
    /// What the index refuses.
    pub fn sieve(&self, segment: &SegmentReader, fields: &Fields) -> Result<Sieve, TantivyError> {
        let mut sieve = Sieve::default();
        let mut any_of = |field, values: &mut dyn Iterator<Item = &str>| {
            let mut among = vec![false; segment.max_doc() as usize];
            for value in values {
                let found = Way::Term(field, value);
                found.each(segment, |docs| docs.iter().for_each(|&doc| among[doc as usize] = true))?;
            }
            sieve.narrow(among);
            Ok::<_, TantivyError>(())
        };
        for (field, values) in [
            (fields.category, &self.categories),
            (fields.tag, &self.tags),
            (fields.vendor, &self.vendors),
        ] {
            if !values.is_empty() {
                any_of(field, &mut values.iter().map(String::as_str))?;
            }
        }
        for (name, values) in &self.options {
            let keys: Vec<String> = values.iter().map(|value| option_key(name, value)).collect();
            any_of(fields.option, &mut keys.iter().map(String::as_str))?;
        }
        if let Some(sku) = &self.sku {
            any_of(fields.sku, &mut std::iter::once(sku.as_str()))?;
        }
        // Prices are never negative.
        let bound = |minor: i64| u64::try_from(minor).unwrap_or(0);
        let prices = self.min_minor.map_or(0, bound)..=self.max_minor.map_or(u64::MAX, bound);
        let flag = |set: bool| u64::from(set)..=u64::from(set);
        let ranges = [
            (column::ACTIVE, (!self.drafts).then(|| flag(true))),
            (column::AVAILABLE, self.in_stock.map(flag)),
            (column::PRICE, (prices != (0..=u64::MAX)).then_some(prices)),
        ];
        for (name, range) in ranges {
            sieve.within(segment.fast_fields().u64(name)?, range);
        }
        Ok(sieve)
    }
}

/// What lets only those documents of a segment through that come into question.
#[derive(Default)]
pub struct Sieve {
    /// By document; all of them without.
    among: Option<Vec<bool>>,
    figures: Vec<(Arc<dyn ColumnValues<u64>>, RangeInclusive<u64>)>,
}

impl Sieve {
    /// Whether a document comes into question.
    pub fn lets_through(&self, doc: DocId) -> bool {
        self.among.as_ref().is_none_or(|among| among[doc as usize])
            && self
                .figures
                .iter()
                .all(|(column, range)| range.contains(&column.get_val(doc)))
    }

    fn narrow(&mut self, more: Vec<bool>) {
        match &mut self.among {
            None => self.among = Some(more),
            Some(among) => among.iter_mut().zip(more).for_each(|(one, other)| *one &= other),
        }
    }

    fn within(&mut self, column: Column<u64>, range: Option<RangeInclusive<u64>>) {
        // Where a segment has nothing else, nobody need look.
        let is_all =
            |range: &RangeInclusive<u64>| range.contains(&column.min_value()) && range.contains(&column.max_value());
        if let Some(range) = range.filter(|range| !is_all(range)) {
            self.figures.push((column.first_or_default_col(0), range));
        }
    }
}

/// `Size:M` as name and value; none without both.
pub fn option_of(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once(':')?;
    let (name, value) = (fold(name), fold(value));
    (!name.is_empty() && !value.is_empty()).then_some((name, value))
}
