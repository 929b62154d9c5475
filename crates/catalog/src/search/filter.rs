//! Which products come into question, whatever is searched for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use base::fold;
use tantivy::query::{BooleanQuery, Occur, Query, RangeQuery, TermQuery, TermSetQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, TantivyError, Term};

use super::index::{Fields, column, option_key};
use super::ranking::{scored, term};

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

    /// `matching` among what comes into question. Filters add nothing to a score.
    ///
    /// # Errors
    /// What the index refuses.
    pub fn among(
        &self,
        searcher: &Searcher,
        fields: &Fields,
        matching: Box<dyn Query>,
    ) -> Result<Box<dyn Query>, TantivyError> {
        let mut filters: Vec<Box<dyn Query>> = Vec::new();
        if !self.drafts {
            filters.push(flag(fields.active, true));
        }
        for (field, values) in [
            (fields.category, &self.categories),
            (fields.tag, &self.tags),
            (fields.vendor, &self.vendors),
        ] {
            if !values.is_empty() {
                filters.push(any_of(field, values.iter().map(String::as_str)));
            }
        }
        for (name, values) in &self.options {
            let keys: Vec<String> = values.iter().map(|value| option_key(name, value)).collect();
            filters.push(any_of(fields.option, keys.iter().map(String::as_str)));
        }
        if let Some(sku) = &self.sku {
            filters.push(term(fields.sku, sku));
        }
        if let Some(in_stock) = self.in_stock {
            filters.push(flag(fields.available, in_stock));
        }
        if self.min_minor.is_some() || self.max_minor.is_some() {
            let field = searcher.schema().get_field(column::PRICE)?;
            // Prices are never negative.
            let bound = |minor: Option<i64>| match minor {
                Some(minor) => Bound::Included(Term::from_field_u64(field, u64::try_from(minor).unwrap_or(0))),
                None => Bound::Unbounded,
            };
            filters.push(Box::new(RangeQuery::new(bound(self.min_minor), bound(self.max_minor))));
        }
        if filters.is_empty() {
            return Ok(matching);
        }
        let filters = filters.into_iter().map(|filter| (Occur::Must, scored(filter, 0.0)));
        let clauses = std::iter::once((Occur::Must, matching)).chain(filters);
        Ok(Box::new(BooleanQuery::new(clauses.collect())))
    }
}

/// `Size:M` as name and value; none without both.
pub fn option_of(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once(':')?;
    let (name, value) = (fold(name), fold(value));
    (!name.is_empty() && !value.is_empty()).then_some((name, value))
}

fn flag(field: Field, set: bool) -> Box<dyn Query> {
    let term = Term::from_field_u64(field, u64::from(set));
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

fn any_of<'a>(field: Field, values: impl Iterator<Item = &'a str>) -> Box<dyn Query> {
    Box::new(TermSetQuery::new(
        values.map(|value| Term::from_field_text(field, value)),
    ))
}
