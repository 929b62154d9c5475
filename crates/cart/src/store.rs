//! Rows of carts.
//!
//! A cart is read whole, changed by the rules, and saved by what differs. The guard is the cart's version: who
//! saves a cart that somebody else has changed since runs again on what is there then, so that calls commute.

use api::cart::Merged;
use base::{CartId, Time, UserId};
use store::{Error, Tx, args, texts};

use crate::domain::{Cart, Line, Owner};

const BY_USER: &str = "SELECT c.id, c.user_id, c.guest, c.generation, c.version, c.told,
        l.id, l.variant_id, l.quantity, l.place, l.added_at
    FROM cart_cart c LEFT JOIN cart_line l ON l.cart_id = c.id
    WHERE c.user_id = $1 ORDER BY l.place";

const BY_ID: &str = "SELECT c.id, c.user_id, c.guest, c.generation, c.version, c.told,
        l.id, l.variant_id, l.quantity, l.place, l.added_at
    FROM cart_cart c LEFT JOIN cart_line l ON l.cart_id = c.id
    WHERE c.id = $1 ORDER BY l.place";

/// A user's cart, if one was ever made.
pub fn of_user(tx: &mut Tx<'_>, user: UserId) -> Result<Option<Cart>, Error> {
    read(tx, BY_USER, user.into())
}

/// A cart by its id.
pub fn by_id(tx: &mut Tx<'_>, id: CartId) -> Result<Option<Cart>, Error> {
    read(tx, BY_ID, id.into())
}

/// One row for each line, or one without a line; what belongs to the cart stands in each and is read once.
fn read(tx: &mut Tx<'_>, sql: &str, key: store::Value) -> Result<Option<Cart>, Error> {
    let mut cart: Option<Cart> = None;
    let lines = tx.all(sql, &[key], |row| {
        if cart.is_none() {
            cart = Some(Cart {
                id: row.get(0)?,
                owner: Owner {
                    id: row.get(1)?,
                    guest: row.get(2)?,
                },
                generation: row.get(3)?,
                version: row.get(4)?,
                told: row.get(5)?,
                lines: Vec::new(),
            });
        }
        let Some(id) = row.get(6)? else { return Ok(None) };
        let (variant, quantity) = (row.get(7)?, row.get(8)?);
        Ok(Some(Line {
            id,
            variant,
            quantity,
            place: row.get(9)?,
            added_at: row.get(10)?,
        }))
    })?;
    Ok(cart.map(|cart| Cart {
        lines: lines.into_iter().flatten().collect(),
        ..cart
    }))
}

const MAKE: &str = "INSERT INTO cart_cart
        (id, user_id, guest, generation, version, told, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (user_id) DO NOTHING";

const MOVE: &str = "UPDATE cart_cart SET generation = $3, version = $4, told = $5, updated_at = $6
    WHERE id = $1 AND version = $2";

/// Saves what has changed of a cart since it was read as `before`, and gives it its next version.
///
/// # Errors
/// Somebody else changed it meanwhile: the closure runs again.
pub fn save(tx: &mut Tx<'_>, before: &Cart, after: &mut Cart, now: Time) -> Result<(), Error> {
    debug_assert_eq!(before.version, after.version, "only saving gives a version");
    if before == after && after.version > 0 {
        return Ok(());
    }
    after.version += 1;
    let lines: Vec<_> = changed(before, after)
        .map(|line| {
            args![
                after.id,
                line.variant,
                line.id,
                line.quantity,
                line.place,
                line.added_at
            ]
        })
        .collect();
    let gone: Vec<_> = before
        .variants()
        .filter(|variant| after.line_of(*variant).is_none())
        .collect();
    let gone = (!gone.is_empty()).then(|| [after.id.into(), texts(gone)]);

    let (id, Owner { id: user, guest }) = (after.id, after.owner);
    let (generation, version, told) = (after.generation, after.version, after.told);
    let made = args![id, user, guest, generation, version, told, now];
    let moved = args![id, before.version, generation, version, told, now];
    let guard: (&str, &[store::Value]) = match before.version {
        0 => (MAKE, &made),
        _ => (MOVE, &moved),
    };
    let mut statements = vec![guard];
    if let Some(gone) = &gone {
        statements.push((
            "DELETE FROM cart_line WHERE cart_id = $1 AND variant_id = ANY($2)",
            gone,
        ));
    }
    for line in &lines {
        statements.push((
            "INSERT INTO cart_line (cart_id, variant_id, id, quantity, place, added_at)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (cart_id, variant_id) DO UPDATE SET quantity = excluded.quantity",
            line,
        ));
    }
    let rows = tx.batch(&statements)?;
    if rows[0] == 1 { Ok(()) } else { Err(tx.conflict()) }
}

/// The lines that are new or other than before. Most stand where they stood.
fn changed<'a>(before: &'a Cart, after: &'a Cart) -> impl Iterator<Item = &'a Line> {
    let is_other = |(at, line): &(usize, &Line)| before.lines.get(*at) != Some(*line) && !before.lines.contains(line);
    after.lines.iter().enumerate().filter(is_other).map(|(_, line)| line)
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

/// Forgets guests' carts that nobody has touched since `before`, `limit` at most; answers how many.
pub fn drop_guests_carts(tx: &mut Tx<'_>, before: Time, limit: u32) -> Result<u64, Error> {
    // The outer guard is asked again of a row that somebody changes at this moment.
    let sql = "DELETE FROM cart_cart WHERE updated_at < $1 AND id IN (
            SELECT id FROM cart_cart WHERE guest = 1 AND created_at < $1 AND updated_at < $1
            ORDER BY created_at LIMIT $2)
        RETURNING id";
    let gone = tx.all(sql, &args![before, limit], |row| row.get::<CartId>(0))?;
    tx.run("DELETE FROM cart_line WHERE cart_id = ANY($1)", &[texts(&gone)])?;
    Ok(gone.len() as u64)
}

/// Forgets what merges did before `before`, `limit` at most; answers how many.
pub fn drop_merges(tx: &mut Tx<'_>, before: Time, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM cart_merge WHERE (from_user, to_user) IN (
            SELECT from_user, to_user FROM cart_merge WHERE at < $1 ORDER BY at LIMIT $2)";
    tx.run(sql, &args![before, limit])
}

/// How many lines there are, in all carts.
#[cfg(test)]
pub fn count_lines(tx: &mut Tx<'_>) -> Result<i64, Error> {
    tx.one("SELECT COUNT(*) FROM cart_line", &[], |row| row.get(0))
}
