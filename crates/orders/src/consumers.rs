//! Events in: what became of a payment, in case the call that should have told was lost.

use std::sync::Arc;

use ::store::Tx;
use api::events::Event;
use api::payments::PaymentStatus;
use base::OrderId;
use serve::Route;

use crate::error::Error;
use crate::{App, store};

/// Listens to payments.
pub(crate) fn payments(app: &Arc<App>) -> Route<Arc<App>> {
    bus::inbox_of_batches(&app.db, "orders", look)
}

fn look(tx: &mut Tx<'_>, events: &[&Event]) -> Result<(), Error> {
    let of = |event: &Event| event.data.get("orderId")?.as_str()?.parse().ok();
    let (mut tried, mut given_back) = (Vec::new(), Vec::new());
    for event in events {
        match event.kind.as_str() {
            "PaymentProcessed" | "PaymentFailed" => tried.extend(of(event)),
            "PaymentRefunded" => given_back.extend(standing(event, of(event))),
            _ => {}
        }
    }
    let now = tx.clock().now();
    if !tried.is_empty() {
        store::wake(tx, &tried, now)?;
    }
    if !given_back.is_empty() {
        store::given_back(tx, &given_back, now)?;
    }
    Ok(())
}

/// How a payment stood when its event was told; the event's sequence is the payment's version.
fn standing(event: &Event, order: Option<OrderId>) -> Option<(OrderId, PaymentStatus, i64)> {
    let status = PaymentStatus::parse(event.data.get("status")?.as_str()?)?;
    Some((order?, status, event.sequence))
}
