//! The books of payments, for the doctor.

use std::collections::HashMap;

use api::audit::AuditedPayment;
use api::payments::PaymentStatus;
use base::{AttemptId, Currency, Money, OrderId};
use store::{Error, Tx, Value, args, texts};

use crate::domain::CASH;

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
                cash_captured: Money::zero(currency),
                cash_refunded: Money::zero(currency),
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
    let [orders] = orders;
    let cash = [orders.clone(), CASH.into()];
    let mut sums = |sql: &str, args: &[Value]| -> Result<HashMap<OrderId, i64>, Error> {
        let sums = tx.all(sql, args, |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(sums.into_iter().collect())
    };
    let captured = sums(
        "SELECT p.order_id, CAST(sum(c.amount) AS BIGINT) FROM payments_payment p
         JOIN payments_capture c ON c.payment_id = p.id WHERE p.order_id = ANY($1) AND c.surplus = 1 GROUP BY p.order_id",
        &cash[..1],
    )?;
    let refunded = sums(
        "SELECT p.order_id, CAST(sum(r.amount) AS BIGINT) FROM payments_payment p
         JOIN payments_refund r ON r.payment_id = p.id
         WHERE p.order_id = ANY($1) AND r.surplus = 1 AND r.status = 'completed' GROUP BY p.order_id",
        &cash[..1],
    )?;
    let cash_captured = sums(
        "SELECT p.order_id, CAST(sum(c.amount) AS BIGINT) FROM payments_payment p
         JOIN payments_capture c ON c.payment_id = p.id WHERE p.order_id = ANY($1) AND c.charge = $2 GROUP BY p.order_id",
        &cash,
    )?;
    let cash_refunded = sums(
        "SELECT p.order_id, CAST(sum(r.amount) AS BIGINT) FROM payments_payment p
         JOIN payments_refund r ON r.payment_id = p.id
         JOIN payments_capture c ON c.attempt_id = r.attempt_id
         WHERE p.order_id = ANY($1) AND c.charge = $2 AND r.status = 'completed' GROUP BY p.order_id",
        &cash,
    )?;
    for payment in &mut payments {
        let of = |sums: &HashMap<OrderId, i64>| sums.get(&payment.order).copied().unwrap_or_default();
        payment.attempts = attempts.remove(&payment.order).unwrap_or_default();
        payment.surplus_captured.minor = of(&captured);
        payment.surplus_refunded.minor = of(&refunded);
        payment.cash_captured.minor = of(&cash_captured);
        payment.cash_refunded.minor = of(&cash_refunded);
    }
    Ok(payments)
}
