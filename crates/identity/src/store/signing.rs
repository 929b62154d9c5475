//! The row that says which key signed last.

use store::{Error, Tx, args};

/// Which key signed when a process started last; empty for none.
pub fn signer(tx: &mut Tx<'_>) -> Result<String, Error> {
    tx.one("SELECT kid FROM identity_signing", &[], |row| row.get(0))
}

/// Says which key signs from now on.
pub fn set_signer(tx: &mut Tx<'_>, kid: &str) -> Result<(), Error> {
    tx.run("UPDATE identity_signing SET kid = $1", &args![kid]).map(drop)
}
