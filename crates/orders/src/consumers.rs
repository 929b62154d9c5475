//! Events in: what became of a payment, in case the call that should have told was lost.

use std::sync::Arc;

use ::store::Tx;
use api::events::Event;
use api::payments::PaymentStatus;
use base::{Amount, Money, OrderId};
use serve::Route;

use crate::domain::letter::{About, MailKind};
use crate::error::Error;
use crate::{App, store};

/// Listens to payments.
pub(crate) fn payments(app: &Arc<App>) -> Route<Arc<App>> {
    let writes = app.deps.mail.reaches_people();
    bus::inbox_of_batches(&app.db, "orders", move |tx, events| look(tx, events, writes))
}

/// `writes`: buyers are written to about refunds.
fn look(tx: &mut Tx<'_>, events: &[&Event], writes: bool) -> Result<(), Error> {
    let of = |event: &Event| event.data.get("orderId")?.as_str()?.parse().ok();
    let (mut tried, mut given_back, mut mails) = (Vec::new(), Vec::new(), Vec::new());
    for event in events {
        match event.kind.as_str() {
            "PaymentProcessed" | "PaymentFailed" => tried.extend(of(event)),
            "PaymentRefunded" => {
                given_back.extend(standing(event, of(event)));
                mails.extend(refund(event, of(event)));
            }
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
    if writes {
        store::add_mails(tx, &mails, now)?;
    }
    Ok(())
}

/// How a payment stood when its event was told; the event's sequence is the payment's version.
fn standing(event: &Event, order: Option<OrderId>) -> Option<(OrderId, PaymentStatus, i64)> {
    let status = PaymentStatus::parse(event.data.get("status")?.as_str()?)?;
    Some((order?, status, event.sequence))
}

/// The mail that tells a buyer of a refund.
fn refund(event: &Event, order: Option<OrderId>) -> Option<About> {
    Some(About {
        order: order?,
        kind: MailKind::Refunded,
        about: event.data.get("refund")?.as_str()?.to_owned(),
        amount: amount_of(event)?.minor,
    })
}

fn amount_of(event: &Event) -> Option<Money> {
    let amount: Amount = serde_json::from_value(event.data.get("amount")?.clone()).ok()?;
    Money::from_amount(amount, event.data.get("currency")?.as_str()?.parse().ok()?).ok()
}
