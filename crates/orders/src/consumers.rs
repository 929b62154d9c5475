//! Events in: a payment that changed wakes its order, in case the call that should have told was lost.

use std::sync::Arc;

use ::store::Tx;
use api::events::Event;
use base::OrderId;
use serve::Route;

use crate::error::Error;
use crate::{App, store};

/// Listens to payments.
pub(crate) fn payments(app: &Arc<App>) -> Route<Arc<App>> {
    bus::inbox_of_batches(&app.db, "orders", look)
}

fn look(tx: &mut Tx<'_>, events: &[&Event]) -> Result<(), Error> {
    let orders = |kinds: &[&str]| -> Vec<OrderId> {
        let told = events.iter().filter(|event| kinds.contains(&event.kind.as_str()));
        told.filter_map(|event| event.data.get("orderId")?.as_str()?.parse().ok())
            .collect()
    };
    let (tried, given_back) = (
        orders(&["PaymentProcessed", "PaymentFailed"]),
        orders(&["PaymentRefunded"]),
    );
    let now = tx.clock().now();
    if tried.is_empty() && given_back.is_empty() {
        Ok(())
    } else {
        store::wake(tx, &tried, &given_back, now)
    }
}
