//! Stock rows and their ledger.

use api::catalog::{Movement as Line, MovementKind};
use base::{OrderId, Time, VariantId};
use store::{Dialect, Error, RowColumn, Rows, Tx, args, sql};

use super::LOCATION;
use crate::domain::{Movement, Reason};

const MOVEMENT: [RowColumn; 12] = [
    RowColumn::Text("variant_id"),
    RowColumn::Int("version"),
    RowColumn::Text("reason"),
    RowColumn::Int("on_hand_change"),
    RowColumn::Int("reserved_change"),
    RowColumn::Int("on_hand"),
    RowColumn::Int("reserved"),
    RowColumn::Text("order_id"),
    RowColumn::Text("actor"),
    RowColumn::Text("request_id"),
    RowColumn::Int("at"),
    RowColumn::Text("note"),
];

/// A stock row for a clerk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stocked {
    /// On hand.
    pub on_hand: i64,
    /// Promised.
    pub reserved: i64,
    /// Whether more may be promised than there is.
    pub oversell: bool,
    /// The stock version.
    pub version: i64,
    /// How many adjustments were told.
    pub adjustments: i64,
}

/// A clerk's change of a stock row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of what.
    pub variant: VariantId,
    /// Pieces on hand afterwards.
    pub on_hand: i64,
    /// Adjusted or set.
    pub reason: Reason,
    /// Why, in the clerk's words.
    pub note: Option<String>,
    /// Who.
    pub actor: String,
    /// By which request.
    pub request_id: String,
}

/// The stock of a variant.
///
/// # Errors
/// [`Error::Absent`] when there is no such variant.
pub fn shelf(tx: &mut Tx<'_>, variant: VariantId) -> Result<Stocked, Error> {
    tx.one(
        "SELECT on_hand, reserved, oversell, version, adjustments FROM catalog_stock
         WHERE variant_id = $1 AND location = $2",
        &args![variant, LOCATION],
        |row| {
            Ok(Stocked {
                on_hand: row.get(0)?,
                reserved: row.get(1)?,
                oversell: row.get(2)?,
                version: row.get(3)?,
                adjustments: row.get(4)?,
            })
        },
    )
}

/// Writes a clerk's change with its line in the ledger; answers the row as it is then.
///
/// # Errors
/// [`Error::Conflict`] when the row is no longer as `before` says.
pub fn adjust(tx: &mut Tx<'_>, before: Stocked, change: Change) -> Result<Stocked, Error> {
    let after = Stocked {
        on_hand: change.on_hand,
        version: before.version + 1,
        adjustments: before.adjustments + 1,
        ..before
    };
    let movement = Movement {
        variant: change.variant,
        version: after.version,
        reason: change.reason,
        on_hand_change: after.on_hand - before.on_hand,
        reserved_change: 0,
        on_hand: after.on_hand,
        reserved: after.reserved,
        order: None::<OrderId>,
        note: change.note,
        actor: change.actor,
        request_id: change.request_id,
    };
    let (dialect, now) = (tx.dialect(), tx.clock().now());
    let ledger = ledger(&[movement], now).args(dialect);
    let changed = tx.batch(&[
        (
            "UPDATE catalog_stock SET on_hand = $3, version = $4, adjustments = $5
             WHERE variant_id = $1 AND location = $2 AND version = $6",
            &args![
                change.variant,
                LOCATION,
                after.on_hand,
                after.version,
                after.adjustments,
                before.version
            ],
        ),
        (ledger_sql(dialect), &ledger),
    ])?;
    if changed != [1, 1] {
        return Err(tx.conflict());
    }
    Ok(after)
}

/// The ledger's first lines of new stock rows.
///
/// # Errors
/// What the engine refuses.
pub fn received(tx: &mut Tx<'_>, movements: &[Movement]) -> Result<(), Error> {
    if movements.is_empty() {
        return Ok(());
    }
    let (dialect, now) = (tx.dialect(), tx.clock().now());
    tx.run(ledger_sql(dialect), &ledger(movements, now).args(dialect))
        .map(drop)
}

/// Sets how a variant's stock is counted, unless more is promised than there is and may be; answers whether it did.
///
/// # Errors
/// What the engine refuses.
pub fn reset(tx: &mut Tx<'_>, variant: VariantId, tracked: bool, oversell: bool) -> Result<bool, Error> {
    let changed = tx.run(
        "UPDATE catalog_stock SET tracked = $3, oversell = $4
         WHERE variant_id = $1 AND location = $2 AND ($4 = 1 OR reserved <= on_hand)",
        &args![variant, LOCATION, tracked, oversell],
    )?;
    Ok(changed == 1)
}

pub(super) fn ledger(movements: &[Movement], now: Time) -> Rows<12> {
    let mut rows = Rows::new(MOVEMENT);
    for movement in movements {
        rows.push(args![
            movement.variant,
            movement.version,
            movement.reason.as_str(),
            movement.on_hand_change,
            movement.reserved_change,
            movement.on_hand,
            movement.reserved,
            movement.order.map_or_else(String::new, |order| order.to_string()),
            &movement.actor,
            &movement.request_id,
            now,
            movement.note.as_deref().unwrap_or_default(),
        ]);
    }
    rows
}

/// A line whose number another process took is left out: the guard of its stock row then fails as well, and the
/// whole is done again.
pub(super) fn ledger_sql(dialect: Dialect) -> &'static str {
    sql!(
        dialect,
        MOVEMENT,
        1,
        "INSERT INTO catalog_movement (variant_id, location, version, reason, on_hand_change, reserved_change, on_hand,
                                       reserved, order_id, actor, request_id, at, note)
         SELECT variant_id, 'main', version, reason, on_hand_change, reserved_change, on_hand,
                reserved, NULLIF(order_id, ''), actor, request_id, at, NULLIF(note, '')
         FROM {rows} WHERE true
         ON CONFLICT DO NOTHING"
    )
}

/// A page of a variant's ledger, newest first: lines before the one with number `before`.
///
/// # Errors
/// What the engine refuses.
pub fn movements(tx: &mut Tx<'_>, variant: VariantId, before: i64, limit: u32) -> Result<Vec<Line>, Error> {
    tx.all(
        "SELECT version, reason, note, on_hand_change, reserved_change, on_hand, reserved, order_id, actor, request_id, at
         FROM catalog_movement WHERE variant_id = $1 AND location = $2 AND version < $3 ORDER BY version DESC LIMIT $4",
        &args![variant, LOCATION, before, limit],
        |row| {
            let (stock, reserved): (i64, i64) = (row.get(5)?, row.get(6)?);
            Ok(Line {
                variant_id: variant,
                sequence: row.get(0)?,
                kind: kind_of(&row.get::<String>(1)?)?,
                reason: row.get(2)?,
                quantity: row.get(3)?,
                reserved_change: row.get(4)?,
                stock,
                reserved,
                available: stock - reserved,
                order_id: row.get(7)?,
                actor: row.get(8)?,
                request_id: row.get(9)?,
                at: row.get(10)?,
            })
        },
    )
}

fn kind_of(word: &str) -> Result<MovementKind, Error> {
    Ok(match word {
        "received" => MovementKind::Received,
        "adjusted" => MovementKind::Adjusted,
        "set" => MovementKind::Set,
        "reserved" => MovementKind::Reserved,
        "released" => MovementKind::Released,
        "settled" => MovementKind::Settled,
        "restocked" => MovementKind::Restocked,
        other => return Err(Error::Corrupt(format!("no kind of movement: {other}"))),
    })
}
