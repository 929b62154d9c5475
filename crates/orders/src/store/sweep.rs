//! Forgetting what nobody can ask for any more.

use base::{Id as _, OrderId, Time};
use store::{Tx, args, texts};

use crate::error::Error;

/// Deletes orders that were refused while they were placed and have come to rest, placed before `before`, `limit` at
/// most; answers how many. Nobody was ever told of one.
pub fn forget_refused(tx: &mut Tx<'_>, before: Time, limit: u32) -> Result<u64, Error> {
    let millis = u128::try_from(before.micros().div_euclid(1_000)).unwrap_or_default();
    let sql = "SELECT id FROM orders_order WHERE hidden = 1 AND id < $1 AND resume_at IS NULL ORDER BY id LIMIT $2";
    let ids: Vec<OrderId> = tx.all(sql, &args![OrderId::from_bits(millis << 80), limit], |row| row.get(0))?;
    if ids.is_empty() {
        return Ok(0);
    }
    let ids = [texts(ids)];
    let gone = tx.batch(&[
        ("DELETE FROM orders_line WHERE order_id = ANY($1)", &ids),
        ("DELETE FROM orders_change WHERE order_id = ANY($1)", &ids),
        ("DELETE FROM orders_joined WHERE order_id = ANY($1)", &ids),
        ("DELETE FROM orders_order WHERE id = ANY($1)", &ids),
    ])?;
    Ok(gone.last().copied().unwrap_or_default())
}

/// Deletes the keys of calls that joined another's order before `before`, `limit` at most; answers how many.
pub fn forget_joined(tx: &mut Tx<'_>, before: Time, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM orders_joined WHERE (user_id, checkout_key) IN
                   (SELECT user_id, checkout_key FROM orders_joined WHERE at < $1 ORDER BY at LIMIT $2)";
    Ok(tx.run(sql, &args![before, limit])?)
}
