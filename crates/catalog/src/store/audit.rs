//! The books of stock, for the doctor.

use api::audit::{AuditedReservation, StockFault};
use api::catalog::Pieces;
use base::{OrderId, Quantity};
use store::{Dialect, Error, Tx, args};

use crate::domain::HeldLine;

/// A page of reservations by order, undone ones too.
pub fn reservations(tx: &mut Tx<'_>, after: Option<OrderId>, limit: u32) -> Result<Vec<AuditedReservation>, Error> {
    let after = after.map_or(String::new(), |id| id.to_string());
    tx.all(
        "SELECT order_id, state, lines FROM catalog_reservation WHERE order_id > $1 ORDER BY order_id LIMIT $2",
        &args![after, limit],
        |row| {
            let pieces = |line: HeldLine| {
                let quantity = Quantity::new(line.quantity).ok()?;
                Some(Pieces {
                    variant: line.variant,
                    quantity,
                })
            };
            Ok(AuditedReservation {
                order: row.get(0)?,
                state: row.get(1)?,
                lines: row.json::<Vec<HeldLine>>(2)?.into_iter().filter_map(pieces).collect(),
            })
        },
    )
}

/// Stock rows that do not agree with their ledger or with the live reservations, at most `limit`.
/// Two spellings: the engines open a JSON array in different words.
pub fn stock_faults(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<StockFault>, Error> {
    let held = match tx.dialect() {
        Dialect::Sqlite => {
            "SELECT line.value ->> 'variant' AS variant_id, sum(line.value ->> 'quantity') AS pieces
             FROM catalog_reservation r, json_each(r.lines) line
             WHERE r.state = 'reserved' AND line.value ->> 'counted' GROUP BY 1"
        }
        Dialect::Postgres => {
            "SELECT line ->> 'variant' AS variant_id, sum(CAST(line ->> 'quantity' AS BIGINT)) AS pieces
             FROM catalog_reservation r, json_array_elements(CAST(r.lines AS JSON)) line
             WHERE r.state = 'reserved' AND CAST(line ->> 'counted' AS BOOLEAN) GROUP BY 1"
        }
    };
    let sql = format!(
        "SELECT s.variant_id, s.on_hand, s.reserved, CAST(COALESCE(m.on_hand, 0) AS BIGINT),
             CAST(COALESCE(m.reserved, 0) AS BIGINT), CAST(COALESCE(h.pieces, 0) AS BIGINT)
         FROM catalog_stock s
         LEFT JOIN (SELECT variant_id, location, sum(on_hand_change) AS on_hand, sum(reserved_change) AS reserved
             FROM catalog_movement GROUP BY variant_id, location) m
             ON m.variant_id = s.variant_id AND m.location = s.location
         LEFT JOIN ({held}) h ON h.variant_id = s.variant_id
         WHERE s.on_hand <> COALESCE(m.on_hand, 0) OR s.reserved <> COALESCE(m.reserved, 0)
             OR s.reserved <> COALESCE(h.pieces, 0) OR s.reserved < 0 OR (s.oversell = 0 AND s.reserved > s.on_hand)
         ORDER BY s.variant_id LIMIT $1"
    );
    tx.all(&sql, &args![limit], |row| {
        Ok(StockFault {
            variant: row.get(0)?,
            on_hand: row.get(1)?,
            reserved: row.get(2)?,
            ledger_on_hand: row.get(3)?,
            ledger_reserved: row.get(4)?,
            held: row.get(5)?,
        })
    })
}

/// Every movement of the ledger as who, what and how much, in the order of SKUs.
#[cfg(test)]
pub fn ledger(tx: &mut Tx<'_>) -> Result<Vec<String>, Error> {
    let sql = "SELECT v.sku, m.version, m.reason, m.on_hand_change, m.on_hand, m.actor FROM catalog_movement m
        JOIN catalog_variant v ON v.id = m.variant_id ORDER BY v.sku, m.version";
    tx.all(sql, &[], |row| {
        let (sku, reason, actor): (String, String, String) = (row.get(0)?, row.get(2)?, row.get(5)?);
        let (version, change, left): (i64, i64, i64) = (row.get(1)?, row.get(3)?, row.get(4)?);
        Ok(format!("{sku} {version} {reason} {change} {left} {actor}"))
    })
}
