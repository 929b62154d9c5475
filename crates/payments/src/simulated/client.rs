//! The simulated provider's types and its client, as a provider's library would have them.

use api::payments::Failure;
use base::{AttemptId, ChargeId, Money, RefundId};
use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::{Cx, Peer, Problem};

/// A charge to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewCharge {
    /// The shop's key: the same again is the same charge.
    pub key: AttemptId,
    /// How much.
    pub amount: Money,
    /// The card.
    pub token: String,
}

/// How a charge ended; each is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChargeStatus {
    /// The money was taken.
    Captured,
    /// Refused.
    Declined,
    /// Called off before it came.
    Voided,
}

/// A charge as the provider has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Charge {
    /// The shop's key.
    pub key: AttemptId,
    /// The provider's own id.
    pub id: ChargeId,
    /// How it ended.
    pub status: ChargeStatus,
    /// How much.
    pub amount: Money,
    /// How much of it was given back.
    pub refunded: Money,
    /// Why it was declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Money to give back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewRefund {
    /// The shop's key: the same again is the same refund.
    pub key: RefundId,
    /// How much.
    pub amount: Money,
}

/// A charge in the statement, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The shop's key.
    pub key: AttemptId,
    /// Taken; zero for what was declined or voided.
    pub captured: i64,
    /// Given back.
    pub refunded: i64,
}

/// A page of the statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// By key.
    pub lines: Vec<Line>,
    /// Where the next page begins; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<AttemptId>,
}

/// Which page of the statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatementQuery {
    /// Charges whose key comes after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<AttemptId>,
    /// How many at most (500).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What the shop may ask of the provider. Nothing is tried again here: that is the caller's business.
#[derive(Clone, Debug)]
pub struct Client(pub Peer);

impl Client {
    /// Charges, once per key. A decline is a charge, not an error. Refused: 503 `provider_busy` (nothing was done),
    /// 409 `key_reused`.
    pub async fn charge(&self, cx: &Cx, charge: &NewCharge) -> Result<Charge, Problem> {
        self.0
            .call(cx, Method::POST, "/internal/simulated/charges")
            .json(charge)
            .fetch()
            .await
    }

    /// What became of a key; none when it never came.
    pub async fn find(&self, cx: &Cx, key: AttemptId) -> Result<Option<Charge>, Problem> {
        self.0
            .call(cx, Method::GET, format!("/internal/simulated/charges/{key}"))
            .find()
            .await
    }

    /// Makes sure that nothing is captured by the key from now on. What was captured stays so.
    pub async fn void(&self, cx: &Cx, key: AttemptId) -> Result<Charge, Problem> {
        self.0
            .call(cx, Method::POST, format!("/internal/simulated/charges/{key}/void"))
            .fetch()
            .await
    }

    /// Gives money back, once per key. Refused: 404, 409 `refund_exceeds_captured`, 409 `key_reused`.
    pub async fn refund(&self, cx: &Cx, charge: AttemptId, refund: &NewRefund) -> Result<Charge, Problem> {
        let path = format!("/internal/simulated/charges/{charge}/refunds");
        self.0.call(cx, Method::POST, path).json(refund).fetch().await
    }

    /// A page of the statement.
    pub async fn statement(&self, cx: &Cx, query: &StatementQuery) -> Result<Statement, Problem> {
        self.0
            .call(cx, Method::GET, "/internal/simulated/statement")
            .query(query)
            .fetch()
            .await
    }
}
