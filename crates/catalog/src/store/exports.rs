//! What an export has to know of all products before it writes the first one.

use base::VariantId;
use serde_json::{Map, Value};
use store::{Error, Tx, args};

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
