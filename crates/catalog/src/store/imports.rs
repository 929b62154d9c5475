//! Imports: their files while they are needed, how far they are, what stayed out and what changed.

mod changes;
mod sweep;

use api::catalog::{ImportState, StockMode};
use base::{ImportId, Time};
use store::{Error, Row, Tx, args};

use super::products::json;

pub use changes::{
    ChangeRow, Changes, NewChange, NewRejected, TakenBack, changes, put_changes, put_rejected, put_undone, rejected,
};
pub use sweep::{drop_pieces, has_old_pieces, old_imports, sweep_import};

const COLUMNS: &str = "id, state, dry_run, stock, header, bytes, bytes_done, items, line_count, created, \
    updated, unchanged, left_out, variants, rejected, fault_code, fault, actor, request_id, tries, undo_actor, \
    undo_request_id, undo_force, undo_item, restored, kept, undone_at, created_at, finished_at";

/// What came of a file's products so far; sums of one batch, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// New products.
    pub created: i64,
    /// Products that differed.
    pub updated: i64,
    /// Products that were just so.
    pub unchanged: i64,
    /// Products that stayed out.
    pub left_out: i64,
    /// Variants of all that went in or were there.
    pub variants: i64,
    /// Rows that are wrong.
    pub rejected: i64,
}

/// How far the file is worked off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Bytes of the file.
    pub bytes: i64,
    /// The number of the last product or stray row.
    pub items: i64,
    /// Rows below the header.
    pub rows: i64,
}

/// An import's row.
#[derive(Clone, Debug)]
pub struct ImportRow {
    /// The id.
    pub id: ImportId,
    /// How far it is.
    pub state: ImportState,
    /// Whether it changes nothing.
    pub dry_run: bool,
    /// Which quantities it takes.
    pub stock: StockMode,
    /// The file's first line.
    pub header: Vec<String>,
    /// Bytes of the file that are here.
    pub bytes: i64,
    /// What of it is worked off.
    pub reached: Reached,
    /// What came of it.
    pub tally: Tally,
    /// Why it failed: code and sentence.
    pub fault: Option<(String, String)>,
    /// Who asked for it.
    pub actor: String,
    /// By which request.
    pub request_id: String,
    /// Take-overs since the last progress.
    pub tries: i64,
    /// Who asked for its undo, and by which request.
    pub undo_by: Option<(String, String)>,
    /// Whether the undo takes later changes back as well.
    pub undo_force: bool,
    /// The lowest item that was taken back.
    pub undo_item: i64,
    /// Products that are what they were.
    pub restored: i64,
    /// Products of which something stayed.
    pub kept: i64,
    /// When it was taken back.
    pub undone_at: Option<Time>,
    /// When it was asked for.
    pub created_at: Time,
    /// When it came to rest.
    pub finished_at: Option<Time>,
}

fn state_of(word: &str) -> Result<ImportState, Error> {
    Ok(match word {
        "staged" => ImportState::Staged,
        "running" => ImportState::Running,
        "done" => ImportState::Done,
        "undoing" => ImportState::Undoing,
        "undone" => ImportState::Undone,
        "failed" => ImportState::Failed,
        other => return Err(Error::Corrupt(format!("no state of an import: {other}"))),
    })
}

fn read(row: &Row<'_>) -> Result<ImportRow, Error> {
    let stock: String = row.get(3)?;
    let (code, sentence): (Option<String>, Option<String>) = (row.get(15)?, row.get(16)?);
    let (undo_actor, undo_request): (Option<String>, Option<String>) = (row.get(20)?, row.get(21)?);
    Ok(ImportRow {
        id: row.get(0)?,
        state: state_of(&row.get::<String>(1)?)?,
        dry_run: row.get(2)?,
        stock: if stock == "set" { StockMode::Set } else { StockMode::New },
        header: row.json(4)?,
        bytes: row.get(5)?,
        reached: Reached {
            bytes: row.get(6)?,
            items: row.get(7)?,
            rows: row.get(8)?,
        },
        tally: Tally {
            created: row.get(9)?,
            updated: row.get(10)?,
            unchanged: row.get(11)?,
            left_out: row.get(12)?,
            variants: row.get(13)?,
            rejected: row.get(14)?,
        },
        fault: code.zip(sentence),
        actor: row.get(17)?,
        request_id: row.get(18)?,
        tries: row.get(19)?,
        undo_by: undo_actor.zip(undo_request),
        undo_force: row.get(22)?,
        undo_item: row.get(23)?,
        restored: row.get(24)?,
        kept: row.get(25)?,
        undone_at: row.get(26)?,
        created_at: row.get(27)?,
        finished_at: row.get(28)?,
    })
}

/// A new import whose file is about to come, on behalf of `(actor, request)`; `driver` takes it in until `lease`.
///
/// # Errors
/// What the engine refuses.
pub fn insert_import(
    tx: &mut Tx<'_>,
    id: ImportId,
    (dry_run, stock): (bool, StockMode),
    (actor, request): (&str, &str),
    (driver, lease): (&str, Time),
) -> Result<(), Error> {
    let stock = if stock == StockMode::Set { "set" } else { "new" };
    let now = tx.clock().now();
    tx.run(
        "INSERT INTO catalog_import (id, state, dry_run, stock, digest, header, bytes, bytes_done, items, line_count,
             created, updated, unchanged, left_out, variants, rejected, actor, request_id, driver, resume_at, tries,
             undo_force, undo_item, restored, kept, created_at)
         VALUES ($1, 'staged', $2, $3, '', '[]', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, $4, $5, $6, $7, 0, 0, 0, 0, 0, $8)",
        &args![id, dry_run, stock, actor, request, driver, lease, now],
    )
    .map(drop)
}

/// An import.
///
/// # Errors
/// What the engine refuses.
pub fn import(tx: &mut Tx<'_>, id: ImportId) -> Result<Option<ImportRow>, Error> {
    tx.maybe(
        &format!("SELECT {COLUMNS} FROM catalog_import WHERE id = $1"),
        &args![id],
        read,
    )
}

/// Imports before an id, the newest first, at most `limit`.
///
/// # Errors
/// What the engine refuses.
pub fn imports(tx: &mut Tx<'_>, before: Option<&str>, limit: u32) -> Result<Vec<ImportRow>, Error> {
    // Every id begins with a lower letter than this.
    let before = before.unwrap_or("~");
    tx.all(
        &format!("SELECT {COLUMNS} FROM catalog_import WHERE id < $1 ORDER BY id DESC LIMIT $2"),
        &args![before, limit],
        read,
    )
}

/// Lays a piece of the file aside, and keeps the lease; `false` when somebody else has given the import up.
///
/// # Errors
/// What the engine refuses.
pub fn put_piece(
    tx: &mut Tx<'_>,
    id: ImportId,
    place: i64,
    (coding, data, bytes): (&str, &str, i64),
    (driver, lease): (&str, Time),
) -> Result<bool, Error> {
    let changed = tx.batch(&[
        (
            "UPDATE catalog_import SET bytes = bytes + $2, resume_at = $3
             WHERE id = $1 AND driver = $4 AND state = 'staged' AND digest = ''",
            &args![id, bytes, lease, driver],
        ),
        (
            "INSERT INTO catalog_import_piece (import_id, place, coding, data) VALUES ($1, $2, $3, $4)",
            &args![id, place, coding, data],
        ),
    ])?;
    Ok(changed[0] == 1)
}

/// A piece of the file: how its text is coded, and the text.
///
/// # Errors
/// What the engine refuses.
pub fn piece(tx: &mut Tx<'_>, id: ImportId, place: i64) -> Result<Option<(String, String)>, Error> {
    tx.maybe(
        "SELECT coding, data FROM catalog_import_piece WHERE import_id = $1 AND place = $2",
        &args![id, place],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// The file is here as a whole; `false` when somebody else has given the import up.
///
/// # Errors
/// What the engine refuses.
pub fn seal(tx: &mut Tx<'_>, id: ImportId, digest: &str, driver: &str) -> Result<bool, Error> {
    let changed = tx.run(
        "UPDATE catalog_import SET digest = $2 WHERE id = $1 AND driver = $3 AND state = 'staged' AND digest = ''",
        &args![id, digest, driver],
    )?;
    Ok(changed == 1)
}

/// An import of the same file in the same manner that has not come to its end.
///
/// # Errors
/// What the engine refuses.
pub fn unfinished(tx: &mut Tx<'_>, digest: &str, dry_run: bool, stock: StockMode) -> Result<Option<ImportId>, Error> {
    let stock = if stock == StockMode::Set { "set" } else { "new" };
    let found: Vec<ImportId> = tx.all(
        "SELECT id FROM catalog_import WHERE state IN ('staged', 'running') AND digest = $1 AND dry_run = $2
             AND stock = $3 ORDER BY id LIMIT 1",
        &args![digest, dry_run, stock],
        |row| row.get(0),
    )?;
    Ok(found.first().copied())
}

/// Takes an import over that nobody works on after `free`, until `lease`; `false` when somebody does.
///
/// # Errors
/// What the engine refuses.
pub fn claim(tx: &mut Tx<'_>, id: ImportId, driver: &str, free: Time, lease: Time) -> Result<bool, Error> {
    let changed = tx.run(
        "UPDATE catalog_import SET driver = $2, resume_at = $4, tries = tries + 1,
             state = CASE WHEN state = 'staged' THEN 'running' ELSE state END
         WHERE id = $1 AND state IN ('staged', 'running', 'undoing') AND (driver = $2 OR resume_at <= $3)
             AND digest <> ''",
        &args![id, driver, free, lease],
    )?;
    Ok(changed == 1)
}

/// Gives an import back to whoever comes next.
///
/// # Errors
/// What the engine refuses.
pub fn release_import(tx: &mut Tx<'_>, id: ImportId, driver: &str) -> Result<(), Error> {
    tx.run(
        "UPDATE catalog_import SET resume_at = 0, driver = '', tries = 0 WHERE id = $1 AND driver = $2",
        &args![id, driver],
    )
    .map(drop)
}

/// Imports that somebody has to go on with, and files that nobody sends on any more: those that nobody works on
/// after `free`. With whether the file is whole.
///
/// # Errors
/// What the engine refuses.
pub fn left_behind(tx: &mut Tx<'_>, driver: &str, free: Time, limit: u32) -> Result<Vec<(ImportId, bool)>, Error> {
    tx.all(
        "SELECT id, digest FROM catalog_import
         WHERE state IN ('staged', 'running', 'undoing') AND (driver = $1 AND digest <> '' OR resume_at <= $2)
         ORDER BY id LIMIT $3",
        &args![driver, free, limit],
        |row| Ok((row.get(0)?, !row.get::<String>(1)?.is_empty())),
    )
}

/// Notes the file's first line.
///
/// # Errors
/// What the engine refuses.
pub fn put_header(tx: &mut Tx<'_>, id: ImportId, header: &[String]) -> Result<(), Error> {
    tx.run(
        "UPDATE catalog_import SET header = $2 WHERE id = $1",
        &args![id, json(&header)?],
    )
    .map(drop)
}

/// Goes on from `before` to `to` with what came of it; `false` when somebody else is on it.
///
/// # Errors
/// What the engine refuses.
pub fn advance(
    tx: &mut Tx<'_>,
    id: ImportId,
    before: i64,
    to: Reached,
    add: Tally,
    (driver, lease): (&str, Time),
) -> Result<bool, Error> {
    let changed = tx.run(
        "UPDATE catalog_import SET items = $3, bytes_done = $4, line_count = $5, created = created + $6,
             updated = updated + $7, unchanged = unchanged + $8, left_out = left_out + $9, variants = variants + $10,
             rejected = rejected + $11, resume_at = $12, tries = 0
         WHERE id = $1 AND items = $2 AND driver = $13 AND state = 'running'",
        &args![
            id,
            before,
            to.items,
            to.bytes,
            to.rows,
            add.created,
            add.updated,
            add.unchanged,
            add.left_out,
            add.variants,
            add.rejected,
            lease,
            driver
        ],
    )?;
    Ok(changed == 1)
}

/// Adds what came of some items.
///
/// # Errors
/// What the engine refuses.
pub fn count(tx: &mut Tx<'_>, id: ImportId, add: Tally) -> Result<(), Error> {
    tx.run(
        "UPDATE catalog_import SET created = created + $2, updated = updated + $3, unchanged = unchanged + $4,
             left_out = left_out + $5, variants = variants + $6, rejected = rejected + $7
         WHERE id = $1",
        &args![
            id,
            add.created,
            add.updated,
            add.unchanged,
            add.left_out,
            add.variants,
            add.rejected
        ],
    )
    .map(drop)
}

/// Forgets what a dry run found out so far.
///
/// # Errors
/// What the engine refuses.
pub fn begin_anew(tx: &mut Tx<'_>, id: ImportId, driver: &str) -> Result<(), Error> {
    let changed = tx.run(
        "UPDATE catalog_import SET items = 0, bytes_done = 0, line_count = 0, created = 0, updated = 0, unchanged = 0,
             left_out = 0, variants = 0, rejected = 0
         WHERE id = $1 AND driver = $2 AND dry_run = 1",
        &args![id, driver],
    )?;
    if changed == 1 {
        for table in ["row", "change"] {
            let sql = format!("DELETE FROM catalog_import_{table} WHERE import_id = $1");
            tx.run(&sql, &args![id])?;
        }
    }
    Ok(())
}

/// The import, or its undo, is complete; `false` when somebody else is on it.
///
/// # Errors
/// What the engine refuses.
pub fn complete(tx: &mut Tx<'_>, id: ImportId, driver: &str) -> Result<bool, Error> {
    let now = tx.clock().now();
    let changed = tx.run(
        "UPDATE catalog_import SET finished_at = CASE WHEN state = 'running' THEN $2 ELSE finished_at END,
             undone_at = CASE WHEN state = 'undoing' THEN $2 ELSE undone_at END,
             bytes_done = bytes, resume_at = 0, driver = '',
             state = CASE WHEN state = 'running' THEN 'done' ELSE 'undone' END
         WHERE id = $1 AND driver = $3 AND state IN ('running', 'undoing')",
        &args![id, now, driver],
    )?;
    Ok(changed == 1)
}

/// The import broke off for good.
///
/// # Errors
/// What the engine refuses.
pub fn fail(tx: &mut Tx<'_>, id: ImportId, driver: &str, (code, sentence): (&str, &str)) -> Result<bool, Error> {
    let now = tx.clock().now();
    let changed = tx.run(
        "UPDATE catalog_import SET state = 'failed', fault_code = $2, fault = $3, finished_at = $4, resume_at = 0,
             driver = ''
         WHERE id = $1 AND driver = $5 AND state IN ('staged', 'running', 'undoing')",
        &args![id, code, sentence.replace('\0', " "), now, driver],
    )?;
    Ok(changed == 1)
}

/// Gives a file up that nobody sends on after `free`.
///
/// # Errors
/// What the engine refuses.
pub fn give_up(tx: &mut Tx<'_>, id: ImportId, free: Time, (code, sentence): (&str, &str)) -> Result<(), Error> {
    let now = tx.clock().now();
    tx.run(
        "UPDATE catalog_import SET state = 'failed', fault_code = $3, fault = $4, finished_at = $5, resume_at = 0,
             driver = ''
         WHERE id = $1 AND state = 'staged' AND digest = '' AND resume_at <= $2",
        &args![id, free, code, sentence, now],
    )
    .map(drop)
}

/// Begins to take an import back, on behalf of `(actor, request)`; `false` when it is not at rest any more.
///
/// # Errors
/// What the engine refuses.
pub fn begin_undo(tx: &mut Tx<'_>, id: ImportId, (actor, request): (&str, &str), force: bool) -> Result<bool, Error> {
    let changed = tx.run(
        "UPDATE catalog_import SET state = 'undoing', undo_actor = $2, undo_request_id = $3, undo_force = $4,
             undo_item = items + 1, kept = 0, undone_at = NULL, driver = '', resume_at = 0, tries = 0
         WHERE id = $1 AND state IN ('done', 'failed', 'undone') AND dry_run = 0",
        &args![id, actor, request, force],
    )?;
    Ok(changed == 1)
}

/// Forgets an import as if it had never been asked for: another one does the same.
///
/// # Errors
/// What the engine refuses.
pub fn forget_import(tx: &mut Tx<'_>, id: ImportId) -> Result<(), Error> {
    for table in ["piece", "row", "change"] {
        tx.run(
            &format!("DELETE FROM catalog_import_{table} WHERE import_id = $1"),
            &args![id],
        )?;
    }
    tx.run("DELETE FROM catalog_import WHERE id = $1", &args![id]).map(drop)
}

/// How many pieces of files are kept.
#[cfg(test)]
pub fn count_pieces(tx: &mut Tx<'_>) -> Result<i64, Error> {
    tx.one("SELECT COUNT(*) FROM catalog_import_piece", &[], |row| row.get(0))
}
