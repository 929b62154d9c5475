//! Rows of passwords: their hashes, and what lets somebody set a new one.

use base::{RequestId, Time, UserId};
use store::{Error, Tx, args};

/// The hash of a user's password; none for guests and unknown ids.
pub fn password_hash(tx: &mut Tx<'_>, id: UserId) -> Result<Option<String>, Error> {
    let found = tx.maybe(
        "SELECT password_hash FROM identity_user WHERE id = $1",
        &args![id],
        |row| row.get(0),
    )?;
    Ok(found.flatten())
}

/// The cost of the dearest bcrypt hash; none when there is none any more.
pub fn bcrypt_cost(tx: &mut Tx<'_>) -> Result<Option<u32>, Error> {
    let sql = "SELECT bcrypt_cost FROM identity_user WHERE bcrypt_cost IS NOT NULL ORDER BY bcrypt_cost DESC LIMIT 1";
    tx.maybe(sql, &[], |row| row.get(0))
}

/// Notes what the bcrypt hash of a user costs.
pub fn note_bcrypt(tx: &mut Tx<'_>, id: UserId, cost: u32) -> Result<(), Error> {
    let sql = "UPDATE identity_user SET bcrypt_cost = $2 WHERE id = $1";
    tx.run(sql, &args![id, cost]).map(drop)
}

/// Sets a password. With `old`, only while that is the hash; answers whether it was set.
pub fn set(tx: &mut Tx<'_>, id: UserId, old: Option<&str>, new: &str, now: Time) -> Result<bool, Error> {
    let set = match old {
        Some(old) => tx.run(
            "UPDATE identity_user SET password_hash = $2, bcrypt_cost = NULL, updated_at = $3 \
             WHERE id = $1 AND password_hash = $4",
            &args![id, new, now, old],
        )?,
        None => tx.run(
            "UPDATE identity_user SET password_hash = $2, bcrypt_cost = NULL, updated_at = $3 WHERE id = $1",
            &args![id, new, now],
        )?,
    };
    Ok(set == 1)
}

/// Lets whoever holds the token of this digest, which a mail brings, set a password, until then.
pub fn allow_reset(
    tx: &mut Tx<'_>,
    digest: &str,
    user: UserId,
    mail: RequestId,
    expires_at: Time,
) -> Result<(), Error> {
    let sql = "INSERT INTO identity_reset (digest, user_id, mail_id, expires_at) VALUES ($1, $2, $3, $4)";
    tx.run(sql, &args![digest, user, mail, expires_at]).map(drop)
}

/// Lets the token that a mail brought set this user's password no more: another try of it brings another one.
pub fn forbid_reset(tx: &mut Tx<'_>, user: UserId, mail: RequestId) -> Result<(), Error> {
    let sql = "DELETE FROM identity_reset WHERE user_id = $1 AND mail_id = $2";
    tx.run(sql, &args![user, mail]).map(drop)
}

/// Whose password the token of this digest may set now.
pub fn reset_of(tx: &mut Tx<'_>, digest: &str, now: Time) -> Result<Option<UserId>, Error> {
    let sql = "SELECT user_id FROM identity_reset WHERE digest = $1 AND expires_at > $2";
    tx.maybe(sql, &args![digest, now], |row| row.get(0))
}

/// How many tokens may set this user's password now.
pub fn resets(tx: &mut Tx<'_>, user: UserId, now: Time) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM identity_reset WHERE user_id = $1 AND expires_at > $2";
    tx.one(sql, &args![user, now], |row| row.get(0))
}

/// Lets no token set this user's password any more, whether it was sent already or waits to be.
pub fn forbid_resets(tx: &mut Tx<'_>, user: UserId) -> Result<(), Error> {
    tx.batch(&[
        ("DELETE FROM identity_reset WHERE user_id = $1", &args![user]),
        (
            "DELETE FROM identity_mail WHERE user_id = $1 AND kind = 'reset'",
            &args![user],
        ),
    ])
    .map(drop)
}
