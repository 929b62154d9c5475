//! An order as people see it.

use api::orders::{self, Placed};

use crate::domain::{Change, Line, Order};

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

/// The answer to a call that placed it.
pub fn placed(mut placed: Order) -> Placed {
    let payment_error = placed.failure.take();
    Placed {
        order_id: placed.id,
        number: placed.number,
        total: placed.totals.total.amount(),
        currency: placed.totals.total.currency,
        status: placed.status,
        payment_error,
        order: order(placed),
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

fn change(change: Change) -> orders::Change {
    orders::Change {
        status: change.status,
        at: change.at,
        by: change.by,
        reason: change.reason,
    }
}
