//! Payments: what is captured for an order, refunded or given back.

use base::{Amount, AttemptId, Currency, Money, OrderId, PaymentId, RefundId, Time, UserId};
use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::{Cx, Peer, Problem};

use crate::Ref;

/// How an order is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentMethod {
    /// Credit card.
    #[default]
    CreditCard,
    /// Debit card.
    DebitCard,
    /// PayPal.
    Paypal,
    /// Cash when it arrives: captured when the order is delivered.
    CashOnDelivery,
}

impl PaymentMethod {
    /// The word on the wire and in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            PaymentMethod::CreditCard => "credit_card",
            PaymentMethod::DebitCard => "debit_card",
            PaymentMethod::Paypal => "paypal",
            PaymentMethod::CashOnDelivery => "cash_on_delivery",
        }
    }

    /// Reads [`PaymentMethod::as_str`]'s word.
    pub fn parse(word: &str) -> Option<Self> {
        [
            PaymentMethod::CreditCard,
            PaymentMethod::DebitCard,
            PaymentMethod::Paypal,
            PaymentMethod::CashOnDelivery,
        ]
        .into_iter()
        .find(|method| method.as_str() == word)
    }
}

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Not tried yet, or to be paid in cash on delivery.
    Pending,
    /// Under way, or its outcome is not known yet.
    Processing,
    /// Captured.
    Completed,
    /// Declined, or given up.
    Failed,
    /// Given back.
    Refunded,
    /// Given back in part.
    PartiallyRefunded,
}

impl PaymentStatus {
    /// The word on the wire and in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            PaymentStatus::Pending => "pending",
            PaymentStatus::Processing => "processing",
            PaymentStatus::Completed => "completed",
            PaymentStatus::Failed => "failed",
            PaymentStatus::Refunded => "refunded",
            PaymentStatus::PartiallyRefunded => "partially_refunded",
        }
    }

    /// Reads [`PaymentStatus::as_str`]'s word.
    pub fn parse(word: &str) -> Option<Self> {
        use PaymentStatus::*;
        [Pending, Processing, Completed, Failed, Refunded, PartiallyRefunded]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

/// Pays a pending order, or tries a declined payment again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "orderId": 1, "paymentMethod": "credit_card", "paymentToken": "tok_visa" }))]
pub struct Process {
    /// The order: id or number.
    #[serde(alias = "order_id")]
    pub order_id: Ref,
    /// How (`credit_card`).
    #[serde(default, alias = "payment_method", skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<PaymentMethod>,
    /// The provider's token for the card or account.
    #[serde(default, alias = "payment_token", skip_serializing_if = "Option::is_none")]
    pub payment_token: Option<String>,
    /// When given, it must equal what is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
}

/// Refunds a captured payment; what is left of it when no amount is given.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "amount": 5, "reason": "scratched" }))]
pub struct NewRefund {
    /// How much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// Why, for the books.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An order's payment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// The id.
    pub id: PaymentId,
    /// Of which order.
    pub order_id: OrderId,
    /// How far it is.
    pub status: PaymentStatus,
    /// How it is paid.
    pub payment_method: PaymentMethod,
    /// With whom; `cash` when it is paid on delivery.
    pub provider: String,
    /// What is due.
    pub amount: Amount,
    /// What was captured.
    pub captured: Amount,
    /// What was given back.
    pub refunded: Amount,
    /// In what.
    pub currency: Currency,
    /// Why it failed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Every try, the first one first.
    pub attempts: Vec<Attempt>,
    /// What was captured, piece by piece.
    pub captures: Vec<Capture>,
    /// What was given back, piece by piece.
    pub refunds: Vec<Refund>,
    /// Since when.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// Why a payment failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Stable, e.g. `card_declined`, `insufficient_funds`, `provider_unavailable`.
    pub code: String,
    /// For people.
    pub detail: String,
}

/// A try at a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The id; the provider knows the try by it.
    pub id: AttemptId,
    /// `open`, `unknown`, `captured`, `declined`, `failed`, `voided`.
    pub status: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// When it began.
    pub at: Time,
}

/// What was captured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capture {
    /// By which try.
    pub attempt_id: AttemptId,
    /// How much.
    pub amount: Amount,
    /// When.
    pub at: Time,
}

/// What was given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refund {
    /// The id.
    pub id: RefundId,
    /// How much.
    pub amount: Amount,
    /// `pending`, `completed` or `failed`.
    pub status: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    pub at: Time,
}

// ------------------------------------------------------------------ between services

/// Pays for an order, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pay {
    /// The order.
    pub order: OrderId,
    /// Whose it is.
    pub user: UserId,
    /// What is due.
    pub amount: Money,
    /// How.
    pub method: PaymentMethod,
    /// The provider's token; none leaves it to the provider's default, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Which try of the order this is (1, 2 …): the same number again is the same try.
    pub attempt: i64,
}

/// How an order's payment stands, for orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The payment.
    pub payment: PaymentId,
    /// How far it is. `processing`: ask again later. `pending`: it awaits a token.
    pub status: PaymentStatus,
    /// What was captured.
    pub captured: Money,
    /// What was given back.
    pub refunded: Money,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Grows with each change; a standing with a lower one is out of date.
    pub version: i64,
}

/// What other services may ask of payments.
#[derive(Clone, Debug)]
pub struct Client(pub Peer);

impl Client {
    /// Tries the payment and answers how it then stands; a decline is a standing, not an error. Cash on delivery is only
    /// noted: its standing is `pending`.
    /// Refused: 409 `closed` after an undo, 409 `already_paid` never (a paid order's standing is `completed`). Harmless to repeat.
    pub async fn pay(&self, cx: &Cx, pay: &Pay) -> Result<Standing, Problem> {
        self.0
            .call(cx, Method::POST, "/internal/pay")
            .json(pay)
            .once()
            .fetch()
            .await
    }

    /// The cash for an order was taken at the door: captures it, once, with no provider, and answers how the payment then
    /// stands (`completed`; `processing`: a try by card has to come to its end first, ask again). Of `pay`, `token` and
    /// `attempt` do not matter. Refused: 409 `closed` after an undo. Harmless to repeat.
    pub async fn collect(&self, cx: &Cx, pay: &Pay) -> Result<Standing, Problem> {
        self.0
            .call(cx, Method::POST, "/internal/collect")
            .json(pay)
            .once()
            .fetch()
            .await
    }

    /// Voids or refunds whatever was captured, and closes the payment for good; `None` when there was nothing yet
    /// (it is closed all the same). `processing` in the answer: an outcome is unknown still, ask again. Harmless to repeat.
    pub async fn undo(&self, cx: &Cx, order: OrderId) -> Result<Option<Standing>, Problem> {
        self.0
            .call(cx, Method::POST, "/internal/undo")
            .json(&crate::catalog::OfOrder { order })
            .once()
            .fetch()
            .await
    }

    /// How an order's payment stands; none when there is none.
    pub async fn standing(&self, cx: &Cx, order: OrderId) -> Result<Option<Standing>, Problem> {
        self.0
            .call(cx, Method::GET, format!("/internal/standings/{order}"))
            .find()
            .await
    }
}
