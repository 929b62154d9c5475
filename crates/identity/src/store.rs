//! Rows and SQL, by noun.

pub mod attempts;
pub mod merges;
pub mod passwords;
pub mod sessions;
pub mod users;

use serve::Role;
#[cfg(test)]
use store::Tx;
use store::{Error, Row};

/// A role's word.
pub(crate) fn role(row: &Row<'_>, index: usize) -> Result<Role, Error> {
    let word: String = row.get(index)?;
    Role::parse(&word).ok_or_else(|| Error::Corrupt(format!("column {index}: no role")))
}

/// How many rows a table has.
#[cfg(test)]
pub fn count(tx: &mut Tx<'_>, table: &str) -> Result<i64, Error> {
    tx.one(&format!("SELECT COUNT(*) FROM {table}"), &[], |row| row.get(0))
}
