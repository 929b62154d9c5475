//! The columns that are read, and what they are.
//!
//! The lists of columns are macros, so that statements are put together by the compiler.

use api::payments::{Failure, PaymentMethod, PaymentStatus};
use base::{Currency, Money};
use store::{Error, Row};

use crate::domain::{Attempt, Capture, Cause, Payment, Refund};

/// A payment's columns, of the table as `p`.
macro_rules! payment_columns {
    () => {
        "p.id, p.order_id, p.user_id, p.amount, p.currency, p.method, p.provider, p.status, p.captured, \
         p.refunded, p.refunding, p.paid_by, p.trying, p.closed, p.failure_code, p.failure_detail, p.version, \
         p.revision, p.created_at, p.updated_at"
    };
}
/// How many [`payment_columns`] there are.
pub(super) const PAYMENT_COLUMNS: usize = 20;

/// An attempt's columns, of the table as `a`.
macro_rules! attempt_columns {
    () => {
        "a.id, a.payment_id, a.order_id, a.number, a.status, a.token, a.charge, a.failure_code, \
         a.failure_detail, a.tries, a.resume_at, a.actor, a.request_id, a.created_at"
    };
}

/// A refund's columns, of the table as `r`.
macro_rules! refund_columns {
    () => {
        "r.id, r.payment_id, r.attempt_id, r.amount, r.surplus, r.status, r.reason, r.tries, r.resume_at, \
         r.actor, r.request_id, r.created_at"
    };
}

pub(super) use {attempt_columns, payment_columns, refund_columns};

fn failure(row: &Row<'_>, first: usize) -> Result<Option<Failure>, Error> {
    let code: Option<String> = row.get(first)?;
    let detail: Option<String> = row.get(first + 1)?;
    Ok(code.map(|code| Failure {
        code,
        detail: detail.unwrap_or_default(),
    }))
}

pub(super) fn payment(row: &Row<'_>, first: usize) -> Result<Payment, Error> {
    let method: String = row.get(first + 5)?;
    let status: String = row.get(first + 7)?;
    let unknown = |word: &str| Error::Corrupt(format!("{word:?} is no word of a payment"));
    let currency: Currency = row.parse(first + 4)?;
    Ok(Payment {
        id: row.get(first)?,
        order: row.get(first + 1)?,
        user: row.get(first + 2)?,
        due: Money::new(row.get(first + 3)?, currency),
        method: PaymentMethod::parse(&method).ok_or_else(|| unknown(&method))?,
        provider: row.get(first + 6)?,
        status: PaymentStatus::parse(&status).ok_or_else(|| unknown(&status))?,
        captured: row.get(first + 8)?,
        refunded: row.get(first + 9)?,
        refunding: row.get(first + 10)?,
        paid_by: row.get(first + 11)?,
        trying: row.get(first + 12)?,
        closed: row.get(first + 13)?,
        failure: failure(row, first + 14)?,
        version: row.get(first + 16)?,
        revision: row.get(first + 17)?,
        created_at: row.get(first + 18)?,
        updated_at: row.get(first + 19)?,
    })
}

pub(super) fn attempt(row: &Row<'_>, first: usize) -> Result<Attempt, Error> {
    let status: String = row.get(first + 4)?;
    Ok(Attempt {
        id: row.get(first)?,
        payment: row.get(first + 1)?,
        order: row.get(first + 2)?,
        number: row.get(first + 3)?,
        status: status
            .parse()
            .map_err(|()| Error::Corrupt(format!("{status:?} is no status of an attempt")))?,
        token: row.get(first + 5)?,
        charge: row.get(first + 6)?,
        failure: failure(row, first + 7)?,
        tries: row.get(first + 9)?,
        resume_at: row.get(first + 10)?,
        cause: Cause {
            actor: row.get(first + 11)?,
            request_id: row.get(first + 12)?,
        },
        created_at: row.get(first + 13)?,
    })
}

pub(super) fn capture(row: &Row<'_>) -> Result<Capture, Error> {
    Ok(Capture {
        attempt: row.get(0)?,
        amount: row.get(1)?,
        charge: row.get(2)?,
        surplus: row.get(3)?,
        created_at: row.get(4)?,
    })
}

pub(super) fn refund(row: &Row<'_>) -> Result<Refund, Error> {
    let status: String = row.get(5)?;
    Ok(Refund {
        id: row.get(0)?,
        payment: row.get(1)?,
        attempt: row.get(2)?,
        amount: row.get(3)?,
        surplus: row.get(4)?,
        status: status
            .parse()
            .map_err(|()| Error::Corrupt(format!("{status:?} is no status of a refund")))?,
        reason: row.get(6)?,
        tries: row.get(7)?,
        resume_at: row.get(8)?,
        cause: Cause {
            actor: row.get(9)?,
            request_id: row.get(10)?,
        },
        created_at: row.get(11)?,
    })
}
