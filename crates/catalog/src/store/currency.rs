//! The row that says what currency prices are in.

use base::Currency;
use store::{Error, Tx, args};

/// Takes `currency` on unless there are prices in another one; answers the currency's code as it now is.
pub fn keep_currency(tx: &mut Tx<'_>, currency: Currency) -> Result<String, Error> {
    tx.run(
        "UPDATE catalog_currency SET currency = $1
         WHERE currency <> $1 AND NOT EXISTS (SELECT 1 FROM catalog_price WHERE currency <> $1)",
        &args![currency.code()],
    )?;
    tx.one("SELECT currency FROM catalog_currency", &[], |row| row.get(0))
}
