//! The currency of the prices, which lies beside them: another one would make 25 yen of 25 dollars.

use base::Currency;
use store::Db;

use crate::{StartFault, store as rows};

/// Sees to it that prices are in this currency. A catalogue without a price takes on any.
///
/// # Errors
/// [`StartFault::OtherCurrency`] when there are prices in another one; the database's.
pub async fn keep_currency(db: &Db, currency: Currency) -> Result<(), StartFault> {
    let kept = db.write(move |tx| rows::keep_currency(tx, currency)).await?;
    if kept == currency.code() {
        Ok(())
    } else {
        Err(StartFault::OtherCurrency { kept, asked: currency })
    }
}
