//! Rows of passwords: their hashes.

use base::UserId;
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
