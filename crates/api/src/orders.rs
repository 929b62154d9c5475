//! Orders: what was bought, by whom, for how much, and how far it is.

use base::{Address, Amount, Currency, OrderId, OrderLineId, ProductId, Quantity, RefundId, Time, UserId, VariantId};
use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::{Cx, Peer, Problem};

use crate::Ref;
use crate::payments::{Failure, PaymentMethod, PaymentStatus};

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// Placed, not paid yet.
    Pending,
    /// Paid (or to be paid on delivery).
    Confirmed,
    /// Being packed.
    Processing,
    /// On its way.
    Shipped,
    /// Arrived.
    Delivered,
    /// Called off; stock and money are given back.
    Cancelled,
    /// Never paid, or there was not enough; final.
    Failed,
}

impl OrderStatus {
    /// The word on the wire and in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            OrderStatus::Pending => "pending",
            OrderStatus::Confirmed => "confirmed",
            OrderStatus::Processing => "processing",
            OrderStatus::Shipped => "shipped",
            OrderStatus::Delivered => "delivered",
            OrderStatus::Cancelled => "cancelled",
            OrderStatus::Failed => "failed",
        }
    }

    /// Reads [`OrderStatus::as_str`]'s word.
    pub fn parse(word: &str) -> Option<Self> {
        use OrderStatus::*;
        [Pending, Confirmed, Processing, Shipped, Delivered, Cancelled, Failed]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

/// Places an order: of `items`, or of the cart when there are none.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "items": [{ "productId": 1, "quantity": 2 }],
    "shippingAddress": {
        "name": "Ada Forge", "street": "1 Forge Lane", "city": "Sheffield", "postalCode": "S1 2HE", "country": "GB"
    },
    "paymentMethod": "credit_card",
    "paymentToken": "tok_visa"
}))]
pub struct NewOrder {
    /// What to buy; the cart is left alone then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<NewItem>>,
    /// Where it goes.
    #[serde(default, alias = "shipping_address", skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<Address>,
    /// Where the bill goes; the shipping address when absent.
    #[serde(default, alias = "billing_address", skip_serializing_if = "Option::is_none")]
    pub billing_address: Option<Address>,
    /// How it is paid (`credit_card`).
    #[serde(default, alias = "payment_method", skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<PaymentMethod>,
    /// The payment provider's token.
    #[serde(default, alias = "payment_token", skip_serializing_if = "Option::is_none")]
    pub payment_token: Option<String>,
    /// Where to write to, for guests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// One's own id; anybody else's is refused.
    #[serde(default, alias = "user_id", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Ref>,
}

/// So many pieces of `productId`, `variantId` or `sku`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "productId": 1, "quantity": 2 }))]
pub struct NewItem {
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
}

/// The answer to a new order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// The order's id.
    pub order_id: OrderId,
    /// Its number.
    pub number: i64,
    /// What it costs.
    pub total: Amount,
    /// In what.
    pub currency: Currency,
    /// How far it is.
    pub status: OrderStatus,
    /// Why it is not paid, when the payment was declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_error: Option<Failure>,
    /// Until when it can be paid; then it fails, and its pieces are free. Only while it waits to be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay_before: Option<Time>,
    /// What to do now, for people, when the payment was declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The whole order.
    pub order: Order,
}

/// An order. Names and prices are those at the moment of ordering.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The id.
    pub id: OrderId,
    /// A number for people.
    pub number: i64,
    /// Who ordered.
    pub user_id: UserId,
    /// Where to write to.
    pub email: Option<String>,
    /// How far it is.
    pub status: OrderStatus,
    /// How far its payment is.
    pub payment_status: PaymentStatus,
    /// What was ordered.
    pub items: Vec<OrderLine>,
    /// The lines together.
    pub subtotal: Amount,
    /// What is taken off.
    pub discount: Amount,
    /// What sending it costs.
    pub shipping: Amount,
    /// Tax: in the prices, or on top of them when the shop's prices are net.
    pub tax: Amount,
    /// What is due.
    pub total: Amount,
    /// In what.
    pub currency: Currency,
    /// Where it goes.
    pub shipping_address: Option<Address>,
    /// Where the bill goes.
    pub billing_address: Option<Address>,
    /// How it is paid.
    pub payment_method: PaymentMethod,
    /// When it was placed.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Its states, the first one first.
    pub history: Vec<Change>,
    /// What else is known of it.
    pub metadata: Map<String, Value>,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderLine {
    /// The line's id.
    pub id: OrderLineId,
    /// Of which product.
    pub product_id: ProductId,
    /// Of which variant.
    pub variant_id: VariantId,
    /// Its SKU.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// How many pieces.
    pub quantity: i64,
    /// What a piece costs.
    pub price: Amount,
    /// What they cost together.
    pub subtotal: Amount,
}

/// A change of an order's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The state it came to.
    pub status: OrderStatus,
    /// When.
    pub at: Time,
    /// Who caused it: a user's id or `service:…`.
    pub by: String,
    /// Why, e.g. `paid`, `cancelled_by_customer`, `payment_window_ended`.
    pub reason: Option<String>,
}

/// Moves an order forward.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "status": "processing", "reason": "is being packed" }))]
pub struct SetStatus {
    /// To which state.
    pub status: OrderStatus,
    /// Why, for its history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Calls an order off.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "reason": "ordered by mistake" }))]
pub struct Cancel {
    /// Why, for its history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A mail to the buyer of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderMail {
    /// What it tells: `confirmed`, `shipped`, `cancelled` or `refunded`.
    pub kind: String,
    /// The refund that it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_id: Option<RefundId>,
    /// `waiting` (for its first or its next try), `sent` (the mail server took it) or `failed` (given up).
    pub status: String,
    /// How often it was tried.
    pub tries: i64,
    /// Why the last try failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// When there was something to tell.
    pub created_at: Time,
    /// When its state last changed.
    pub updated_at: Time,
}

// ------------------------------------------------------------------ between services

/// Pays a pending order on behalf of `user`, or of staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PayOrder {
    /// The order: id or number.
    pub order: Ref,
    /// Who asks.
    pub user: UserId,
    /// Whether they may pay anybody's.
    pub staff: bool,
    /// How; as the order says when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<PaymentMethod>,
    /// The provider's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What the caller takes to be due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
}

/// A guest's orders go to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HandOver {
    /// The guest.
    pub from: UserId,
    /// The account.
    pub to: UserId,
}

/// Whose an order is, for payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ownership {
    /// The order.
    pub order: OrderId,
    /// Who ordered.
    pub user: UserId,
}

/// What other services may ask of orders.
#[derive(Clone, Debug)]
pub struct Client(pub Peer);

impl Client {
    /// Pays a pending order and drives it on; answers the order as it then stands.
    /// Refused: 404, 409 `already_paid`, 409 `payable_on_delivery`, 409 `order_closed`, 409 `amount_differs`, 402 `payment_declined`.
    pub async fn pay(&self, cx: &Cx, pay: &PayOrder) -> Result<Order, Problem> {
        self.0
            .call(cx, Method::POST, "/internal/orders/pay")
            .json(pay)
            .fetch()
            .await
    }

    /// Whose an order is, by id or number; none when there is no such order.
    pub async fn ownership(&self, cx: &Cx, order: &Ref) -> Result<Option<Ownership>, Problem> {
        self.0
            .call(
                cx,
                Method::GET,
                format!("/internal/orders/{}/ownership", order.segment()),
            )
            .find()
            .await
    }

    /// The payment changed (a refund, a late capture): look at it again. Harmless to repeat.
    pub async fn payment_changed(&self, cx: &Cx, order: OrderId) -> Result<(), Problem> {
        self.0
            .call(cx, Method::POST, format!("/internal/orders/{order}/payment-changed"))
            .once()
            .done()
            .await
    }

    /// Hands a guest's orders to an account. Harmless to repeat.
    pub async fn hand_over(&self, cx: &Cx, hand: &HandOver) -> Result<(), Problem> {
        self.0
            .call(cx, Method::POST, "/internal/orders/hand-over")
            .json(hand)
            .once()
            .done()
            .await
    }
}
