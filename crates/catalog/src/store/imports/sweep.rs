//! What is thrown away of imports: files that were worked off, and what is too old.

use base::{ImportId, Time};
use store::{Error, Tx, args};

/// Pieces of files that nobody needs any more.
const OLD_PIECES: &str = "SELECT p.import_id, p.place FROM catalog_import_piece p
    JOIN catalog_import i ON i.id = p.import_id WHERE i.state IN ('done', 'undone', 'failed', 'undoing')";

/// Whether there are pieces of files that nobody needs any more.
///
/// # Errors
/// What the engine refuses.
pub fn has_old_pieces(tx: &mut Tx<'_>) -> Result<bool, Error> {
    // By the imports, of which there are few: while a large one goes in, nearly all pieces are needed.
    let found = tx.maybe(
        "SELECT 1 FROM catalog_import i WHERE i.state IN ('done', 'undone', 'failed', 'undoing')
             AND EXISTS (SELECT 1 FROM catalog_import_piece p WHERE p.import_id = i.id) LIMIT 1",
        &[],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// Throws pieces of a file away that nobody needs any more, at most `limit`; answers how many.
///
/// # Errors
/// What the engine refuses.
pub fn drop_pieces(tx: &mut Tx<'_>, limit: u32) -> Result<u64, Error> {
    let sql = format!("DELETE FROM catalog_import_piece WHERE (import_id, place) IN ({OLD_PIECES} LIMIT $1)");
    tx.run(&sql, &args![limit])
}

/// Imports that came to rest before `before`, the oldest first, at most `limit`.
///
/// # Errors
/// What the engine refuses.
pub fn old_imports(tx: &mut Tx<'_>, before: Time, limit: u32) -> Result<Vec<ImportId>, Error> {
    tx.all(
        "SELECT id FROM catalog_import WHERE created_at < $1 AND state IN ('done', 'undone', 'failed')
         ORDER BY created_at LIMIT $2",
        &args![before, limit],
        |row| row.get(0),
    )
}

/// Throws rows of an old import away, at most `limit` of each kind; the import itself when none is left. Answers
/// whether it is gone.
///
/// # Errors
/// What the engine refuses.
pub fn sweep_import(tx: &mut Tx<'_>, id: ImportId, limit: u32) -> Result<bool, Error> {
    let mut gone = 0;
    for (table, key) in [("row", "line"), ("change", "item"), ("piece", "place")] {
        gone += tx.run(
            &format!(
                "DELETE FROM catalog_import_{table} WHERE import_id = $1 AND {key} IN (
                     SELECT {key} FROM catalog_import_{table} WHERE import_id = $1 LIMIT $2)"
            ),
            &args![id, limit],
        )?;
    }
    if gone > 0 {
        return Ok(false);
    }
    tx.run("DELETE FROM catalog_import WHERE id = $1", &args![id])
        .map(|_| true)
}
