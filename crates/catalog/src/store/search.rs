//! What the search index asks of the database.

use base::{CategoryId, Currency, ProductId, VariantId, fold};
use store::{Error, Tx, args, texts};

use super::LOCATION;
use super::categories::{Categories, categories};
use super::lists::category_labels;
use super::products::{Found, products};

/// The next living products after a number, in the order of numbers.
///
/// # Errors
/// What the engine refuses.
pub fn living_after(tx: &mut Tx<'_>, number: i64, limit: u32, currency: Currency) -> Result<Vec<Found>, Error> {
    let ids = tx.all(
        "SELECT id FROM catalog_product WHERE status <> 'archived' AND number > $1 ORDER BY number LIMIT $2",
        &args![number, limit],
        |row| row.get::<ProductId>(0),
    )?;
    living(tx, &ids, currency)
}

/// Those of these products that live.
///
/// # Errors
/// What the engine refuses.
pub fn living(tx: &mut Tx<'_>, ids: &[ProductId], currency: Currency) -> Result<Vec<Found>, Error> {
    let which: Vec<api::Ref> = ids.iter().map(|id| api::Ref::Product(*id)).collect();
    products(tx, &which, currency)
}

/// How many products live.
///
/// # Errors
/// What the engine refuses.
pub fn living_count(tx: &mut Tx<'_>) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM catalog_product WHERE status <> 'archived'";
    tx.one(sql, &[], |row| row.get(0))
}

/// The products that have one of these variants, each with whether something of it can be had.
///
/// # Errors
/// What the engine refuses.
pub fn availability(tx: &mut Tx<'_>, variants: &[VariantId]) -> Result<Vec<(ProductId, bool)>, Error> {
    let sql = "SELECT v.product_id, CAST(MAX(CASE WHEN s.tracked = 0 OR s.oversell = 1 OR s.on_hand > s.reserved THEN 1 ELSE 0 END) AS BIGINT)
         FROM (SELECT DISTINCT product_id FROM catalog_variant WHERE id = ANY($1)) AS changed
         JOIN catalog_variant v ON v.product_id = changed.product_id
         JOIN catalog_stock s ON s.variant_id = v.id AND s.location = $2
         WHERE v.archived_at IS NULL
         GROUP BY v.product_id";
    tx.all(sql, &[texts(variants), LOCATION.into()], |row| {
        Ok((row.get(0)?, row.get::<i64>(1)? > 0))
    })
}

/// The folded paths of the categories that these texts mean. A text that means none is its own key, which no product
/// has: it finds nothing.
///
/// # Errors
/// What the engine refuses.
pub fn category_keys(tx: &mut Tx<'_>, texts: &[String]) -> Result<Vec<String>, Error> {
    let mut keys = Vec::with_capacity(texts.len());
    for text in texts {
        let labels = category_labels(tx, text)?;
        if labels.is_empty() {
            keys.push(format!("\u{0}{text}"));
            continue;
        }
        let found = categories(tx, Categories::Numbers(&labels))?;
        keys.extend(found.into_iter().map(|category| fold(&category.path)));
    }
    Ok(keys)
}

/// The next products of a category and of those below it, with their numbers, after a number.
///
/// # Errors
/// What the engine refuses.
pub fn of_category(
    tx: &mut Tx<'_>,
    category: CategoryId,
    number: i64,
    limit: u32,
) -> Result<Vec<(i64, ProductId)>, Error> {
    tx.all(
        "SELECT p.number, p.id FROM catalog_listing l JOIN catalog_product p ON p.number = l.number
         WHERE l.label = (SELECT number FROM catalog_category WHERE id = $1) AND p.number > $2
         ORDER BY p.number LIMIT $3",
        &args![category, number, limit],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Renames a table, so that what reads it fails until it is named back.
#[cfg(test)]
pub fn rename_table(tx: &mut Tx<'_>, from: &str, to: &str) -> Result<u64, Error> {
    tx.run(&format!("ALTER TABLE {from} RENAME TO {to}"), &[])
}
