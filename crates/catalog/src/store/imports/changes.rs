//! What an import changed, what became of that, and the rows that stayed out.

use api::catalog::{ChangeUndo, ImportAction};
use base::{ImportId, ProductId, Time};
use store::{Error, RowColumn, Rows, Tx, args, sql};

use super::super::products::json;
use crate::import::Change;

const CHANGE: [RowColumn; 6] = [
    RowColumn::Int("item"),
    RowColumn::Int("line"),
    RowColumn::Text("handle"),
    RowColumn::Text("product_id"),
    RowColumn::Text("action"),
    RowColumn::Text("change"),
];

const REJECTED: [RowColumn; 4] = [
    RowColumn::Int("line"),
    RowColumn::Text("handle"),
    RowColumn::Text("reason"),
    RowColumn::Text("cells"),
];

const UNDONE: [RowColumn; 4] = [
    RowColumn::Int("item"),
    RowColumn::Text("undo"),
    RowColumn::Text("kept"),
    RowColumn::Text("change"),
];

/// A change of a product as it is to be written.
#[derive(Clone, Debug)]
pub struct NewChange {
    /// The file's item.
    pub item: i64,
    /// The line it begins on.
    pub line: u64,
    /// The handle in the file.
    pub handle: String,
    /// The product, but for a dry run's new ones.
    pub product: Option<ProductId>,
    /// What was done.
    pub action: ImportAction,
    /// What differs.
    pub change: Change,
}

/// A change as it was written.
#[derive(Clone, Debug)]
pub struct ChangeRow {
    /// What was done.
    pub new: NewChange,
    /// What became of it.
    pub undo: Option<ChangeUndo>,
    /// What stayed, and why.
    pub kept: Vec<String>,
}

/// A row that stays out.
#[derive(Clone, Debug)]
pub struct NewRejected {
    /// The line it begins on.
    pub line: u64,
    /// The product, as far as that can be read.
    pub handle: Option<String>,
    /// What is wrong with it; empty for a sound row of a product that stays out.
    pub reason: String,
    /// Its cells.
    pub cells: Vec<String>,
}

/// What came of taking a change back.
#[derive(Clone, Debug)]
pub struct TakenBack {
    /// The file's item.
    pub item: i64,
    /// What stayed, and why; nothing when all is restored.
    pub kept: Vec<String>,
    /// The change with what is noted in it, if something is.
    pub change: Option<Change>,
}

fn action_word(action: ImportAction) -> &'static str {
    match action {
        ImportAction::Created => "created",
        ImportAction::Updated => "updated",
    }
}

/// Notes what was done.
///
/// # Errors
/// What the engine refuses.
pub fn put_changes(tx: &mut Tx<'_>, id: ImportId, changes: &[NewChange]) -> Result<(), Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let dialect = tx.dialect();
    let mut rows = Rows::new(CHANGE);
    for new in changes {
        rows.push(args![
            new.item,
            new.line as i64,
            &new.handle,
            new.product.map_or_else(String::new, |product| product.to_string()),
            action_word(new.action),
            json(&new.change)?,
        ]);
    }
    let mut args = vec![store::Value::from(id.to_string())];
    args.extend(rows.args(dialect));
    tx.run(
        sql!(
            dialect,
            CHANGE,
            2,
            "INSERT INTO catalog_import_change (import_id, item, line, handle, product_id, action, change, undo, kept)
             SELECT $1, item, line, handle, NULLIF(product_id, ''), action, change, '', '[]' FROM {rows}"
        ),
        &args,
    )
    .map(drop)
}

/// Notes rows that stay out. A line that is there already stays as it is.
///
/// # Errors
/// What the engine refuses.
pub fn put_rejected(tx: &mut Tx<'_>, id: ImportId, rejected: &[NewRejected]) -> Result<(), Error> {
    if rejected.is_empty() {
        return Ok(());
    }
    let dialect = tx.dialect();
    let mut rows = Rows::new(REJECTED);
    for row in rejected {
        rows.push(args![
            row.line as i64,
            row.handle.as_deref().unwrap_or_default(),
            row.reason.replace('\0', " "),
            json(&row.cells)?,
        ]);
    }
    let mut args = vec![store::Value::from(id.to_string())];
    args.extend(rows.args(dialect));
    tx.run(
        sql!(
            dialect,
            REJECTED,
            2,
            "INSERT INTO catalog_import_row (import_id, line, handle, reason, cells)
             SELECT $1, line, NULLIF(handle, ''), reason, cells FROM {rows} WHERE true ON CONFLICT DO NOTHING"
        ),
        &args,
    )
    .map(drop)
}

/// Rows that stayed out after a line, in their order, at most `limit`; `wrong` for those with a reason of their own.
///
/// # Errors
/// What the engine refuses.
pub fn rejected(tx: &mut Tx<'_>, id: ImportId, after: i64, wrong: bool, limit: u32) -> Result<Vec<NewRejected>, Error> {
    let wrong = if wrong { "AND reason <> ''" } else { "" };
    tx.all(
        &format!(
            "SELECT line, handle, reason, cells FROM catalog_import_row
             WHERE import_id = $1 AND line > $2 {wrong} ORDER BY line LIMIT $3"
        ),
        &args![id, after, limit],
        |row| {
            Ok(NewRejected {
                line: row.get::<i64>(0)? as u64,
                handle: row.get(1)?,
                reason: row.get(2)?,
                cells: row.json(3)?,
            })
        },
    )
}

/// Which changes of an import are wanted.
#[derive(Clone, Copy, Debug)]
pub enum Changes {
    /// In the file's order, behind this item.
    After(i64),
    /// Backwards, before this item: those that were not taken back yet, with `true` also those of which something
    /// stayed.
    Below(i64, bool),
    /// Of which something stayed, in the file's order.
    Kept,
}

/// Changes of an import, at most `limit`.
///
/// # Errors
/// What the engine refuses.
pub fn changes(tx: &mut Tx<'_>, id: ImportId, which: Changes, limit: u32) -> Result<Vec<ChangeRow>, Error> {
    let (place, wanted) = match which {
        Changes::After(item) => (item, "item > $2 ORDER BY item"),
        Changes::Below(item, false) => (item, "item < $2 AND undo = '' ORDER BY item DESC"),
        Changes::Below(item, true) => (item, "item < $2 AND undo <> 'restored' ORDER BY item DESC"),
        Changes::Kept => (0, "item > $2 AND undo = 'kept' ORDER BY item"),
    };
    tx.all(
        &format!(
            "SELECT item, line, handle, product_id, action, change, undo, kept FROM catalog_import_change
             WHERE import_id = $1 AND {wanted} LIMIT $3"
        ),
        &args![id, place, limit],
        |row| {
            Ok(ChangeRow {
                new: NewChange {
                    item: row.get(0)?,
                    line: row.get::<i64>(1)? as u64,
                    handle: row.get(2)?,
                    product: row.get(3)?,
                    action: match row.get::<String>(4)?.as_str() {
                        "created" => ImportAction::Created,
                        _ => ImportAction::Updated,
                    },
                    change: row.json(5)?,
                },
                undo: match row.get::<String>(6)?.as_str() {
                    "restored" => Some(ChangeUndo::Restored),
                    "kept" => Some(ChangeUndo::Kept),
                    _ => None,
                },
                kept: row.json(7)?,
            })
        },
    )
}

/// Notes what came of taking changes back, and goes on to `item`; `false` when somebody else is on it.
///
/// # Errors
/// What the engine refuses.
pub fn put_undone(
    tx: &mut Tx<'_>,
    id: ImportId,
    (before, item): (i64, i64),
    done: &[TakenBack],
    (driver, lease): (&str, Time),
) -> Result<bool, Error> {
    let dialect = tx.dialect();
    let kept = done.iter().filter(|one| !one.kept.is_empty()).count() as i64;
    let restored = done.len() as i64 - kept;
    let mut rows = Rows::new(UNDONE);
    for one in done {
        let word = if one.kept.is_empty() { "restored" } else { "kept" };
        let change = one.change.as_ref().map(json).transpose()?;
        rows.push(args![one.item, word, json(&one.kept)?, change.unwrap_or_default()]);
    }
    let mut args = vec![store::Value::from(id.to_string())];
    args.extend(rows.args(dialect));
    let changed = tx.batch(&[
        (
            "UPDATE catalog_import SET undo_item = $3, restored = restored + $4, kept = kept + $5, resume_at = $6,
                 tries = 0
             WHERE id = $1 AND undo_item = $2 AND driver = $7 AND state = 'undoing'",
            &args![id, before, item, restored, kept, lease, driver],
        ),
        (
            sql!(
                dialect,
                UNDONE,
                2,
                "UPDATE catalog_import_change AS c SET undo = d.undo, kept = d.kept,
                     change = CASE WHEN d.change = '' THEN c.change ELSE d.change END FROM {rows}
                 WHERE c.import_id = $1 AND c.item = d.item"
            ),
            &args,
        ),
    ])?;
    Ok(changed[0] == 1)
}
