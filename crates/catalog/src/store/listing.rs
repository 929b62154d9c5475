//! Where products are listed: a row for each label of a living product, with what lists sort by.

use std::collections::HashMap;

use base::{CategoryId, ProductId, fold};
use store::{Error, RowColumn, Rows, Tx, args, sql};

use super::products::status_of;
use crate::domain::name_key;

/// The label of the whole shop.
pub const EVERYTHING: i64 = 0;
/// The counter that labels are taken from.
const LABELS: &str = "label";

const LISTED: [RowColumn; 5] = [
    RowColumn::Int("label"),
    RowColumn::Int("draft"),
    RowColumn::Int("number"),
    RowColumn::Int("price_low"),
    RowColumn::Text("name_key"),
];
const TAG: [RowColumn; 3] = [
    RowColumn::Int("number"),
    RowColumn::Text("tag_key"),
    RowColumn::Text("name"),
];

/// A product's place in lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The product's number.
    pub number: i64,
    /// Whether only staff see it.
    pub draft: bool,
    /// What lists by price sort by.
    pub price_low: i64,
    /// What lists by name sort by.
    pub name_key: String,
    /// The labels of its category, of those above it, and of its tags.
    pub labels: Vec<i64>,
}

/// A living product that has no category of the tree yet.
#[derive(Clone, Debug)]
pub struct Unplaced {
    /// The id.
    pub id: ProductId,
    /// The category as it was written.
    pub category: String,
    /// The tags.
    pub tags: Vec<String>,
    /// Its place in lists; without labels.
    pub listing: Listing,
}

/// The next `count` numbers of labels.
///
/// # Errors
/// What the engine refuses.
pub fn new_labels(tx: &mut Tx<'_>, count: u32) -> Result<i64, Error> {
    tx.next_numbers(LABELS, count)
}

/// The labels of tags by their folded text; tags that are new get one.
///
/// # Errors
/// [`Error::Conflict`] when another process made one of them meanwhile; else what the engine refuses.
pub fn tag_labels<'a>(tx: &mut Tx<'_>, tags: impl Iterator<Item = &'a String>) -> Result<HashMap<String, i64>, Error> {
    let mut wanted: HashMap<String, &str> = HashMap::new();
    for tag in tags {
        wanted.entry(fold(tag)).or_insert(tag);
    }
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<String> = wanted.keys().cloned().collect();
    let mut labels: HashMap<String, i64> = tx
        .all(
            "SELECT tag_key, number FROM catalog_tag WHERE tag_key = ANY($1)",
            &args![keys],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?
        .into_iter()
        .collect();
    let mut missing: Vec<(String, &str)> = wanted
        .into_iter()
        .filter(|(key, _)| !labels.contains_key(key))
        .collect();
    if missing.is_empty() {
        return Ok(labels);
    }
    missing.sort();
    let first = new_labels(tx, missing.len() as u32)?;
    let mut rows = Rows::new(TAG);
    for ((key, tag), number) in missing.iter().zip(first..) {
        rows.push(args![number, key, *tag]);
        labels.insert(key.clone(), number);
    }
    let dialect = tx.dialect();
    let written = tx.run(
        sql!(
            dialect,
            TAG,
            1,
            "INSERT INTO catalog_tag (number, tag_key, name) SELECT number, tag_key, name FROM {rows} WHERE true
             ON CONFLICT DO NOTHING"
        ),
        &rows.args(dialect),
    )?;
    if written == missing.len() as u64 {
        Ok(labels)
    } else {
        Err(tx.conflict())
    }
}

/// Lists products, each under all of its labels and under [`EVERYTHING`].
///
/// # Errors
/// What the engine refuses.
pub fn put_listings(tx: &mut Tx<'_>, listings: &[Listing]) -> Result<(), Error> {
    let mut rows = Rows::new(LISTED);
    for listing in listings {
        for label in labels(listing) {
            rows.push(args![
                label,
                listing.draft,
                listing.number,
                listing.price_low,
                &listing.name_key
            ]);
        }
    }
    if listings.is_empty() {
        return Ok(());
    }
    let dialect = tx.dialect();
    tx.run(
        sql!(
            dialect,
            LISTED,
            1,
            "INSERT INTO catalog_listing (label, draft, number, price_low, name_key)
             SELECT label, draft, number, price_low, name_key FROM {rows} WHERE true ON CONFLICT DO NOTHING"
        ),
        &rows.args(dialect),
    )
    .map(drop)
}

/// Takes a product off its lists.
///
/// # Errors
/// What the engine refuses.
pub fn take_listing(tx: &mut Tx<'_>, listing: &Listing) -> Result<(), Error> {
    tx.run(
        "DELETE FROM catalog_listing WHERE label = ANY($1) AND draft = $2 AND number = $3",
        &args![labels(listing), listing.draft, listing.number],
    )
    .map(drop)
}

fn labels(listing: &Listing) -> Vec<i64> {
    let mut labels = vec![EVERYTHING];
    labels.extend(&listing.labels);
    labels.sort_unstable();
    labels.dedup();
    labels
}

/// How many living products are listed under a label, drafts too; counts no further than `most`.
///
/// # Errors
/// What the engine refuses.
pub fn count_listed(tx: &mut Tx<'_>, label: i64, most: i64) -> Result<i64, Error> {
    tx.one(
        "SELECT COUNT(*) FROM (SELECT 1 FROM catalog_listing WHERE label = $1 LIMIT $2) AS listed",
        &args![label, most],
        |row| row.get(0),
    )
}

/// Lists all that is listed under `label` also under the labels `to`, and no longer under those of `from`.
///
/// # Errors
/// What the engine refuses.
pub fn relabel(tx: &mut Tx<'_>, label: i64, from: &[i64], to: &[i64]) -> Result<(), Error> {
    if !from.is_empty() {
        tx.run(
            "DELETE FROM catalog_listing WHERE label = ANY($1)
             AND number IN (SELECT number FROM catalog_listing WHERE label = $2)",
            &args![from.to_vec(), label],
        )?;
    }
    for new in to {
        tx.run(
            "INSERT INTO catalog_listing (label, draft, number, price_low, name_key)
             SELECT CAST($1 AS BIGINT), draft, number, price_low, name_key FROM catalog_listing WHERE label = $2
             ON CONFLICT DO NOTHING",
            &args![*new, label],
        )?;
    }
    Ok(())
}

/// A page of tags that products for sale have, in the order of their folded texts, after `after`: each with its folded
/// text. `prefix` is folded.
///
/// # Errors
/// What the engine refuses.
pub fn tags(tx: &mut Tx<'_>, prefix: &str, after: &str, limit: u32) -> Result<Vec<(String, String)>, Error> {
    // U+10FFFF follows every text that begins with the prefix.
    let end = format!("{prefix}\u{10ffff}");
    tx.all(
        "SELECT t.tag_key, t.name FROM catalog_tag t WHERE t.tag_key >= $1 AND t.tag_key < $2 AND t.tag_key > $3
         AND EXISTS (SELECT 1 FROM catalog_listing l WHERE l.label = t.number AND l.draft = 0)
         ORDER BY t.tag_key LIMIT $4",
        &args![prefix, end, after, limit],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Living products that have no category of the tree yet, at most `limit`.
///
/// # Errors
/// What the engine refuses.
pub fn unplaced(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<Unplaced>, Error> {
    tx.all(
        "SELECT id, category, tags, number, status, price_low, name FROM catalog_product
         WHERE category_id IS NULL AND status <> 'archived' ORDER BY number LIMIT $1",
        &args![limit],
        |row| {
            let status = status_of(&row.get::<String>(4)?)?;
            Ok(Unplaced {
                id: row.get(0)?,
                category: row.get(1)?,
                tags: row.json(2)?,
                listing: Listing {
                    number: row.get(3)?,
                    draft: status == api::catalog::Status::Draft,
                    price_low: row.get(5)?,
                    name_key: name_key(&row.get::<String>(6)?),
                    labels: Vec::new(),
                },
            })
        },
    )
}

/// Gives products of before their category.
///
/// # Errors
/// What the engine refuses.
pub fn place(tx: &mut Tx<'_>, placed: &[(ProductId, CategoryId)]) -> Result<(), Error> {
    const PLACED: [RowColumn; 2] = [RowColumn::Text("id"), RowColumn::Text("category_id")];
    let mut rows = Rows::new(PLACED);
    for (product, category) in placed {
        rows.push(args![product, category]);
    }
    let dialect = tx.dialect();
    tx.run(
        sql!(
            dialect,
            PLACED,
            1,
            "UPDATE catalog_product AS p SET category_id = d.category_id FROM {rows} WHERE p.id = d.id"
        ),
        &rows.args(dialect),
    )
    .map(drop)
}

/// Makes the products those of before there was a tree: the first stood in a path of two, the second in none that a tree
/// can hold.
///
/// # Errors
/// What the engine refuses.
#[cfg(test)]
pub fn forget_places(tx: &mut Tx<'_>) -> Result<(), Error> {
    for sql in [
        "DELETE FROM catalog_listing",
        "DELETE FROM catalog_category WHERE parent_id IS NOT NULL",
        "DELETE FROM catalog_category",
        "UPDATE catalog_product SET category_id = NULL, category = 'Old > Place' WHERE number = 1",
        "UPDATE catalog_product SET category_id = NULL, category = ' > > ' WHERE number = 2",
    ] {
        tx.run(sql, &[])?;
    }
    Ok(())
}

/// A row of `catalog_listing`: label, draft, number, lowest price, folded name.
#[cfg(test)]
pub type ListedRow = (i64, i64, i64, i64, String);

/// The rows there are, and those that follow from the products, their variants, categories and tags; both sorted.
///
/// # Errors
/// What the engine refuses.
#[cfg(test)]
pub fn listed_books(tx: &mut Tx<'_>) -> Result<(Vec<ListedRow>, Vec<ListedRow>), Error> {
    let mut there: Vec<ListedRow> = tx.all(
        "SELECT label, draft, number, price_low, name_key FROM catalog_listing",
        &[],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
    )?;
    let labels: HashMap<String, i64> = tx
        .all("SELECT tag_key, number FROM catalog_tag", &[], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .into_iter()
        .collect();
    let products = tx.all(
        "SELECT p.number, p.status, p.name, p.tags, c.lineage,
             (SELECT MIN(pr.price_minor) FROM catalog_price pr JOIN catalog_variant v ON v.id = pr.variant_id
              WHERE v.product_id = p.id AND v.archived_at IS NULL)
         FROM catalog_product p JOIN catalog_category c ON c.id = p.category_id WHERE p.status <> 'archived'",
        &[],
        |row| {
            let status: String = row.get(1)?;
            let key = (
                i64::from(status == "draft"),
                row.get(0)?,
                row.get(5)?,
                name_key(&row.get::<String>(2)?),
            );
            Ok((key, row.json::<Vec<String>>(3)?, row.json::<Vec<i64>>(4)?))
        },
    )?;
    let mut wanted: Vec<ListedRow> = Vec::new();
    for ((draft, number, price, name), tags, mut all) in products {
        all.push(EVERYTHING);
        all.extend(tags.iter().filter_map(|tag| labels.get(&fold(tag))));
        wanted.extend(all.into_iter().map(|label| (label, draft, number, price, name.clone())));
    }
    there.sort();
    wanted.sort();
    Ok((there, wanted))
}
