//! Searching: what was found where, how many there are of each kind, and the state of the index.

use base::{Amount, Currency};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a product holds what was searched for: HTML, everything escaped but `<mark>` around the words found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Highlights {
    /// The name.
    pub name: String,
    /// The part of the description around the first find; null when it holds none.
    pub description: Option<String>,
}

/// How many products there are of each kind. Each facet is counted under the filters of the others, not under its own,
/// so that it says what choosing another value would show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Facets {
    /// Products under all filters.
    pub count: u64,
    /// What prices are in.
    pub currency: Currency,
    /// Categories; one counts what is below it as well. The most frequent first, as everywhere here.
    pub categories: Vec<CategoryCount>,
    /// Bands of the lowest price, the cheapest first. Empty ones are left out.
    pub prices: Vec<PriceBand>,
    /// Tags.
    pub tags: Vec<ValueCount>,
    /// Vendors.
    pub vendors: Vec<ValueCount>,
    /// What can be chosen, e.g. size and colour.
    pub options: Vec<OptionCount>,
    /// What can be had, and what is sold out.
    pub stock: StockCount,
}

/// Products of a category and of those below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CategoryCount {
    /// Its name.
    pub name: String,
    /// The names from the top of the tree to it; the value for `category=`.
    pub path: String,
    /// How many categories are above it.
    pub depth: u32,
    /// How many products.
    pub count: u64,
}

/// Products whose lowest price lies in a band.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceBand {
    /// The lowest price of the band; the value for `minPrice=`.
    pub min: Amount,
    /// The highest price of the band; the value for `maxPrice=`.
    pub max: Amount,
    /// How many products.
    pub count: u64,
}

/// Products with a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValueCount {
    /// The value, as most products spell it.
    pub value: String,
    /// How many products.
    pub count: u64,
}

/// The values of an option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OptionCount {
    /// What is chosen, e.g. `Size`.
    pub name: String,
    /// Products that can be chosen so: `option=Size:M`.
    pub values: Vec<ValueCount>,
}

/// Products that can be had, and others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockCount {
    /// Something of them can be had: `inStock=true`.
    pub available: u64,
    /// Sold out: `inStock=false`.
    pub sold_out: u64,
}

/// How a process's search index stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IndexState {
    /// Whether it answers searches.
    pub ready: bool,
    /// Whether it is being made anew.
    pub building: bool,
    /// Products that it holds already while it is being made.
    pub done: u64,
    /// Products that it will hold then.
    pub total: u64,
    /// How often this process has made it.
    pub built: u64,
    /// Why it could not be made the last time.
    pub fault: Option<String>,
}
