//! Rows and SQL, by noun.

pub mod attempts;
pub mod keys;
pub mod mails;
pub mod merges;
pub mod passwords;
pub mod sessions;
pub mod signing;
pub mod users;
pub mod words;

use serve::{Permissions, Role};
#[cfg(test)]
use store::Tx;
use store::{Error, Row};

/// A role's word.
pub(crate) fn role(row: &Row<'_>, index: usize) -> Result<Role, Error> {
    let word: String = row.get(index)?;
    Role::parse(&word).ok_or_else(|| Error::Corrupt(format!("column {index}: no role")))
}

/// Permissions as they are kept: a JSON list of words.
pub(crate) fn words_of(permissions: Permissions) -> Result<String, Error> {
    serde_json::to_string(&permissions).map_err(|fault| Error::Corrupt(fault.to_string()))
}

/// How many rows a table has.
#[cfg(test)]
pub fn count(tx: &mut Tx<'_>, table: &str) -> Result<i64, Error> {
    tx.one(&format!("SELECT COUNT(*) FROM {table}"), &[], |row| row.get(0))
}

/// A column of texts.
#[cfg(test)]
pub fn column(tx: &mut Tx<'_>, table: &str, column: &str) -> Result<Vec<String>, Error> {
    tx.all(&format!("SELECT {column} FROM {table}"), &[], |row| row.get(0))
}
