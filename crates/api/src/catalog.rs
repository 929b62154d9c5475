//! Catalog: products, variants, prices, stock and what is reserved of it.

use std::collections::BTreeMap;

use base::{Amount, CategoryId, Currency, ImageId, ProductId, Time, VariantId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

mod between;
mod bulk;
mod categories;
mod import;
mod search;
mod stock;

pub use between::{Card, Client, OfOrder, Pick, Picked, Pieces, Reserve, Short};
pub use bulk::{BULK_READ_MAX, BULK_WRITE_MAX, Bulk, BulkQuery, BulkResult, BulkRow};
use categories::given;
pub use categories::{CATEGORY_SEPARATOR, Category, CategoryQuery, ChangeCategory, NewCategory, Tag, TagQuery};
pub use import::{
    ChangeUndo, ExportQuery, ExportStatus, FieldChange, Import, ImportAction, ImportChange, ImportFault, ImportQuery,
    ImportState, ImportUndo, KEPT_SHOWN_MAX, KeptBack, REASON_COLUMN, REJECTED_SHOWN_MAX, RejectedRow, StockMode,
    UndoImport,
};
pub use search::{CategoryCount, Facets, Highlights, IndexState, OptionCount, PriceBand, StockCount, ValueCount};
pub use stock::{ChangeStock, LedgerQuery, Movement, MovementKind, Stock};

/// Whether a product is for sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// For sale.
    #[default]
    Active,
    /// Not yet for sale; only staff see it.
    Draft,
    /// No longer for sale; orders that hold it still show it.
    Archived,
}

/// What happens when more is ordered than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InventoryPolicy {
    /// The order is refused.
    #[default]
    Deny,
    /// The order is taken; the stock may go below zero.
    Continue,
}

/// A product with its variants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// The id.
    pub id: ProductId,
    /// A number for people.
    pub number: i64,
    /// The name in addresses.
    pub handle: String,
    /// The name.
    pub name: String,
    /// HTML, sanitised.
    pub description: String,
    /// Who makes it.
    pub vendor: Option<String>,
    /// The name of the category that it stands in.
    pub category: String,
    /// The id of the category.
    pub category_id: Option<CategoryId>,
    /// The names from the top of the tree to the category, e.g. `Home > Lighting`.
    pub category_path: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Whether it is for sale.
    pub status: Status,
    /// Pictures, the first one first.
    pub images: Vec<Image>,
    /// The first picture's address.
    pub image_url: Option<String>,
    /// What can be chosen, e.g. size and colour.
    pub options: Vec<ProductOption>,
    /// What is sold; one when there is nothing to choose.
    pub variants: Vec<Variant>,
    /// The lowest price of its variants.
    pub price: Amount,
    /// What prices are in.
    pub currency: Currency,
    /// The sum of its variants' stock.
    pub stock: i64,
    /// The SKU when there is one variant.
    pub sku: Option<String>,
    /// What else is known of it.
    pub metadata: Map<String, Value>,
    /// Since when it exists.
    pub created_at: Time,
    /// When it last changed, sales apart.
    pub updated_at: Time,
    /// Where it holds what was searched for; in answers to searches only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highlights: Option<Highlights>,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// The id.
    pub id: ImageId,
    /// Where it is, http or https.
    pub url: String,
    /// What it shows, for those who do not see it.
    pub alt: Option<String>,
}

/// Something to choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProductOption {
    /// What is chosen, e.g. `Size`.
    pub name: String,
    /// What there is to choose from, in order.
    pub values: Vec<String>,
}

/// What is sold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Variant {
    /// The id.
    pub id: VariantId,
    /// The stock-keeping unit.
    pub sku: String,
    /// The chosen values, e.g. `Small / Red`; the product's name when there is nothing to choose.
    pub name: String,
    /// Option name → chosen value.
    pub options: BTreeMap<String, String>,
    /// What it costs.
    pub price: Amount,
    /// What it cost before; nothing while that is not more than the price.
    pub compare_at_price: Option<Amount>,
    /// What is on hand.
    pub stock: i64,
    /// What is on hand and not reserved.
    pub available: i64,
    /// GTIN, ISBN or the like.
    pub barcode: Option<String>,
    /// In grams.
    pub weight: Option<i64>,
    /// The unit that people read the weight in: g, kg, oz, lb.
    pub weight_unit: Option<String>,
    /// Whether the stock is counted at all.
    pub tracked: bool,
    /// What happens when it is sold out.
    pub inventory_policy: InventoryPolicy,
    /// Whether it has to be sent.
    pub requires_shipping: bool,
    /// Which tax applies; the shop's usual one when absent.
    pub tax_category: Option<String>,
    /// What else is known of it.
    pub metadata: Map<String, Value>,
}

/// A new product; `name` and `price` are needed (`price` may stand in each variant instead).
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "name": "Cross-peen hammer",
    "description": "<p>Forged in one piece, with a handle of ash.</p>",
    "price": 24.5,
    "stock": 40,
    "sku": "PEEN-16",
    "category": "Tools",
    "vendor": "Ironmonger",
    "tags": ["forged", "ash"],
    "images": [{ "url": "https://images.example.com/peen-hammer.jpg", "alt": "The hammer from the side" }]
}))]
#[schemars(extend("if" = { "not": { "required": ["variants"] } }, "then" = { "required": ["price"] }))]
pub struct NewProduct {
    /// The name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The price of each variant that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
    /// HTML; what is not allowed in it is taken out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The name in addresses; made of the name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// Who makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// What is on hand (0); of a product without variants.
    #[serde(
        default,
        alias = "stock_quantity",
        alias = "stockQuantity",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 0))]
    pub stock: Option<i64>,
    /// The category (`General`): a name, a path such as `Home > Lighting`, or an id. Names and paths that are not in
    /// the tree yet are added to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Made when absent; of a product without variants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// What it cost before, more than it costs; of a product without variants.
    #[serde(default, alias = "compare_at_price", skip_serializing_if = "Option::is_none")]
    pub compare_at_price: Option<Amount>,
    /// One picture.
    #[serde(default, alias = "image_url", skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// Pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<NewImage>>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// What can be chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<ProductOption>>,
    /// What is sold, one for each choice of options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variants: Option<Vec<NewVariant>>,
    /// Whether it is for sale (`active`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// What else is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

/// A picture to be shown: an address, or an object with a text for those who do not see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewImage {
    /// Where it is, http or https.
    pub url: String,
    /// What it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt: Option<String>,
}

/// A variant to be sold, or changes to one that has the same options.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "options": { "Size": "20 oz" }, "sku": "PEEN-20", "price": 27.9, "stock": 15, "weight": 950 }))]
pub struct NewVariant {
    /// Made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Option name → chosen value.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// What it costs; the product's price when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
    /// What it cost before; more than it costs.
    #[serde(default, alias = "compare_at_price", skip_serializing_if = "Option::is_none")]
    pub compare_at_price: Option<Amount>,
    /// What is on hand (0). Taken only when the variant is new.
    #[serde(
        default,
        alias = "stock_quantity",
        alias = "stockQuantity",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 0))]
    pub stock: Option<i64>,
    /// GTIN, ISBN or the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// In grams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// The unit that people read the weight in: g, kg, oz, lb.
    #[serde(default, alias = "weight_unit", skip_serializing_if = "Option::is_none")]
    pub weight_unit: Option<String>,
    /// Whether the stock is counted at all (true).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracked: Option<bool>,
    /// What happens when it is sold out (`deny`).
    #[serde(default, alias = "inventory_policy", skip_serializing_if = "Option::is_none")]
    pub inventory_policy: Option<InventoryPolicy>,
    /// Whether it has to be sent (true).
    #[serde(default, alias = "requires_shipping", skip_serializing_if = "Option::is_none")]
    pub requires_shipping: Option<bool>,
    /// Which tax applies.
    #[serde(default, alias = "tax_category", skip_serializing_if = "Option::is_none")]
    pub tax_category: Option<String>,
    /// What else is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

/// Changes to a variant: the fields given; `null` takes away what need not be there. Stock has an address of its own.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "price": 26.9, "barcode": "5012345678900" }))]
pub struct ChangeVariant {
    /// The stock-keeping unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Option name → chosen value; options that are not named keep theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<BTreeMap<String, String>>,
    /// What it costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
    /// What it cost before; more than it costs.
    #[serde(
        default,
        alias = "compare_at_price",
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<Amount>")]
    pub compare_at_price: Option<Option<Amount>>,
    /// GTIN, ISBN or the like.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub barcode: Option<Option<String>>,
    /// In grams.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i64>")]
    pub weight: Option<Option<i64>>,
    /// The unit that people read the weight in: g, kg, oz, lb.
    #[serde(
        default,
        alias = "weight_unit",
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub weight_unit: Option<Option<String>>,
    /// Whether the stock is counted at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracked: Option<bool>,
    /// What happens when it is sold out.
    #[serde(default, alias = "inventory_policy", skip_serializing_if = "Option::is_none")]
    pub inventory_policy: Option<InventoryPolicy>,
    /// Whether it has to be sent.
    #[serde(default, alias = "requires_shipping", skip_serializing_if = "Option::is_none")]
    pub requires_shipping: Option<bool>,
    /// Which tax applies.
    #[serde(
        default,
        alias = "tax_category",
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub tax_category: Option<Option<String>>,
    /// What else is known of it, in place of what there was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

/// Changes to a product: the fields given. `price`, `sku` and `compareAtPrice` are those of its only variant.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "price": 22.9, "compareAtPrice": 24.5, "tags": ["forged", "ash", "offer"] }))]
pub struct ChangeProduct {
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The price of its only variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
    /// HTML; what is not allowed in it is taken out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The name in addresses; the old one leads on to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// Who makes it; `null` for nobody in particular.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub vendor: Option<Option<String>>,
    /// The category: a name, a path such as `Home > Lighting`, or an id. Names and paths that are not in the tree yet
    /// are added to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The SKU of its only variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// What its only variant cost before, more than it costs; `null` for nothing.
    #[serde(
        default,
        alias = "compare_at_price",
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<Amount>")]
    pub compare_at_price: Option<Option<Amount>>,
    /// One picture, in place of those there were.
    #[serde(default, alias = "image_url", skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// Pictures, in place of those there were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<NewImage>>,
    /// Words to find it by, in place of those there were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// What can be chosen, in place of what there was. Without `variants`, the variants stay and choose as before: an
    /// option may get another name, a value another spelling in its place, a new option gives them its first value, and
    /// one that is absent is taken from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<ProductOption>>,
    /// What is sold, in place of what there was. One with the same choice stays the same variant and keeps what is
    /// not given; one that is absent is archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variants: Option<Vec<NewVariant>>,
    /// Whether it is for sale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// What else is known of it, in place of what there was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}
