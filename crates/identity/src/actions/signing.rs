//! Whether processes of one shop believe each other's tokens.

use store::Db;

use crate::store::signing as rows;

/// Notes that a process starts which believes the keys `known`, of which the first one signs. Answers the name of the key
/// that signed before, if this process does not know it: then the two refuse each other's tokens.
///
/// # Errors
/// The database's.
pub async fn note_signer(db: &Db, known: Vec<String>) -> Result<Option<String>, store::Error> {
    db.write(move |tx| {
        let before = rows::signer(tx)?;
        if let Some(kid) = known.first().filter(|kid| **kid != before) {
            rows::set_signer(tx, kid)?;
        }
        Ok(Some(before.clone()).filter(|kid| !kid.is_empty() && !known.contains(kid)))
    })
    .await
}
