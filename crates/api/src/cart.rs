//! Cart: what a person means to buy.

use base::{Amount, CartId, Currency, LineId, ProductId, Quantity, Time, UserId, VariantId};
use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::{Cx, Peer, Problem};

use crate::Ref;
use crate::catalog::Pieces;
use crate::identity::Cut;

/// The most lines of a cart, and of an order.
pub const LINES_PER_CART_MAX: usize = 500;

/// A cart as its owner sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cart {
    /// The id; none before the first line.
    pub id: Option<CartId>,
    /// Whose it is.
    pub user_id: UserId,
    /// Its lines, in the order in which they were added.
    pub cart: Vec<Line>,
    /// How many pieces.
    pub item_count: i64,
    /// What they cost now. A line of which nothing is available does not count: it cannot be ordered.
    pub total: Amount,
    /// In what.
    pub currency: Currency,
    /// Whether any line has changes that the buyer has not acknowledged.
    pub changed: bool,
    /// What signing in brought from the cart that was filled before, until it is acknowledged.
    pub merge: Option<MergeNotice>,
}

/// What signing in brought into a cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MergeNotice {
    /// Pieces that came along.
    pub merged: i64,
    /// Pieces that did not, for want of stock or room.
    pub cut: Vec<Cut>,
    /// When.
    pub at: Time,
}

/// A line of a cart. Name, picture, price and what is available are those of now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The line's id.
    pub id: LineId,
    /// Of which product.
    pub product_id: ProductId,
    /// Of which variant.
    pub variant_id: VariantId,
    /// Its SKU.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// A picture of it.
    pub image_url: Option<String>,
    /// How many pieces.
    pub quantity: i64,
    /// What a piece costs.
    pub price: Amount,
    /// What they cost together.
    pub subtotal: Amount,
    /// How many could be had.
    pub available: i64,
    /// What has changed since the buyer last acted on this line (added to it, set its quantity, acknowledged).
    pub changes: Changes,
}

/// What of a line is not as its buyer saw it last; empty when all is. What the line shows is always that of now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// A piece costs something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceChange>,
    /// There is too little of it, or there was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<StockChange>,
    /// It is called something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<NameChange>,
    /// True when it is no longer for sale; absent when it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unavailable: bool,
}

/// A price that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceChange {
    /// What a piece cost.
    pub was: Amount,
    /// What it costs.
    pub now: Amount,
}

/// A stock that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockChange {
    /// How many could be had.
    pub was: i64,
    /// How many can be.
    pub now: i64,
}

/// A name that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NameChange {
    /// What it was called.
    pub was: String,
    /// What it is called.
    pub now: String,
}

/// Adds pieces: of `productId`, `variantId` or `sku`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "productId": 1, "quantity": 2 }))]
pub struct Add {
    /// A product with one variant: number, id, SKU or handle.
    #[serde(default, alias = "product_id", skip_serializing_if = "Option::is_none")]
    pub product_id: Option<Ref>,
    /// A variant.
    #[serde(default, alias = "variant_id", skip_serializing_if = "Option::is_none")]
    pub variant_id: Option<Ref>,
    /// A SKU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// How many (1), at least 1.
    #[serde(default, alias = "qty", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<base::SomePieces>")]
    pub quantity: Option<Quantity>,
    /// One's own id; anybody else's is refused.
    #[serde(default, alias = "user_id", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Ref>,
}

/// Sets a line's quantity; 0 removes it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "quantity": 3 }))]
pub struct SetQuantity {
    /// How many.
    #[serde(alias = "qty")]
    pub quantity: Quantity,
}

/// Removes a product's line.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "productId": 1 }))]
pub struct Remove {
    /// A product, variant or SKU.
    #[serde(alias = "product_id")]
    pub product_id: Ref,
}

// ------------------------------------------------------------------ between services

/// A cart as orders sees it: what, and which generation of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contents {
    /// The cart.
    pub cart: CartId,
    /// Grows when the cart becomes an order.
    pub generation: i64,
    /// Its lines; empty when there is nothing in it.
    pub lines: Vec<Pieces>,
}

/// A generation of a cart became an order: what was ordered goes out of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Clear {
    /// The cart.
    pub cart: CartId,
    /// The generation that was ordered.
    pub generation: i64,
    /// What was ordered.
    pub lines: Vec<Pieces>,
}

/// Moves a guest's cart into an account's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MergeCarts {
    /// The guest.
    pub from: UserId,
    /// The account.
    pub to: UserId,
}

/// What a merge did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Merged {
    /// Pieces that moved.
    pub merged: i64,
    /// Pieces that there was no stock for.
    pub cut: Vec<Cut>,
}

/// What other services may ask of cart.
#[derive(Clone, Debug)]
pub struct Client(pub Peer);

impl Client {
    /// A user's cart, or none when there never was one.
    pub async fn contents(&self, cx: &Cx, user: UserId) -> Result<Option<Contents>, Problem> {
        self.0
            .call(cx, Method::GET, format!("/internal/carts/{user}"))
            .find()
            .await
    }

    /// Subtracts what was ordered and starts the next generation; of an earlier generation it does nothing. Harmless to repeat.
    pub async fn clear(&self, cx: &Cx, clear: &Clear) -> Result<(), Problem> {
        self.0
            .call(cx, Method::POST, "/internal/carts/clear")
            .json(clear)
            .once()
            .done()
            .await
    }

    /// Moves a guest's cart into an account's, up to the stock there is. Harmless to repeat.
    pub async fn merge(&self, cx: &Cx, carts: &MergeCarts) -> Result<Merged, Problem> {
        self.0
            .call(cx, Method::POST, "/internal/carts/merge")
            .json(carts)
            .once()
            .fetch()
            .await
    }
}
