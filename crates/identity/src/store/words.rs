//! Rows of the words under which users are found.

use base::UserId;
use serve::Role;
use store::{Error, Tx, Value, args};

use crate::domain::{self, User};

/// Enters a user under the words that fit now, and under no others.
pub fn enter(tx: &mut Tx<'_>, user: &User) -> Result<(), Error> {
    let words = domain::search::words(user);
    let rows: Vec<[Value; 3]> = words
        .iter()
        .map(|word| [Value::from(word), user.id.into(), user.role.as_str().into()])
        .collect();
    let mut statements: Vec<(&str, &[Value])> = Vec::with_capacity(rows.len() + 2);
    let id = args![user.id];
    statements.push(("DELETE FROM identity_word WHERE user_id = $1", &id[..]));
    let add = "INSERT INTO identity_word (word, user_id, role) VALUES ($1, $2, $3)";
    statements.extend(rows.iter().map(|row| (add, &row[..])));
    statements.push(("UPDATE identity_user SET worded = 1 WHERE id = $1", &id[..]));
    tx.batch(&statements).map(drop)
}

/// Users who were never entered, `limit` at most.
pub fn missing(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<UserId>, Error> {
    let sql = "SELECT id FROM identity_user WHERE worded = 0 ORDER BY id LIMIT $1";
    tx.all(sql, &args![limit], |row| row.get(0))
}

/// Where a search goes on: behind this word of this user.
#[derive(Clone, Debug)]
pub struct Place {
    /// The word.
    pub word: String,
    /// The user.
    pub user: String,
}

/// Users under words that begin with `prefix`, in the order of these words, each once, under the first of theirs.
pub fn found(
    tx: &mut Tx<'_>,
    prefix: &str,
    role: Option<Role>,
    after: Option<&Place>,
    limit: u32,
) -> Result<Vec<(String, UserId)>, Error> {
    let (word, user) = after.map_or((prefix, ""), |place| (place.word.as_str(), place.user.as_str()));
    // No letter comes after U+10FFFF, so that everything that begins with the prefix lies before it.
    let end = format!("{prefix}\u{10FFFF}");
    // A user has a few words, so that looking for an earlier one among them costs the same for everybody.
    let sql = |role: &str| {
        format!(
            "SELECT w.word, w.user_id FROM identity_word w WHERE {role} w.word < $3 AND (w.word, w.user_id) > ($1, $2) \
             AND w.word >= $4 AND NOT EXISTS (SELECT 1 FROM identity_word e WHERE e.user_id = w.user_id AND \
             e.word >= $4 AND e.word < w.word) ORDER BY w.word, w.user_id LIMIT $5"
        )
    };
    let read = |row: &store::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    match role {
        None => tx.all(&sql(""), &args![word, user, end, prefix, limit], read),
        Some(role) => {
            let args = args![word, user, end, prefix, limit, role.as_str()];
            tx.all(&sql("w.role = $6 AND"), &args, read)
        }
    }
}

/// Takes every entry away, as it is after an update from a release without them.
#[cfg(test)]
pub fn forget(tx: &mut Tx<'_>) -> Result<(), Error> {
    tx.run("DELETE FROM identity_word", &[])?;
    tx.run("UPDATE identity_user SET worded = 0", &[]).map(drop)
}
