//! An order, and the moves that people make with it.

use api::catalog::Short;
use api::orders::OrderStatus;
use api::payments::{Failure, PaymentMethod, PaymentStatus};
use base::{Address, CartId, Money, OrderId, OrderLineId, ProductId, Time, UserId, VariantId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Totals;

/// An order as its rows have it, and what its driver has learned since it read them.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The id.
    pub id: OrderId,
    /// A number for people.
    pub number: i64,
    /// Who ordered.
    pub user: UserId,
    /// Whether they have no account.
    pub guest: bool,
    /// Where to write to.
    pub email: Option<String>,
    /// How far it is.
    pub status: OrderStatus,
    /// How far its payment is.
    pub payment_status: PaymentStatus,
    /// How it is paid.
    pub method: PaymentMethod,
    /// The provider's token for the present try.
    pub token: Option<String>,
    /// Why the last try failed.
    pub failure: Option<Failure>,
    /// Which try at the payment this is, from 1.
    pub attempt: i64,
    /// The version of the payment's standing that was last taken over.
    pub payment_version: i64,
    /// What it costs.
    pub totals: Totals,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// Where it goes.
    pub shipping_address: Option<Address>,
    /// Where the bill goes.
    pub billing_address: Option<Address>,
    /// What else is known of it.
    pub metadata: Map<String, Value>,
    /// The cart and its generation that became this order.
    pub cart: Option<(CartId, i64)>,
    /// The caller's key, and the print of the call that it came with.
    pub key: Option<(String, String)>,
    /// The key of the call that cancelled it.
    pub cancel_key: Option<String>,
    /// Nobody sees it: it was refused while it was placed.
    pub refusal: Option<Refusal>,
    /// Its states, the first one first.
    pub history: Vec<Change>,
    /// How many of them its rows have.
    pub recorded: usize,
    /// Events told so far.
    pub sequence: i64,
    /// Grows with each write.
    pub version: i64,
    /// When the payment window ends.
    pub expires_at: Time,
    /// When somebody is to drive it on; none when it is at rest.
    pub resume_at: Option<Time>,
    /// When it was placed.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// What its driver has learned and no row says.
    pub so_far: SoFar,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The line's id.
    pub id: OrderLineId,
    /// Of which product.
    pub product: ProductId,
    /// Of which variant.
    pub variant: VariantId,
    /// Its SKU at the moment of ordering.
    pub sku: String,
    /// Its name at the moment of ordering.
    pub name: String,
    /// What a piece cost at the moment of ordering.
    pub price: Money,
    /// How many pieces, at least 1.
    pub quantity: i64,
}

/// A state that an order came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The state.
    pub status: OrderStatus,
    /// When.
    pub at: Time,
    /// Who caused it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

/// The reasons that are the shop's own words. Others are people's.
pub const REASONS: [&str; 7] = [
    "paid",
    "payment_on_delivery",
    "nothing_due",
    "payment_window_ended",
    "out_of_stock",
    "cancelled_by_staff",
    "cancelled_by_customer",
];

/// Why an order was refused while it was placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The lines that there was not enough for.
    pub lines: Vec<Short>,
}

/// What the driver of an order has learned since it read the rows. Lost in a crash and learned again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoFar {
    /// Catalog holds the pieces.
    pub reserved: bool,
    /// Payments has captured the total.
    pub paid: bool,
    /// Payments knows that it is paid at the door.
    pub on_delivery: bool,
    /// Catalog has taken the pieces out of stock.
    pub settled: bool,
    /// The cart has let go of what was ordered.
    pub cleared: bool,
}

/// What the world is told of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderEvent {
    /// It was placed.
    Created,
    /// It is paid, or to be paid on delivery.
    Confirmed,
    /// It was not paid, or there was not enough.
    Failed,
    /// It was called off.
    Cancelled,
    /// It is on its way.
    Shipped,
    /// It arrived.
    Delivered,
}

impl OrderEvent {
    /// The event's type.
    pub fn kind(self) -> &'static str {
        match self {
            OrderEvent::Created => "OrderCreated",
            OrderEvent::Confirmed => "OrderConfirmed",
            OrderEvent::Failed => "OrderFailed",
            OrderEvent::Cancelled => "OrderCancelled",
            OrderEvent::Shipped => "OrderShipped",
            OrderEvent::Delivered => "OrderDelivered",
        }
    }
}

/// What is needed to place an order.
#[derive(Clone, Debug)]
pub struct Placing {
    /// The new order's id.
    pub id: OrderId,
    /// Who orders.
    pub user: UserId,
    /// Whether they have no account.
    pub guest: bool,
    /// Where to write to.
    pub email: Option<String>,
    /// How it is paid.
    pub method: PaymentMethod,
    /// The provider's token.
    pub token: Option<String>,
    /// What is ordered; not empty.
    pub lines: Vec<Line>,
    /// What it costs.
    pub totals: Totals,
    /// Where it goes.
    pub shipping_address: Option<Address>,
    /// Where the bill goes.
    pub billing_address: Option<Address>,
    /// The cart and its generation.
    pub cart: Option<(CartId, i64)>,
    /// The caller's key and the print of the call.
    pub key: Option<(String, String)>,
    /// When the payment window ends.
    pub expires_at: Time,
    /// Until when the driver who places it is left alone.
    pub resume_at: Time,
}

/// A move that an order's state does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Illegal {
    /// Where it is.
    pub from: OrderStatus,
    /// Where it should have gone.
    pub to: OrderStatus,
}

/// Why staff may not move an order forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    /// Its state does not allow the move.
    Illegal(Illegal),
    /// All that was paid for it is given back: it is not sent any more.
    Refunded,
}

impl Order {
    /// A new order, pending. Its number comes from the write that places it.
    pub fn place(placing: Placing, number: i64, by: &str, now: Time) -> Order {
        let mut order = Order {
            id: placing.id,
            number,
            user: placing.user,
            guest: placing.guest,
            email: placing.email,
            status: OrderStatus::Pending,
            payment_status: PaymentStatus::Pending,
            method: placing.method,
            token: placing.token,
            failure: None,
            attempt: 1,
            payment_version: 0,
            totals: placing.totals,
            lines: placing.lines,
            shipping_address: placing.shipping_address,
            billing_address: placing.billing_address,
            metadata: Map::new(),
            cart: placing.cart,
            key: placing.key,
            cancel_key: None,
            refusal: None,
            history: Vec::with_capacity(2),
            recorded: 0,
            sequence: 0,
            version: 0,
            expires_at: placing.expires_at,
            resume_at: Some(placing.resume_at),
            created_at: now,
            updated_at: now,
            so_far: SoFar::default(),
        };
        order.enter(OrderStatus::Pending, by, None, now);
        order
    }

    /// Whether money is asked for before it is confirmed.
    pub fn paid_online(&self) -> bool {
        self.method != PaymentMethod::CashOnDelivery && self.totals.total.minor > 0
    }

    /// Whether there is cash to be taken when it is delivered.
    pub fn owes_cash(&self) -> bool {
        self.method == PaymentMethod::CashOnDelivery
            && self.payment_status == PaymentStatus::Pending
            && self.totals.total.minor > 0
    }

    /// Nobody has been told of it yet: its row is as it was placed. Whoever is answered while an order is not at rest
    /// leaves a later version behind.
    pub fn is_unanswered(&self) -> bool {
        self.version <= 1
    }

    /// A try at its payment is under way, or was when its driver vanished and what came of it is not recorded.
    pub fn is_being_paid(&self) -> bool {
        match self.payment_status {
            PaymentStatus::Processing => true,
            PaymentStatus::Pending => self.paid_online() && self.resume_at != Some(self.expires_at),
            _ => false,
        }
    }

    /// Calls the order off: from pending, confirmed or processing. What it holds is undone by its process.
    pub fn cancel(
        mut self,
        key: Option<String>,
        reason: Option<String>,
        by: &str,
        resume_at: Time,
        now: Time,
    ) -> Result<(Order, OrderEvent), Illegal> {
        match self.status {
            OrderStatus::Pending | OrderStatus::Confirmed | OrderStatus::Processing => {
                self.enter(OrderStatus::Cancelled, by, reason, now);
                self.token = None;
                self.cancel_key = key;
                self.resume_at = Some(resume_at);
                Ok((self, OrderEvent::Cancelled))
            }
            from => Err(Illegal {
                from,
                to: OrderStatus::Cancelled,
            }),
        }
    }

    /// The tag of its version, as `ETag` has it.
    pub fn tag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    /// Moves a confirmed order forward. Moves may skip a state; none goes back. Whoever delivers what is paid at the door
    /// took the money: its process tells payments so, and is left to its driver until `resume_at`. What is refunded in full
    /// does not leave any more; what has left may still arrive.
    pub fn advance(
        mut self,
        to: OrderStatus,
        reason: Option<String>,
        by: &str,
        resume_at: Time,
        now: Time,
    ) -> Result<(Order, Option<OrderEvent>), Stays> {
        use OrderStatus::*;
        let event = match (self.status, to) {
            (Confirmed, Processing) => None,
            (Confirmed | Processing, Shipped) => Some(OrderEvent::Shipped),
            (Confirmed | Processing | Shipped, Delivered) => Some(OrderEvent::Delivered),
            (from, to) => return Err(Stays::Illegal(Illegal { from, to })),
        };
        if self.payment_status == PaymentStatus::Refunded && self.status < Shipped {
            return Err(Stays::Refunded);
        }
        if to == Delivered && self.owes_cash() {
            self.resume_at = Some(resume_at);
        }
        self.enter(to, by, reason, now);
        Ok((self, event))
    }

    /// Begins another try at the payment of a pending order.
    ///
    /// # Errors
    /// The order is no longer pending.
    pub fn pay_again(
        mut self,
        method: Option<PaymentMethod>,
        token: Option<String>,
        resume_at: Time,
        now: Time,
    ) -> Result<Order, Illegal> {
        if self.status != OrderStatus::Pending {
            return Err(Illegal {
                from: self.status,
                to: OrderStatus::Confirmed,
            });
        }
        if self.payment_status == PaymentStatus::Failed {
            self.attempt += 1;
        }
        self.payment_status = PaymentStatus::Processing;
        self.failure = None;
        self.method = method.unwrap_or(self.method);
        self.token = token.or(self.token);
        self.resume_at = Some(resume_at);
        self.updated_at = now;
        Ok(self)
    }

    /// Comes to a state: the one place where `status` changes.
    pub(super) fn enter(&mut self, status: OrderStatus, by: &str, reason: Option<String>, now: Time) {
        self.status = status;
        self.updated_at = now;
        self.history.push(Change {
            status,
            at: now,
            by: by.to_owned(),
            reason,
        });
    }
}
