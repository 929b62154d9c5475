//! What services exchange with catalog: picks and cards, and the pieces of an order.

use base::{Money, OrderId, ProductId, Quantity, VariantId};
use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::{Cx, Peer, Problem};

use crate::Ref;

/// What is to be bought: a product that has one variant, a variant, or a SKU. Exactly one is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pick {
    /// A product (or anything else that [`Ref`] can name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Ref>,
    /// A variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Ref>,
    /// A SKU, even one that is all digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
}

/// What a [`Pick`] means: a card, or the problem with it (404 `not_found`, 400 `variant_required`).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Picked {
    /// The variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<Card>,
    /// Or why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What cart and orders need to know of a variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// The variant.
    pub variant: VariantId,
    /// Its product.
    pub product: ProductId,
    /// The product's number.
    pub number: i64,
    /// Its SKU.
    pub sku: String,
    /// Product name, and the chosen values when there are several variants: `Varsity Top, Small`.
    pub name: String,
    /// A picture of it.
    pub image_url: Option<String>,
    /// What it costs now.
    pub price: Money,
    /// What can be had of it; a very large number when the stock is not counted or may go below zero.
    pub available: i64,
    /// Whether it can be bought at all.
    pub for_sale: bool,
    /// Which tax applies.
    pub tax_category: Option<String>,
    /// Whether it has to be sent.
    pub requires_shipping: bool,
}

/// So many pieces of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pieces {
    /// Of what.
    pub variant: VariantId,
    /// How many.
    pub quantity: Quantity,
}

/// Holds pieces for an order: all lines or none.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reserve {
    /// For which order.
    pub order: OrderId,
    /// Each variant once.
    pub lines: Vec<Pieces>,
}

/// A line that there is not enough for; `lines` of the problem `out_of_stock` are these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Short {
    /// Of what.
    pub variant_id: VariantId,
    /// Its SKU.
    pub sku: String,
    /// How many pieces were asked for.
    pub requested: i64,
    /// How many there are.
    pub available: i64,
}

/// Names an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfOrder {
    /// Which.
    pub order: OrderId,
}

/// What other services may ask of catalog.
#[derive(Clone, Debug)]
pub struct Client(pub Peer);

impl Client {
    /// What each pick means, in the picks' order. At most 500.
    pub async fn resolve(&self, cx: &Cx, picks: &[Pick]) -> Result<Vec<Picked>, Problem> {
        self.0
            .call(cx, Method::POST, "/internal/resolve")
            .json(&picks)
            .once()
            .fetch()
            .await
    }

    /// The cards of at most 500 variants, archived ones too; unknown ones are absent from the answer.
    pub async fn cards(&self, cx: &Cx, variants: &[VariantId]) -> Result<Vec<Card>, Problem> {
        self.0
            .call(cx, Method::POST, "/internal/cards")
            .json(&variants)
            .once()
            .fetch()
            .await
    }

    /// Holds an order's pieces. Refused: 409 `out_of_stock` with `lines` of [`Short`], 409 `closed` after an undo. Harmless to repeat.
    pub async fn reserve(&self, cx: &Cx, reserve: &Reserve) -> Result<(), Problem> {
        self.0
            .call(cx, Method::POST, "/internal/reserve")
            .json(reserve)
            .once()
            .done()
            .await
    }

    /// Takes an order's reserved pieces out of stock for good. Refused: 409 `closed` when nothing is reserved. Harmless to repeat.
    pub async fn settle(&self, cx: &Cx, order: OrderId) -> Result<(), Problem> {
        self.0
            .call(cx, Method::POST, "/internal/settle")
            .json(&OfOrder { order })
            .once()
            .done()
            .await
    }

    /// Releases what is reserved, restocks what was settled; a later reserve or settle is `closed`. Harmless to repeat.
    pub async fn undo(&self, cx: &Cx, order: OrderId) -> Result<(), Problem> {
        self.0
            .call(cx, Method::POST, "/internal/undo")
            .json(&OfOrder { order })
            .once()
            .done()
            .await
    }
}
