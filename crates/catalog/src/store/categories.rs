//! Rows of categories. Every change of the tree raises its version, which is the guard of all of them.

use base::CategoryId;
use store::{Dialect, Error, Row, RowColumn, Rows, Tx, args, sql, texts};

use super::products::json;
use crate::domain::{Category, path_key};

const COLUMNS: &str = "id, number, parent_id, name, handle, description, position, path, lineage, version, created_at, \
    updated_at";

const ROW: [RowColumn; 14] = [
    RowColumn::Text("id"),
    RowColumn::Int("number"),
    RowColumn::Text("parent_id"),
    RowColumn::Text("name"),
    RowColumn::Text("handle"),
    RowColumn::Text("description"),
    RowColumn::Int("position"),
    RowColumn::Text("path"),
    RowColumn::Text("lineage"),
    RowColumn::Text("name_key"),
    RowColumn::Text("path_key"),
    RowColumn::Int("version"),
    RowColumn::Int("created_at"),
    RowColumn::Int("updated_at"),
];

/// Which categories are wanted.
#[derive(Clone, Copy, Debug)]
pub enum Categories<'a> {
    /// These.
    Ids(&'a [CategoryId]),
    /// Those with these numbers.
    Numbers(&'a [i64]),
    /// Those that stand at these folded paths.
    Paths(&'a [String]),
    /// Those with these folded names, wherever they stand.
    Names(&'a [String]),
    /// Those with these handles.
    Handles(&'a [String]),
    /// All of them.
    All,
}

fn read(row: &Row<'_>) -> Result<Category, Error> {
    Ok(Category {
        id: row.get(0)?,
        number: row.get(1)?,
        parent: row.get(2)?,
        name: row.get(3)?,
        handle: row.get(4)?,
        description: row.get(5)?,
        position: row.get(6)?,
        path: row.get(7)?,
        lineage: row.json(8)?,
        version: row.get(9)?,
        created_at: row.get(10)?,
        updated_at: row.get(11)?,
    })
}

/// Categories in the order of their numbers, a parent before what it was made with.
///
/// # Errors
/// What the engine refuses.
pub fn categories(tx: &mut Tx<'_>, which: Categories<'_>) -> Result<Vec<Category>, Error> {
    find(tx, which, "")
}

/// [`categories`] that stay as they are until the commit: who lists products under them, and who moves them, wait for
/// each other.
///
/// # Errors
/// What the engine refuses.
pub fn held_categories(tx: &mut Tx<'_>, which: Categories<'_>) -> Result<Vec<Category>, Error> {
    let lock = match tx.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => " FOR SHARE",
    };
    find(tx, which, lock)
}

fn find(tx: &mut Tx<'_>, which: Categories<'_>, lock: &str) -> Result<Vec<Category>, Error> {
    let (column, wanted) = match which {
        Categories::Ids(ids) => ("id", texts(ids)),
        Categories::Numbers(numbers) => ("number", numbers.to_vec().into()),
        Categories::Paths(keys) => ("path_key", keys.into()),
        Categories::Names(keys) => ("name_key", keys.into()),
        Categories::Handles(handles) => ("handle", handles.into()),
        Categories::All => {
            let sql = format!("SELECT {COLUMNS} FROM catalog_category ORDER BY number{lock}");
            return tx.all(&sql, &[], read);
        }
    };
    let sql = format!("SELECT {COLUMNS} FROM catalog_category WHERE {column} = ANY($1) ORDER BY number{lock}");
    tx.all(&sql, &[wanted], read)
}

/// How many there are.
///
/// # Errors
/// What the engine refuses.
pub fn count_categories(tx: &mut Tx<'_>) -> Result<i64, Error> {
    tx.one("SELECT COUNT(*) FROM catalog_category", &[], |row| row.get(0))
}

/// The tree's version.
///
/// # Errors
/// What the engine refuses.
pub fn tree_version(tx: &mut Tx<'_>) -> Result<i64, Error> {
    tx.one("SELECT version FROM catalog_tree WHERE one = 1", &[], |row| row.get(0))
}

/// Raises the tree's version, which was `was` when the change was decided.
///
/// # Errors
/// [`Error::Conflict`] when somebody else changed the tree since.
pub fn raise_tree(tx: &mut Tx<'_>, was: i64) -> Result<(), Error> {
    let changed = tx.run(
        "UPDATE catalog_tree SET version = version + 1 WHERE one = 1 AND version = $1",
        &args![was],
    )?;
    if changed == 1 { Ok(()) } else { Err(tx.conflict()) }
}

fn rows_of(categories: &[Category]) -> Result<Rows<14>, Error> {
    let mut rows = Rows::new(ROW);
    for one in categories {
        rows.push(args![
            one.id,
            one.number,
            one.parent.map_or_else(String::new, |id| id.to_string()),
            &one.name,
            &one.handle,
            &one.description,
            one.position,
            &one.path,
            json(&one.lineage)?,
            base::fold(&one.name),
            path_key(&one.path),
            one.version,
            one.created_at,
            one.updated_at,
        ]);
    }
    Ok(rows)
}

/// Writes new categories, parents before what stands below them.
///
/// # Errors
/// [`Error::Conflict`] when another process has one of them already; else what the engine refuses.
pub fn insert_categories(tx: &mut Tx<'_>, new: &[Category]) -> Result<(), Error> {
    let dialect = tx.dialect();
    let rows = rows_of(new)?.args(dialect);
    let written = tx.run(
        sql!(
            dialect,
            ROW,
            1,
            "INSERT INTO catalog_category (id, number, parent_id, name, handle, description, position, path, lineage,
                 name_key, path_key, version, created_at, updated_at)
             SELECT id, number, NULLIF(parent_id, ''), name, handle, description, position, path, lineage,
                 name_key, path_key, version, created_at, updated_at
             FROM {rows} WHERE true ON CONFLICT DO NOTHING"
        ),
        &rows,
    )?;
    if written == new.len() as u64 {
        Ok(())
    } else {
        Err(tx.conflict())
    }
}

/// Writes categories that are there already.
///
/// # Errors
/// [`Error::Duplicate`] when another process took a handle or a path; else what the engine refuses.
pub fn save_categories(tx: &mut Tx<'_>, changed: &[Category]) -> Result<(), Error> {
    let dialect = tx.dialect();
    let rows = rows_of(changed)?.args(dialect);
    tx.run(
        sql!(
            dialect,
            ROW,
            1,
            "UPDATE catalog_category AS c SET parent_id = NULLIF(d.parent_id, ''), name = d.name, handle = d.handle,
                 description = d.description, position = d.position, path = d.path, lineage = d.lineage,
                 name_key = d.name_key, path_key = d.path_key, version = d.version, updated_at = d.updated_at
             FROM {rows} WHERE c.id = d.id"
        ),
        &rows,
    )
    .map(drop)
}

/// Removes a category that nothing stands in. Archived products keep its name.
///
/// # Errors
/// What the engine refuses.
pub fn remove_category(tx: &mut Tx<'_>, id: CategoryId) -> Result<(), Error> {
    tx.run("DELETE FROM catalog_category WHERE id = $1", &args![id])
        .map(drop)
}

/// The categories directly below one.
///
/// # Errors
/// What the engine refuses.
pub fn children(tx: &mut Tx<'_>, parent: CategoryId) -> Result<Vec<Category>, Error> {
    static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        format!("SELECT {COLUMNS} FROM catalog_category WHERE parent_id = $1 ORDER BY number")
    });
    tx.all(&SQL, &args![parent], read)
}

/// Those of these categories that have others below them.
///
/// # Errors
/// What the engine refuses.
pub fn with_children(tx: &mut Tx<'_>, some: &[Category]) -> Result<Vec<CategoryId>, Error> {
    if some.is_empty() {
        return Ok(Vec::new());
    }
    tx.all(
        "SELECT DISTINCT parent_id FROM catalog_category WHERE parent_id = ANY($1)",
        &[texts(some.iter().map(|one| one.id))],
        |row| row.get(0),
    )
}

/// How many categories stand directly below one.
///
/// # Errors
/// What the engine refuses.
pub fn count_children(tx: &mut Tx<'_>, parent: CategoryId) -> Result<usize, Error> {
    tx.one(
        "SELECT COUNT(*) FROM catalog_category WHERE parent_id = $1",
        &args![parent],
        |row| row.get::<u64>(0).map(|count| count as usize),
    )
}
