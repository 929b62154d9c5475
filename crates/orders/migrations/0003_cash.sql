-- What is paid on delivery is collected by payments since now, when the order is delivered. Orders that were delivered
-- before are driven once more, so that their payments hear of it; those that were called off were never paid.
UPDATE orders_order SET payment_status = 'pending', resume_at = updated_at
    WHERE payment_method = 'cash_on_delivery' AND status = 'delivered' AND payment_status = 'completed' AND total > 0;
UPDATE orders_order SET payment_status = 'failed'
    WHERE payment_method = 'cash_on_delivery' AND status IN ('cancelled', 'failed') AND payment_status = 'pending';
