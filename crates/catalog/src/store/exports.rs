//! What an export has to know of all products before it writes the first one.

use api::catalog::{ExportQuery, ExportStatus};
use base::{ProductId, VariantId, fold};
use serde_json::{Map, Value};
use store::{Error, Tx, args};

use super::lists::category_labels;

/// The metadata of several rows, each with what they are ordered by.
type Metadata<Key> = Vec<(Key, Map<String, Value>)>;

/// Metadata of living products after this number, at most `limit` of them, with their numbers.
///
/// # Errors
/// What the engine refuses.
pub fn product_metadata(tx: &mut Tx<'_>, after: i64, limit: u32) -> Result<Metadata<i64>, Error> {
    tx.all(
        "SELECT number, metadata FROM catalog_product
         WHERE number > $1 AND status <> 'archived' ORDER BY number LIMIT $2",
        &args![after, limit],
        |row| Ok((row.get(0)?, row.json(1)?)),
    )
}

/// Metadata of living variants after this id, at most `limit` of them, with their ids; all from the first when
/// there is no id.
///
/// # Errors
/// What the engine refuses.
pub fn variant_metadata(tx: &mut Tx<'_>, after: Option<VariantId>, limit: u32) -> Result<Metadata<VariantId>, Error> {
    let after = after.map_or_else(String::new, |id| id.to_string());
    tx.all(
        "SELECT id, metadata FROM catalog_variant
         WHERE id > $1 AND archived_at IS NULL ORDER BY id LIMIT $2",
        &args![after, limit],
        |row| Ok((row.get(0)?, row.json(1)?)),
    )
}

/// Which products an export holds, looked up once.
#[derive(Clone, Debug, Default)]
pub struct Exported {
    status: Option<ExportStatus>,
    /// Products stand under one label of each of these.
    labels: Vec<Vec<i64>>,
}

impl Exported {
    /// What this query means.
    ///
    /// # Errors
    /// What the engine refuses.
    pub fn of(tx: &mut Tx<'_>, query: &ExportQuery) -> Result<Self, Error> {
        let mut labels = Vec::new();
        if let Some(category) = &query.category {
            labels.push(category_labels(tx, &fold(category))?);
        }
        if let Some(tag) = &query.tag {
            let sql = "SELECT number FROM catalog_tag WHERE tag_key = $1";
            labels.push(tx.all(sql, &args![fold(tag)], |row| row.get(0))?);
        }
        Ok(Self {
            status: query.status,
            labels,
        })
    }
}

/// Products of an export after a number, in that order, at most `limit`.
///
/// # Errors
/// What the engine refuses.
pub fn exported(tx: &mut Tx<'_>, which: &Exported, after: i64, limit: u32) -> Result<Vec<ProductId>, Error> {
    let mut args = vec![after.into(), limit.into()];
    let mut sql = String::from("SELECT p.id FROM catalog_product p WHERE p.number > $1 AND p.status ");
    sql.push_str(match which.status {
        None => "<> 'archived'",
        Some(ExportStatus::Active) => "= 'active'",
        Some(ExportStatus::Draft) => "= 'draft'",
    });
    for labels in &which.labels {
        args.push(labels.clone().into());
        sql.push_str(&format!(
            " AND EXISTS (SELECT 1 FROM catalog_listing l WHERE l.label = ANY(${}) AND l.number = p.number
                  AND l.draft = CASE WHEN p.status = 'draft' THEN 1 ELSE 0 END)",
            args.len()
        ));
    }
    sql.push_str(" ORDER BY p.number LIMIT $2");
    tx.all(&sql, &args, |row| row.get(0))
}
