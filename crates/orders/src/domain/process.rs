//! Checkout, as a process that brings every order to rest, whatever fails and however often a step is repeated.
//!
//! Orders alone decides. Catalog and payments obey commands keyed by the order's id and remember them, so that
//! each step may be repeated. On the happy path the row is written twice, when the order is placed and when it
//! is confirmed; what lies between is learned again after a crash. Confirm, cancel and expire compete for one
//! guarded write of the row; whoever loses reads again and follows the winner.

use api::catalog::Short;
use api::orders::OrderStatus;
use api::payments::{Failure, PaymentMethod, PaymentStatus, Standing};
use base::Time;

use super::{Order, OrderEvent, Refusal};

/// What is to be done next with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Ask catalog to hold the pieces.
    Reserve,
    /// Ask payments for the money, or tell them that it is paid at the door.
    Pay,
    /// Write that the order is confirmed.
    Confirm,
    /// Ask catalog to take the pieces out of stock.
    Settle,
    /// Ask the cart to let go of what was ordered.
    Clear,
    /// It is delivered: tell payments that the cash for it was taken.
    Collect,
    /// The payment window has ended: write that the order failed.
    Expire,
    /// Ask catalog and payments to give back whatever they hold.
    Undo,
    /// Nothing: the order is at rest, or waits for its payer.
    Rest,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Catalog holds the pieces.
    Reserved,
    /// There is not enough.
    Short(Vec<Short>),
    /// How the payment stands after it was asked for.
    Paid(Standing),
    /// The write that confirms is to be made.
    Confirmed,
    /// Catalog has taken the pieces out of stock.
    Settled,
    /// The cart has let go.
    Cleared,
    /// How the payment stands after the cash was taken.
    Collected(Standing),
    /// The write that expires is to be made.
    Expired,
    /// All is given back; how the payment then stands, if there was one.
    Undone(Option<Standing>),
}

/// Whether an outcome has to be written, and what the world is told then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Nothing to write: it is learned again after a crash.
    No,
    /// The row changes; no event.
    Row,
    /// The row changes and the event is told.
    Told(OrderEvent),
}

/// What is to be done next.
pub fn next(order: &Order, now: Time) -> Step {
    use OrderStatus::*;
    match order.status {
        Pending if !order.so_far.paid && now >= order.expires_at => Step::Expire,
        Pending if !order.so_far.reserved => Step::Reserve,
        Pending if order.totals.total.minor == 0 || order.so_far.paid || order.so_far.on_delivery => Step::Confirm,
        Pending if awaits_payer(order) => Step::Rest,
        Pending => Step::Pay,
        Confirmed | Processing | Shipped | Delivered if order.resume_at.is_none() => Step::Rest,
        Confirmed | Processing | Shipped | Delivered if !order.so_far.settled => Step::Settle,
        Confirmed | Processing | Shipped | Delivered if !order.so_far.cleared => Step::Clear,
        Delivered if order.owes_cash() => Step::Collect,
        Confirmed | Processing | Shipped | Delivered => Step::Rest,
        Cancelled | Failed if order.resume_at.is_some() => Step::Undo,
        Cancelled | Failed => Step::Rest,
    }
}

/// A declined payment waits for another try until the window ends; so does one that needs the payer first.
fn awaits_payer(order: &Order) -> bool {
    order.payment_status == PaymentStatus::Failed
        || order.payment_status == PaymentStatus::Pending
            && order.paid_online()
            && order.resume_at == Some(order.expires_at)
}

/// The order after an outcome. `by` is who caused it, `retry_at` when to look again at what is not known yet.
pub fn apply(mut order: Order, outcome: Outcome, by: &str, retry_at: Time, now: Time) -> (Order, Written) {
    let written = match outcome {
        Outcome::Reserved => {
            order.so_far.reserved = true;
            Written::No
        }
        Outcome::Short(lines) => {
            order.enter(OrderStatus::Failed, by, Some("out_of_stock".into()), now);
            if order.is_unanswered() {
                order.refusal = Some(Refusal { lines });
                order.key = None; // The refused call is decided anew when it is repeated.
            }
            order.token = None;
            order.resume_at = Some(retry_at);
            Written::Told(OrderEvent::Failed)
        }
        Outcome::Paid(standing) => paid(&mut order, standing, retry_at, now),
        Outcome::Confirmed => {
            // Cash may come after a card that was declined; where nothing is due, nothing is waited for.
            let (status, reason) = match order.paid_online() || order.so_far.paid {
                true => (PaymentStatus::Completed, "paid"),
                false if order.totals.total.minor == 0 => (PaymentStatus::Completed, "nothing_due"),
                false => (PaymentStatus::Pending, "payment_on_delivery"),
            };
            order.payment_status = status;
            order.token = None; // A token is not kept longer than it is needed.
            order.failure = None;
            order.resume_at = Some(retry_at);
            order.enter(OrderStatus::Confirmed, by, Some(reason.into()), now);
            Written::Told(OrderEvent::Confirmed)
        }
        Outcome::Settled => {
            order.so_far.settled = true;
            Written::No
        }
        Outcome::Cleared => {
            order.so_far.cleared = true;
            Written::No
        }
        Outcome::Collected(standing) => {
            order.payment_version = order.payment_version.max(standing.version);
            let settled = !matches!(standing.status, PaymentStatus::Processing | PaymentStatus::Pending);
            if settled {
                order.payment_status = standing.status;
            }
            order.resume_at = (!settled).then_some(retry_at);
            order.updated_at = now;
            Written::Row
        }
        Outcome::Expired => {
            order.enter(OrderStatus::Failed, by, Some("payment_window_ended".into()), now);
            order.token = None;
            order.resume_at = Some(retry_at);
            Written::Told(OrderEvent::Failed)
        }
        Outcome::Undone(standing) => undone(&mut order, standing, retry_at, now),
    };
    (order, written)
}

fn paid(order: &mut Order, standing: Standing, retry_at: Time, now: Time) -> Written {
    order.payment_version = order.payment_version.max(standing.version);
    match standing.status {
        PaymentStatus::Completed => {
            order.so_far.paid = true;
            return Written::No;
        }
        // Given back while the order was still pending: somebody undid it. What they wrote is read again.
        PaymentStatus::Refunded | PaymentStatus::PartiallyRefunded | PaymentStatus::Failed => {
            order.payment_status = PaymentStatus::Failed;
            let gone = || Failure {
                code: "payment_failed".into(),
                detail: "The payment did not go through.".into(),
            };
            order.failure = Some(standing.failure.unwrap_or_else(gone));
            order.resume_at = Some(order.expires_at);
        }
        PaymentStatus::Processing => {
            order.payment_status = PaymentStatus::Processing;
            order.resume_at = Some(retry_at);
        }
        PaymentStatus::Pending if order.method == PaymentMethod::CashOnDelivery => {
            order.so_far.on_delivery = true;
            return Written::No;
        }
        PaymentStatus::Pending => {
            order.payment_status = PaymentStatus::Pending;
            order.resume_at = Some(order.expires_at);
        }
    }
    order.updated_at = now;
    Written::Row
}

fn undone(order: &mut Order, standing: Option<Standing>, retry_at: Time, now: Time) -> Written {
    order.resume_at = None;
    if let Some(standing) = standing {
        order.payment_version = order.payment_version.max(standing.version);
        order.payment_status = match standing.status {
            PaymentStatus::Processing => {
                order.resume_at = Some(retry_at); // An outcome is unknown still: ask again.
                PaymentStatus::Processing
            }
            PaymentStatus::Pending | PaymentStatus::Completed => order.payment_status,
            settled => settled,
        };
    } else if order.payment_status == PaymentStatus::Processing {
        order.payment_status = PaymentStatus::Failed;
    }
    order.updated_at = now;
    Written::Row
}
