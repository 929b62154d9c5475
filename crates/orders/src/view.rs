//! An order as people see it.

use api::audit::AuditedOrder;
use api::catalog::Pieces;
use api::orders::{self, OrderStatus, Placed};
use api::payments::PaymentStatus;
use base::Quantity;

use crate::domain::{Change, Line, Order};
use crate::store::Mail;

/// The whole order.
pub fn order(order: Order) -> orders::Order {
    let totals = order.totals;
    orders::Order {
        id: order.id,
        number: order.number,
        user_id: order.user,
        email: order.email,
        status: order.status,
        payment_status: order.payment_status,
        items: order.lines.into_iter().map(line).collect(),
        subtotal: totals.subtotal.amount(),
        discount: totals.discount.amount(),
        shipping: totals.shipping.amount(),
        tax: totals.tax.amount(),
        total: totals.total.amount(),
        currency: totals.total.currency,
        shipping_address: order.shipping_address,
        billing_address: order.billing_address,
        payment_method: order.method,
        created_at: order.created_at,
        updated_at: order.updated_at,
        history: order.history.into_iter().map(change).collect(),
        metadata: order.metadata,
    }
}

/// What somebody is told whose payment was declined.
const HOW_TO_PAY: &str = "The order is kept, and its pieces with it. Pay it with POST /api/payments/process, naming orderId and another paymentToken or paymentMethod.";

/// The answer to a call that placed it.
pub fn placed(mut placed: Order) -> Placed {
    let payment_error = placed.failure.take();
    let waits = placed.status == OrderStatus::Pending && placed.paid_online();
    let declined = waits && placed.payment_status == PaymentStatus::Failed;
    Placed {
        pay_before: waits.then_some(placed.expires_at),
        hint: declined.then(|| HOW_TO_PAY.to_owned()),
        order_id: placed.id,
        number: placed.number,
        total: placed.totals.total.amount(),
        currency: placed.totals.total.currency,
        status: placed.status,
        payment_error,
        order: order(placed),
    }
}

/// The order as the doctor sees it.
pub fn audited(order: &Order) -> AuditedOrder {
    let pieces = |line: &Line| {
        Some(Pieces {
            variant: line.variant,
            quantity: Quantity::new(line.quantity).ok()?,
        })
    };
    AuditedOrder {
        order: order.id,
        status: order.status,
        payment_status: order.payment_status,
        paid_online: order.paid_online(),
        total: order.totals.total,
        lines: order.lines.iter().filter_map(pieces).collect(),
        sequence: order.sequence,
        at_rest: order.resume_at.is_none(),
        expires_at: order.expires_at,
        updated_at: order.updated_at,
    }
}

fn line(line: Line) -> orders::OrderLine {
    // The total of the order holds this product, so it fits.
    let subtotal = line.price.times(line.quantity).unwrap_or(line.price);
    orders::OrderLine {
        id: line.id,
        product_id: line.product,
        variant_id: line.variant,
        sku: line.sku,
        name: line.name,
        quantity: line.quantity,
        price: line.price.amount(),
        subtotal: subtotal.amount(),
    }
}

/// A state that it came to.
pub fn change(change: Change) -> orders::Change {
    orders::Change {
        status: change.status,
        at: change.at,
        by: change.by,
        reason: change.reason,
    }
}

/// A mail to the buyer, for staff.
pub fn mail(mail: Mail) -> orders::OrderMail {
    orders::OrderMail {
        kind: mail.about.kind.as_str().to_owned(),
        refund_id: mail.about.about.parse().ok(),
        status: mail.status.as_str().to_owned(),
        tries: mail.tries,
        fault: mail.fault,
        created_at: mail.created_at,
        updated_at: mail.updated_at,
    }
}
