//! Rows of carts.
//!
//! A cart is one row, read whole, changed by the rules, and saved whole. The guard is the cart's version: who saves a
//! cart that somebody else has changed since runs again on what is there then, so that calls commute.

use api::cart::Merged;
use base::{CartId, Time, UserId};
use store::{Cell, Error, Row, RowColumn, Rows, Tx, Value, args, sql, texts};

use crate::domain::{Cart, Owner};

/// A day in microseconds.
const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// A user's cart, if one was ever made.
pub fn of_user(tx: &mut Tx<'_>, user: UserId) -> Result<Option<Cart>, Error> {
    let sql =
        "SELECT id, user_id, guest, generation, version, told, lines, day, notice FROM cart_cart WHERE user_id = $1";
    tx.maybe(sql, &args![user], read)
}

/// The carts of these users, and those with these ids.
pub fn named(tx: &mut Tx<'_>, users: &[UserId], ids: &[CartId]) -> Result<Vec<Cart>, Error> {
    let sql = "SELECT id, user_id, guest, generation, version, told, lines, day, notice FROM cart_cart
        WHERE user_id = ANY($1) OR id = ANY($2)";
    tx.all(sql, &[texts(users), texts(ids)], read)
}

fn read(row: &Row<'_>) -> Result<Cart, Error> {
    let notice = match row.cell(8)? {
        Cell::Text("") => None,
        _ => Some(row.json(8)?),
    };
    Ok(Cart {
        id: row.get(0)?,
        owner: Owner {
            id: row.get(1)?,
            guest: row.get(2)?,
        },
        generation: row.get(3)?,
        version: row.get(4)?,
        told: row.get(5)?,
        lines: row.json(6)?,
        day: row.get(7)?,
        notice,
    })
}

const MADE: [RowColumn; 10] = [
    RowColumn::Text("id"),
    RowColumn::Text("user_id"),
    RowColumn::Int("guest"),
    RowColumn::Int("generation"),
    RowColumn::Int("version"),
    RowColumn::Int("told"),
    RowColumn::Text("lines"),
    RowColumn::Int("at"),
    RowColumn::Int("day"),
    RowColumn::Text("notice"),
];

const MOVED: [RowColumn; 9] = [
    RowColumn::Text("id"),
    RowColumn::Int("was"),
    RowColumn::Int("generation"),
    RowColumn::Int("version"),
    RowColumn::Int("told"),
    RowColumn::Text("lines"),
    RowColumn::Int("at"),
    RowColumn::Int("day"),
    RowColumn::Text("notice"),
];

/// Saves carts that changed, each with the version it had when it was read; 0 for one that is new. Two statements at
/// most, however many there are.
///
/// # Errors
/// Somebody else changed one of them meanwhile, or made it: the closure runs again.
pub fn save<'a>(tx: &mut Tx<'_>, changed: impl Iterator<Item = (i64, &'a Cart)>, now: Time) -> Result<(), Error> {
    let (mut made, mut moved) = (Rows::new(MADE), Rows::new(MOVED));
    let day = day_of(now);
    for (was, cart) in changed {
        debug_assert!(was < cart.version, "a change gives a version");
        let corrupt = |fault: serde_json::Error| Error::Corrupt(fault.to_string());
        let lines = serde_json::to_string(&cart.lines).map_err(corrupt)?;
        let notice = cart
            .notice
            .as_ref()
            .map(serde_json::to_string)
            .transpose()
            .map_err(corrupt)?;
        let notice = notice.unwrap_or_default();
        let (generation, version, told) = (cart.generation, cart.version, cart.told);
        let Owner { id: user, guest } = cart.owner;
        match was {
            0 => made.push(args![
                cart.id, user, guest, generation, version, told, lines, now, day, notice
            ]),
            was => moved.push(args![cart.id, was, generation, version, told, lines, now, day, notice]),
        }
    }
    let (dialect, counts) = (tx.dialect(), [made.len(), moved.len()]);
    let statements = [
        (
            sql!(
                dialect,
                MADE,
                1,
                "INSERT INTO cart_cart
                    (id, user_id, guest, generation, version, told, lines, created_at, updated_at, day, notice)
                 SELECT id, user_id, guest, generation, version, told, lines, at, at, day, notice FROM {rows}
                 WHERE true ON CONFLICT DO NOTHING"
            ),
            made.args(dialect),
        ),
        (
            sql!(
                dialect,
                MOVED,
                1,
                "UPDATE cart_cart AS c SET generation = d.generation, version = d.version, told = d.told,
                    lines = d.lines, updated_at = d.at, day = d.day, notice = d.notice
                 FROM {rows} WHERE c.id = d.id AND c.version = d.was"
            ),
            moved.args(dialect),
        ),
    ];
    let wanted = statements.iter().zip(counts).filter(|(_, count)| *count > 0);
    let batch: Vec<(&str, &[Value])> = wanted.map(|((sql, args), _)| (*sql, args.as_slice())).collect();
    if batch.is_empty() {
        return Ok(());
    }
    let saved: u64 = tx.batch(&batch)?.into_iter().sum();
    let wanted: usize = counts.into_iter().sum();
    if saved == wanted as u64 {
        Ok(())
    } else {
        Err(tx.conflict())
    }
}

/// What the last merge of these two carts did.
pub fn merged(tx: &mut Tx<'_>, from: UserId, to: UserId) -> Result<Option<Merged>, Error> {
    tx.maybe(
        "SELECT merged FROM cart_merge WHERE from_user = $1 AND to_user = $2",
        &args![from, to],
        |row| row.json(0),
    )
}

/// Remembers what a merge did.
pub fn remember_merge(tx: &mut Tx<'_>, from: UserId, to: UserId, merged: &Merged, now: Time) -> Result<(), Error> {
    let text = serde_json::to_string(merged).map_err(|fault| Error::Corrupt(fault.to_string()))?;
    let sql = "INSERT INTO cart_merge (from_user, to_user, merged, at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (from_user, to_user) DO UPDATE SET merged = excluded.merged, at = excluded.at";
    tx.run(sql, &args![from, to, text, now]).map(drop)
}

/// Notes that a cart was visited today, unless it was changed or visited today before; `false` when it is gone.
pub fn visit(tx: &mut Tx<'_>, id: CartId, now: Time) -> Result<bool, Error> {
    let sql = "UPDATE cart_cart SET day = CASE WHEN day < $2 THEN $2 ELSE day END,
            updated_at = CASE WHEN updated_at < $3 THEN $3 ELSE updated_at END
        WHERE id = $1";
    Ok(tx.run(sql, &args![id, day_of(now), now])? == 1)
}

/// Forgets carts, of guests or of accounts, that nobody has changed or visited since `before`, `limit` at most; answers
/// how many.
pub fn drop_carts(tx: &mut Tx<'_>, guests: bool, before: Time, limit: u32) -> Result<u64, Error> {
    // The guards are asked again of a row that somebody changes at this moment.
    let sql = "DELETE FROM cart_cart WHERE updated_at < $2 AND id IN (
            SELECT id FROM cart_cart WHERE guest = $1 AND day <= $3 AND updated_at < $2 ORDER BY day LIMIT $4)";
    tx.run(sql, &args![guests, before, day_of(before), limit])
}

/// The day of a moment, counted from 1970.
pub fn day_of(moment: Time) -> i64 {
    moment.micros().div_euclid(DAY)
}

/// Forgets what merges did before `before`, `limit` at most; answers how many.
pub fn drop_merges(tx: &mut Tx<'_>, before: Time, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM cart_merge WHERE (from_user, to_user) IN (
            SELECT from_user, to_user FROM cart_merge WHERE at < $1 ORDER BY at LIMIT $2)";
    tx.run(sql, &args![before, limit])
}
