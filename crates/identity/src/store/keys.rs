//! Rows of API keys.

use base::{KeyId, Time, UserId};
use serve::Permissions;
use store::{Error, Row, Tx, args};

/// An API key, as stored; of its secret the digest is elsewhere.
#[derive(Clone, Debug)]
pub struct Key {
    /// The id.
    pub id: KeyId,
    /// What it is for.
    pub name: String,
    /// What the machine may do.
    pub permissions: Permissions,
    /// Who made it.
    pub made_by: UserId,
    /// Since when.
    pub created_at: Time,
    /// When it stops counting.
    pub expires_at: Option<Time>,
    /// When it was last used, to the hour.
    pub used_at: Option<Time>,
}

/// A statement that reads keys, in the order of columns that [`key`] takes.
macro_rules! keys {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, permissions, made_by, created_at, expires_at, used_at FROM identity_key ",
            $rest
        )
    };
}

fn key(row: &Row<'_>) -> Result<Key, Error> {
    Ok(Key {
        id: row.get(0)?,
        name: row.get(1)?,
        permissions: row.json(2)?,
        made_by: row.get(3)?,
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
        used_at: row.get(6)?,
    })
}

/// Adds a key whose secret has this digest.
pub fn add(tx: &mut Tx<'_>, key: &Key, digest: &str) -> Result<(), Error> {
    let permissions = super::words_of(key.permissions)?;
    tx.run(
        "INSERT INTO identity_key (id, name, digest, permissions, made_by, created_at, expires_at, used_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, NULL)",
        &args![
            key.id,
            &key.name,
            digest,
            permissions,
            key.made_by,
            key.created_at,
            key.expires_at,
        ],
    )
    .map(drop)
}

/// The key with this id.
pub fn by_id(tx: &mut Tx<'_>, id: KeyId) -> Result<Option<Key>, Error> {
    tx.maybe(keys!("WHERE id = $1"), &args![id], key)
}

/// The key whose secret has this digest.
pub fn by_digest(tx: &mut Tx<'_>, digest: &str) -> Result<Option<Key>, Error> {
    tx.maybe(keys!("WHERE digest = $1"), &args![digest], key)
}

/// Keys, newest first, from behind `after`.
pub fn list(tx: &mut Tx<'_>, after: Option<&str>, limit: u32) -> Result<Vec<Key>, Error> {
    match after {
        Some(after) => tx.all(
            keys!("WHERE id < $1 ORDER BY id DESC LIMIT $2"),
            &args![after, limit],
            key,
        ),
        None => tx.all(keys!("ORDER BY id DESC LIMIT $1"), &args![limit], key),
    }
}

/// Notes that a key was used.
pub fn used(tx: &mut Tx<'_>, id: KeyId, now: Time) -> Result<(), Error> {
    tx.run("UPDATE identity_key SET used_at = $2 WHERE id = $1", &args![id, now])
        .map(drop)
}

/// Removes a key; `false` when it is gone already.
pub fn remove(tx: &mut Tx<'_>, id: KeyId) -> Result<bool, Error> {
    Ok(tx.run("DELETE FROM identity_key WHERE id = $1", &args![id])? == 1)
}

/// What is kept of the secrets.
#[cfg(test)]
pub fn digests(tx: &mut Tx<'_>) -> Result<Vec<String>, Error> {
    tx.all("SELECT digest FROM identity_key", &[], |row| row.get(0))
}
