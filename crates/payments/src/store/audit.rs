//! The books of payments, for the doctor.

use std::collections::HashMap;

use api::audit::AuditedPayment;
use api::payments::PaymentStatus;
use base::{AttemptId, Currency, Money, OrderId};
use store::{Error, Tx, args, texts};

/// A page of payments by order, tombstones too, each with its tries and what was captured though nobody owed it.
pub fn audit(tx: &mut Tx<'_>, after: Option<OrderId>, limit: u32) -> Result<Vec<AuditedPayment>, Error> {
    let after = after.map_or(String::new(), |id| id.to_string());
    let mut payments = tx.all(
        "SELECT order_id, status, captured, refunded, currency, updated_at FROM payments_payment
         WHERE order_id > $1 ORDER BY order_id LIMIT $2",
        &args![after, limit],
        |row| {
            let currency: Currency = row.parse(4)?;
            let word: String = row.get(1)?;
            let status = PaymentStatus::parse(&word).ok_or_else(|| Error::Corrupt(format!("no status {word}")))?;
            Ok(AuditedPayment {
                order: row.get(0)?,
                status,
                captured: Money::new(row.get(2)?, currency),
                refunded: Money::new(row.get(3)?, currency),
                surplus_captured: Money::zero(currency),
                surplus_refunded: Money::zero(currency),
                attempts: Vec::new(),
                updated_at: row.get(5)?,
            })
        },
    )?;
    let orders = [texts(payments.iter().map(|payment| payment.order))];
    let mut attempts: HashMap<OrderId, Vec<AttemptId>> = HashMap::new();
    tx.all(
        "SELECT order_id, id FROM payments_attempt WHERE order_id = ANY($1) ORDER BY id",
        &orders,
        |row| {
            attempts.entry(row.get(0)?).or_default().push(row.get(1)?);
            Ok(())
        },
    )?;
    let mut surplus = |sql: &str| -> Result<HashMap<OrderId, i64>, Error> {
        let sums = tx.all(sql, &orders, |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(sums.into_iter().collect())
    };
    let captured = surplus(
        "SELECT p.order_id, CAST(sum(c.amount) AS BIGINT) FROM payments_payment p
         JOIN payments_capture c ON c.payment_id = p.id WHERE p.order_id = ANY($1) AND c.surplus = 1 GROUP BY p.order_id",
    )?;
    let refunded = surplus(
        "SELECT p.order_id, CAST(sum(r.amount) AS BIGINT) FROM payments_payment p
         JOIN payments_refund r ON r.payment_id = p.id
         WHERE p.order_id = ANY($1) AND r.surplus = 1 AND r.status = 'completed' GROUP BY p.order_id",
    )?;
    for payment in &mut payments {
        payment.attempts = attempts.remove(&payment.order).unwrap_or_default();
        payment.surplus_captured.minor = captured.get(&payment.order).copied().unwrap_or_default();
        payment.surplus_refunded.minor = refunded.get(&payment.order).copied().unwrap_or_default();
    }
    Ok(payments)
}
