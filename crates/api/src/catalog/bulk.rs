//! Many products in one call.

use std::borrow::Cow;

use base::ProductId;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wire::Problem;

use super::{NewProduct, Product};
use crate::Ref;

/// The most ids that one bulk read takes.
pub const BULK_READ_MAX: usize = 100;
/// The most products that one bulk write takes.
pub const BULK_WRITE_MAX: usize = 1_000;

/// Body of `POST /products/bulk`: `ids` reads (no token needed), `products` writes (staff). Exactly one is given.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "products": [
        { "name": "Cold chisel", "price": 9.9, "stock": 60, "sku": "CHISEL-COLD" },
        { "name": "Wood chisel", "price": 14.5, "stock": 25, "sku": "CHISEL-WOOD" }
    ]
}))]
pub struct Bulk {
    /// Products to read, at most 100. Unknown ones are absent from the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<Ref>>,
    /// Products to create, at most 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub products: Option<Vec<BulkRow>>,
}

/// A [`NewProduct`] as it was written, read by itself, so that one broken row does not spoil the others.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BulkRow(pub Box<RawValue>);

impl JsonSchema for BulkRow {
    fn schema_name() -> Cow<'static, str> {
        NewProduct::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        NewProduct::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        NewProduct::json_schema(generator)
    }
}

/// The query of `POST /products/bulk`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkQuery {
    /// Create all products or none (false): then one broken row refuses the call, which names every broken one.
    #[serde(default)]
    pub atomic: bool,
}

/// What came of one row of a bulk write.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkResult {
    /// The row, counted from 0.
    pub index: usize,
    /// The status code that the row alone would have been answered with: 201, or that of the problem.
    pub status: u16,
    /// The new product's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ProductId>,
    /// The new product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// Why there is none; its pointers lead into the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}
