//! Reservations, and the one batch that moves stock for orders: two reads and four writes, whatever its size.

use std::collections::{BTreeSet, HashMap};

use base::{OrderId, VariantId};
use store::{Dialect, Error, RowColumn, Rows, Tx, args, sql, texts};

use super::{LOCATION, shelves};
use crate::domain::{Asked, Command, Decisions, Held, HeldLine, HoldState, Shelf};

const HELD: [RowColumn; 6] = [
    RowColumn::Text("order_id"),
    RowColumn::Text("state"),
    RowColumn::Text("lines"),
    RowColumn::Int("version"),
    RowColumn::Text("was"),
    RowColumn::Int("at"),
];

// With the location, so that a row is found by its whole key: a constant in its place looks like a way in.
const SHELF: [RowColumn; 6] = [
    RowColumn::Text("variant_id"),
    RowColumn::Text("location"),
    RowColumn::Int("on_hand"),
    RowColumn::Int("reserved"),
    RowColumn::Int("version"),
    RowColumn::Int("was"),
];

/// What a batch is decided from: the reservations of its orders, and the stock of every variant named by either.
pub type Loaded = (HashMap<OrderId, Held>, HashMap<VariantId, Shelf>);

/// Loads what a batch is decided from.
///
/// On PostgreSQL the rows are locked, orders first and each in key order, so that batches of several processes
/// wait for each other and never in a circle.
///
/// # Errors
/// What the engine refuses.
pub fn load(tx: &mut Tx<'_>, asked: &[Asked]) -> Result<Loaded, Error> {
    let orders: BTreeSet<OrderId> = asked.iter().map(|asked| asked.command.order()).collect();
    let lock = tx.dialect() == Dialect::Postgres;
    let sql = match lock {
        false => "SELECT order_id, state, lines, version FROM catalog_reservation WHERE order_id = ANY($1)",
        true => {
            "SELECT order_id, state, lines, version FROM catalog_reservation WHERE order_id = ANY($1)
             ORDER BY order_id FOR UPDATE"
        }
    };
    let held: HashMap<OrderId, Held> = tx
        .all(sql, &[texts(orders)], |row| {
            let state = match row.get::<String>(1)?.as_str() {
                "reserved" => HoldState::Reserved,
                "settled" => HoldState::Settled,
                _ => HoldState::Undone,
            };
            Ok((
                row.get(0)?,
                Held {
                    state,
                    lines: row.json::<Vec<HeldLine>>(2)?,
                    version: row.get(3)?,
                },
            ))
        })?
        .into_iter()
        .collect();

    let wanted = asked.iter().flat_map(|asked| match &asked.command {
        Command::Reserve(_, lines) => lines.as_slice(),
        Command::Settle(_) | Command::Undo(_) => &[],
    });
    let mut variants: BTreeSet<VariantId> = wanted.map(|line| line.variant).collect();
    variants.extend(held.values().flat_map(|held| &held.lines).map(|line| line.variant));
    if variants.is_empty() {
        return Ok((held, HashMap::new()));
    }
    let sql = match lock {
        false => {
            "SELECT s.variant_id, v.sku, s.on_hand, s.reserved, s.tracked, s.oversell,
                    v.archived_at IS NULL AND p.status <> 'archived', s.version
             FROM catalog_stock s JOIN catalog_variant v ON v.id = s.variant_id
             JOIN catalog_product p ON p.id = v.product_id
             WHERE s.variant_id = ANY($1) AND s.location = $2"
        }
        true => {
            "SELECT s.variant_id, v.sku, s.on_hand, s.reserved, s.tracked, s.oversell,
                    v.archived_at IS NULL AND p.status <> 'archived', s.version
             FROM catalog_stock s JOIN catalog_variant v ON v.id = s.variant_id
             JOIN catalog_product p ON p.id = v.product_id
             WHERE s.variant_id = ANY($1) AND s.location = $2
             ORDER BY s.variant_id FOR UPDATE OF s"
        }
    };
    let shelves = tx.all(sql, &[texts(variants), LOCATION.into()], |row| {
        let shelf = Shelf {
            sku: row.get(1)?,
            on_hand: row.get(2)?,
            reserved: row.get(3)?,
            tracked: row.get(4)?,
            oversell: row.get(5)?,
            living: row.get(6)?,
            version: row.get(7)?,
        };
        Ok((row.get(0)?, shelf))
    })?;
    Ok((held, shelves.into_iter().collect()))
}

/// Writes what a batch came to, with its ledger.
///
/// # Errors
/// [`Error::Conflict`] when another process was faster; else what the engine refuses.
pub fn hold(
    tx: &mut Tx<'_>,
    done: &Decisions,
    held_before: &HashMap<OrderId, Held>,
    shelves_before: &HashMap<VariantId, Shelf>,
) -> Result<(), Error> {
    let (dialect, now) = (tx.dialect(), tx.clock().now());
    let mut stock = Rows::new(SHELF);
    for (variant, shelf) in &done.shelves {
        let was = shelves_before.get(variant).map_or(0, |shelf| shelf.version);
        stock.push(args![
            variant,
            LOCATION,
            shelf.on_hand,
            shelf.reserved,
            shelf.version,
            was
        ]);
    }
    let (mut fresh, mut known) = (Rows::new(HELD), Rows::new(HELD));
    for (order, held) in &done.held {
        let was = held_before.get(order).map(|held| held.state);
        let lines = serde_json::to_string(&held.lines).map_err(|error| Error::Sql(error.to_string()))?;
        let row = args![order, word(held.state), lines, held.version, was.map_or("", word), now];
        if was.is_some() {
            known.push(row)
        } else {
            fresh.push(row)
        }
    }
    let counts = [stock.len(), fresh.len(), known.len(), done.movements.len()];
    let movements = shelves::ledger(&done.movements, now);
    let statements = [
        (
            sql!(
                dialect,
                SHELF,
                1,
                "UPDATE catalog_stock AS s SET on_hand = d.on_hand, reserved = d.reserved, version = d.version
                 FROM {rows} WHERE s.variant_id = d.variant_id AND s.location = d.location AND s.version = d.was"
            ),
            stock.args(dialect),
        ),
        (
            sql!(
                dialect,
                HELD,
                1,
                "INSERT INTO catalog_reservation (order_id, state, lines, version, created_at, updated_at)
                 SELECT order_id, state, lines, version, at, at FROM {rows} WHERE true ON CONFLICT DO NOTHING"
            ),
            fresh.args(dialect),
        ),
        (
            sql!(
                dialect,
                HELD,
                1,
                "UPDATE catalog_reservation AS r SET state = d.state, version = d.version, updated_at = d.at
                 FROM {rows} WHERE r.order_id = d.order_id AND r.state = d.was"
            ),
            known.args(dialect),
        ),
        (shelves::ledger_sql(dialect), movements.args(dialect)),
    ];
    let wanted: Vec<_> = statements.iter().zip(counts).filter(|(_, count)| *count > 0).collect();
    let batch: Vec<(&str, &[store::Value])> = wanted.iter().map(|((sql, args), _)| (*sql, args.as_slice())).collect();
    if batch.is_empty() {
        return Ok(());
    }
    let changed = tx.batch(&batch)?;
    if changed
        .iter()
        .zip(&wanted)
        .any(|(changed, (_, count))| *changed != *count as u64)
    {
        return Err(tx.conflict());
    }
    Ok(())
}

fn word(state: HoldState) -> &'static str {
    match state {
        HoldState::Reserved => "reserved",
        HoldState::Settled => "settled",
        HoldState::Undone => "undone",
    }
}

/// Stock rows (variant, on hand, reserved, version), what the ledger says of them (on hand, reserved, last line),
/// and the lines of live reservations: what STOCK-1 compares.
#[cfg(test)]
pub type Books = (
    Vec<(VariantId, i64, i64, i64)>,
    HashMap<VariantId, (i64, i64, i64)>,
    Vec<HeldLine>,
);

/// Reads all of it at one moment.
///
/// # Errors
/// What the engine refuses.
#[cfg(test)]
pub fn books(tx: &mut Tx<'_>) -> Result<Books, Error> {
    let stock = tx.all(
        "SELECT variant_id, on_hand, reserved, version FROM catalog_stock",
        &[],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    let moved = tx.all(
        "SELECT variant_id, CAST(SUM(on_hand_change) AS BIGINT), CAST(SUM(reserved_change) AS BIGINT), MAX(version)
         FROM catalog_movement GROUP BY variant_id",
        &[],
        |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?))),
    )?;
    let held = tx.all(
        "SELECT lines FROM catalog_reservation WHERE state = 'reserved'",
        &[],
        |row| row.json::<Vec<HeldLine>>(0),
    )?;
    Ok((stock, moved.into_iter().collect(), held.into_iter().flatten().collect()))
}
