//! What the services tell the doctor: enough of their books to see whether they balance. Read-only.
//!
//! Lists are ordered by order id and paged by it, so that the doctor walks them side by side in little memory.

use base::{AttemptId, Money, OrderId, Time, VariantId};
use http::Method;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wire::{Cx, Peer, Problem};

use crate::catalog::Pieces;
use crate::orders::OrderStatus;
use crate::payments::PaymentStatus;

/// Rows of a page; as many as are read in a short transaction.
pub const AUDIT_PAGE: u32 = 500;

/// Where a page begins.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct After {
    /// Behind this order or subject; from the beginning when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A row that belongs to an order.
pub trait OfAnOrder {
    /// The order.
    fn order(&self) -> OrderId;
}

macro_rules! of_an_order {
    ($($name:ident),*) => {$(
        impl OfAnOrder for $name {
            fn order(&self) -> OrderId { self.order }
        }
    )*};
}
of_an_order!(AuditedOrder, AuditedPayment, AuditedReservation);

/// An order, as orders has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditedOrder {
    /// The order.
    pub order: OrderId,
    /// How far it is.
    pub status: OrderStatus,
    /// How far its payment is.
    pub payment_status: PaymentStatus,
    /// Whether money is asked for before it is confirmed.
    pub paid_online: bool,
    /// What is due.
    pub total: Money,
    /// What was ordered.
    pub lines: Vec<Pieces>,
    /// Events told of it.
    pub sequence: i64,
    /// Whether nothing is to be done with it any more.
    pub at_rest: bool,
    /// When it should have come to rest at the latest, if it is pending.
    pub expires_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// An order's payment, as payments has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditedPayment {
    /// The order.
    pub order: OrderId,
    /// How far it is.
    pub status: PaymentStatus,
    /// What was captured.
    pub captured: Money,
    /// What was given back.
    pub refunded: Money,
    /// What was captured beside that though nobody owed it.
    pub surplus_captured: Money,
    /// What of that was given back.
    pub surplus_refunded: Money,
    /// What of `captured` was taken in cash: no provider knows of it.
    pub cash_captured: Money,
    /// What of `refunded` was given back by hand.
    pub cash_refunded: Money,
    /// The tries, by which the provider knows the charges.
    pub attempts: Vec<AttemptId>,
    /// When it last changed.
    pub updated_at: Time,
}

/// What the provider did for some tries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Charged {
    /// The try.
    pub attempt: AttemptId,
    /// What was captured.
    pub captured: Money,
    /// What was given back.
    pub refunded: Money,
}

/// What catalog holds, or took out of stock, for an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditedReservation {
    /// The order.
    pub order: OrderId,
    /// `reserved`, `settled` or `undone`.
    pub state: String,
    /// Of what, how much.
    pub lines: Vec<Pieces>,
}

/// A variant whose stock does not agree with its ledger or its reservations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockFault {
    /// The variant.
    pub variant: VariantId,
    /// On hand, as the row says.
    pub on_hand: i64,
    /// Reserved, as the row says.
    pub reserved: i64,
    /// On hand, as the ledger adds up.
    pub ledger_on_hand: i64,
    /// Reserved, as the ledger adds up.
    pub ledger_reserved: i64,
    /// Reserved, as the live reservations add up.
    pub held: i64,
}

/// A subject whose events are not 1, 2, 3 … in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventFault {
    /// The service that tells them.
    pub source: String,
    /// What they tell of.
    pub subject: String,
    /// How many there are.
    pub count: i64,
    /// The sequence of the last one.
    pub last: i64,
}

/// How far the log is with an order: its id, and the sequence of the last event that orders told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Logged {
    /// The order's id.
    pub subject: String,
    /// The sequence of its last event.
    pub last: i64,
}

/// Names things to ask about, at most [`AUDIT_PAGE`] times some.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Names {
    /// Their ids.
    pub ids: Vec<String>,
}

/// What a service tells the doctor.
#[derive(Clone, Debug)]
pub struct Client(pub Peer);

impl Client {
    /// A page of rows that belong to orders: `/internal/audit/orders`, `…/payments`, `…/reservations`.
    pub async fn page<T: DeserializeOwned>(
        &self,
        cx: &Cx,
        path: &str,
        after: Option<OrderId>,
    ) -> Result<Vec<T>, Problem> {
        let after = After {
            after: after.map(|id| id.to_string()),
        };
        self.0.call(cx, Method::GET, path).query(&after).fetch().await
    }

    /// Everything that is wrong by the service's own books: `/internal/audit/stock`, `…/events`.
    pub async fn faults<T: DeserializeOwned>(&self, cx: &Cx, path: &str) -> Result<Vec<T>, Problem> {
        self.0.call(cx, Method::GET, path).fetch().await
    }

    /// What is known of the names: `/internal/audit/charges`, `…/logged`.
    pub async fn of<T: DeserializeOwned>(&self, cx: &Cx, path: &str, ids: Vec<String>) -> Result<Vec<T>, Problem> {
        self.0
            .call(cx, Method::POST, path)
            .json(&Names { ids })
            .once()
            .fetch()
            .await
    }
}
