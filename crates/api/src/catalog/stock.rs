//! Stock: what there is, what changes it, and the ledger that says why.

use base::{OrderId, Time, VariantId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A change of stock: by `quantity` pieces, or (with `If-Match`) to `set`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "quantity": 12, "reason": "a delivery" }))]
pub struct ChangeStock {
    /// Pieces that came (positive) or went (negative).
    #[serde(default, alias = "qty", skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
    /// Pieces that were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<i64>,
    /// Why, in a few words, for the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What there is of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stock {
    /// On hand.
    pub stock: i64,
    /// Of that, promised to orders.
    pub reserved: i64,
    /// Of that, still to be had.
    pub available: i64,
}

/// Why a stock moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MovementKind {
    /// First pieces of a new variant.
    Received,
    /// More or fewer by a clerk's word.
    Adjusted,
    /// Counted by a clerk, or by a file.
    Set,
    /// Promised to an order.
    Reserved,
    /// No longer promised.
    Released,
    /// Left with an order.
    Settled,
    /// Came back from an order.
    Restocked,
}

/// A line of the ledger: one movement of a variant's stock. Its lines, added up, are the stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Movement {
    /// Of what.
    pub variant_id: VariantId,
    /// Its number in the ledger of the variant: 1, 2, 3 … without gaps.
    pub sequence: i64,
    /// What kind of movement it was.
    pub kind: MovementKind,
    /// Why, in the words of who did it.
    pub reason: Option<String>,
    /// By how many pieces the stock changed.
    pub quantity: i64,
    /// By how many pieces what is promised to orders changed.
    pub reserved_change: i64,
    /// On hand afterwards.
    pub stock: i64,
    /// Promised to orders afterwards.
    pub reserved: i64,
    /// Still to be had afterwards.
    pub available: i64,
    /// For which order.
    pub order_id: Option<OrderId>,
    /// Who caused it: a user's or key's id, or a service.
    pub actor: String,
    /// The request that caused it.
    pub request_id: String,
    /// When.
    pub at: Time,
}

/// The query of a ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerQuery {
    /// Lines of a page, 1 to 100 (20).
    #[schemars(range(min = 1, max = 100))]
    pub limit: Option<u32>,
    /// Where the page begins, from the `Link` of the page before.
    pub cursor: Option<String>,
}
