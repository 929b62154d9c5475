//! What the doctor asks of the catalogue. Read-only.

use api::audit::{AUDIT_PAGE, AuditedReservation, StockFault};
use base::OrderId;

use crate::{App, Error, store as rows};

/// A page of reservations, by order.
///
/// # Errors
/// The database's.
pub async fn audited_reservations(app: &App, after: Option<OrderId>) -> Result<Vec<AuditedReservation>, Error> {
    app.db
        .scan(move |tx| Ok(rows::audited_reservations(tx, after, AUDIT_PAGE)?))
        .await
}

/// Stock that does not agree with its ledger or with what is reserved.
///
/// # Errors
/// The database's.
pub async fn stock_faults(app: &App) -> Result<Vec<StockFault>, Error> {
    app.db.scan(|tx| Ok(rows::stock_faults(tx, AUDIT_PAGE)?)).await
}
