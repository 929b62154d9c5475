//! What is known of a product and its variants, checked, before and after it has rows.

use api::catalog::{InventoryPolicy, ProductOption, Status};
use base::{CategoryId, Handle, ImageId, ProductId, Sku, Time, VariantId, fold};
use serde_json::{Map, Value};

/// Characters of a folded name that lists sort by: more than people compare, and a cursor that fits an address.
const NAME_KEY_MAX: usize = 80;

/// What is known of a product apart from its variants.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The name in addresses.
    pub handle: Handle,
    /// The name.
    pub name: String,
    /// Sanitised HTML.
    pub description: String,
    /// Who makes it.
    pub vendor: Option<String>,
    /// The category that it stands in: its path, or as the caller named it where the product is still to be written.
    pub category: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Whether it is for sale.
    pub status: Status,
    /// Pictures, the first one first.
    pub images: Vec<Picture>,
    /// What can be chosen.
    pub options: Vec<ProductOption>,
    /// What else is known.
    pub metadata: Map<String, Value>,
}

/// A picture; its id is given when it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Where it is, http or https.
    pub url: String,
    /// What it shows.
    pub alt: Option<String>,
}

/// What is known of a variant apart from its stock.
#[derive(Clone, Debug, PartialEq)]
pub struct VariantFacts {
    /// The SKU; none is made of handle and choice when it is written, or stays as it was.
    pub sku: Option<Sku>,
    /// The chosen values, in the order of the product's options.
    pub choice: Vec<String>,
    /// Minor units of the shop's currency.
    pub price_minor: i64,
    /// Minor units of the shop's currency.
    pub compare_at_minor: Option<i64>,
    /// GTIN, ISBN or the like.
    pub barcode: Option<String>,
    /// In grams.
    pub weight: Option<i64>,
    /// One of [`WEIGHT_UNITS`](super::WEIGHT_UNITS).
    pub weight_unit: Option<String>,
    /// Whether the stock is counted.
    pub tracked: bool,
    /// What happens when it is sold out.
    pub inventory_policy: InventoryPolicy,
    /// Whether it has to be sent.
    pub requires_shipping: bool,
    /// Which tax applies.
    pub tax_category: Option<String>,
    /// What else is known.
    pub metadata: Map<String, Value>,
}

/// A product as it is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Of the product.
    pub facts: Facts,
    /// What is sold, at least one; each choice once.
    pub variants: Vec<DraftVariant>,
    /// Whether the handle was made of the name, so that it may be changed until it is free.
    pub handle_made: bool,
}

/// A variant as it is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftVariant {
    /// What is known of it.
    pub facts: VariantFacts,
    /// Pieces on hand when it is new.
    pub stock: i64,
}

/// A product as it is, for those who change it.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The id.
    pub id: ProductId,
    /// The number.
    pub number: i64,
    /// The catalogue version.
    pub version: i64,
    /// The category of the tree that it stands in.
    pub category: Option<CategoryId>,
    /// What is known of it.
    pub facts: Facts,
    /// The pictures' ids, in the order of `facts.images`.
    pub image_ids: Vec<ImageId>,
    /// The living variants in order.
    pub variants: Vec<KeptVariant>,
    /// Since when it exists.
    pub created_at: Time,
}

/// A variant as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptVariant {
    /// The id.
    pub id: VariantId,
    /// Its place among the variants.
    pub position: i64,
    /// What is known of it; the SKU is always there.
    pub facts: VariantFacts,
    /// On hand.
    pub on_hand: i64,
    /// Promised to orders.
    pub reserved: i64,
}

impl Kept {
    /// The product as a draft that changes nothing.
    pub fn draft(&self) -> Draft {
        Draft {
            facts: self.facts.clone(),
            variants: self
                .variants
                .iter()
                .map(|variant| DraftVariant {
                    facts: variant.facts.clone(),
                    stock: 0,
                })
                .collect(),
            handle_made: false,
        }
    }
}

impl VariantFacts {
    /// A variant of this price about which nothing else is known.
    pub fn at(price_minor: i64) -> Self {
        Self {
            sku: None,
            choice: Vec::new(),
            price_minor,
            compare_at_minor: None,
            barcode: None,
            weight: None,
            weight_unit: None,
            tracked: true,
            inventory_policy: InventoryPolicy::Deny,
            requires_shipping: true,
            tax_category: None,
            metadata: Map::new(),
        }
    }
}

/// What two spellings of the same choice have in common.
pub fn choice_key(choice: &[String]) -> String {
    choice
        .iter()
        .map(|value| fold(value))
        .collect::<Vec<_>>()
        .join("\u{1f}")
}

/// A variant's name: the chosen values, or the product's name where nothing is chosen.
pub fn variant_name(product: &str, choice: &[String]) -> String {
    if choice.is_empty() {
        product.to_owned()
    } else {
        choice.join(" / ")
    }
}

/// A variant's name beside other products: `Varsity Top, Small`.
pub fn card_name(product: &str, choice: &[String]) -> String {
    if choice.is_empty() {
        product.to_owned()
    } else {
        format!("{product}, {}", choice.join(" / "))
    }
}

/// The folded beginning of a name, by which lists sort.
pub fn name_key(name: &str) -> String {
    fold(name).chars().take(NAME_KEY_MAX).collect()
}

/// Folded tags between line ends, so that a whole tag can be looked for.
pub fn tags_key(tags: &[String]) -> String {
    let mut key = String::from("\n");
    for tag in tags {
        key.push_str(&fold(tag));
        key.push('\n');
    }
    key
}

/// What a search looks through: folded name, tags, category, vendor, and the description without its marks.
pub fn search_text(facts: &Facts) -> String {
    let mut text = String::with_capacity(facts.name.len() + facts.description.len() + 64);
    let words = [Some(&facts.name), Some(&facts.category), facts.vendor.as_ref()];
    for word in words.into_iter().flatten().chain(&facts.tags) {
        text.push_str(word);
        text.push(' ');
    }
    let mut in_mark = false;
    for letter in facts.description.chars() {
        match letter {
            '<' => in_mark = true,
            '>' if in_mark => {
                in_mark = false;
                text.push(' ');
            }
            _ if !in_mark => text.push(letter),
            _ => {}
        }
    }
    fold(&text)
}
