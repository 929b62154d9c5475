//! The provider's rows.

use std::collections::{BTreeMap, HashSet};

use api::audit::Charged;
use api::payments::Failure;
use base::{AttemptId, EventId, Money, RefundId, Time};
use store::{Error, Row, RowColumn, Rows, Tx, args, sql};

use super::client::{Charge, ChargeStatus, Line};

const CHARGE: &str = "SELECT key, id, status, amount, currency, refunded, failure_code, failure_detail FROM simulated_charge WHERE key = $1";

fn read_charge(row: &Row<'_>) -> Result<Charge, Error> {
    let status: String = row.get(2)?;
    let currency = row.parse(4)?;
    let code: Option<String> = row.get(6)?;
    let detail: Option<String> = row.get(7)?;
    Ok(Charge {
        key: row.get(0)?,
        id: row.get(1)?,
        status: match status.as_str() {
            "captured" => ChargeStatus::Captured,
            "declined" => ChargeStatus::Declined,
            "voided" => ChargeStatus::Voided,
            other => return Err(Error::Corrupt(format!("{other:?} is no status of a charge"))),
        },
        amount: Money::new(row.get(3)?, currency),
        refunded: Money::new(row.get(5)?, currency),
        failure: code.map(|code| Failure {
            code,
            detail: detail.unwrap_or_default(),
        }),
    })
}

fn word(status: ChargeStatus) -> &'static str {
    match status {
        ChargeStatus::Captured => "captured",
        ChargeStatus::Declined => "declined",
        ChargeStatus::Voided => "voided",
    }
}

/// A charge by the shop's key.
pub fn charge(tx: &mut Tx<'_>, key: AttemptId) -> Result<Option<Charge>, Error> {
    tx.maybe(CHARGE, &args![key], read_charge)
}

const CHARGES: [RowColumn; 8] = [
    RowColumn::Text("key"),
    RowColumn::Text("id"),
    RowColumn::Text("status"),
    RowColumn::Int("amount"),
    RowColumn::Text("currency"),
    RowColumn::Text("code"),
    RowColumn::Text("detail"),
    RowColumn::Int("at"),
];

/// Writes charges, each unless its key has one already; answers whose were written. One statement, whatever their
/// number; of several under one key the first counts.
pub fn add_charges(tx: &mut Tx<'_>, charges: &[Charge], now: Time) -> Result<HashSet<AttemptId>, Error> {
    // In key order, so that batches of several processes wait for each other and never in a circle.
    let mut keys: BTreeMap<AttemptId, &Charge> = BTreeMap::new();
    for charge in charges {
        keys.entry(charge.key).or_insert(charge);
    }
    let mut rows = Rows::new(CHARGES);
    for (key, charge) in keys {
        let failure = charge.failure.as_ref();
        rows.push(args![
            key,
            charge.id,
            word(charge.status),
            charge.amount.minor,
            charge.amount.currency.code(),
            failure.map(|why| why.code.as_str()),
            failure.map(|why| why.detail.as_str()),
            now,
        ]);
    }
    let dialect = tx.dialect();
    let insert = sql!(
        dialect,
        CHARGES,
        1,
        "INSERT INTO simulated_charge (key, id, status, amount, currency, refunded, failure_code, failure_detail,
             created_at)
         SELECT key, id, status, amount, currency, 0, NULLIF(code, ''), NULLIF(detail, ''), at
         FROM {rows} WHERE true ON CONFLICT (key) DO NOTHING RETURNING key"
    );
    let added = tx.all(insert, &rows.args(dialect), |row| row.get(0))?;
    Ok(added.into_iter().collect())
}

/// Counts a fault of a key; answers how many there were with this one.
pub fn count_fault(tx: &mut Tx<'_>, key: AttemptId) -> Result<i64, Error> {
    let sql = "INSERT INTO simulated_fault (key, count) VALUES ($1, 1)
               ON CONFLICT (key) DO UPDATE SET count = simulated_fault.count + 1 RETURNING count";
    tx.one(sql, &args![key], |row| row.get(0))
}

/// Writes a refund; `false` when the key has one already.
pub fn add_refund(tx: &mut Tx<'_>, key: RefundId, charge: AttemptId, amount: i64, now: Time) -> Result<bool, Error> {
    let sql = "INSERT INTO simulated_refund (key, charge_key, amount, created_at) VALUES ($1, $2, $3, $4)
               ON CONFLICT (key) DO NOTHING";
    Ok(tx.run(sql, &args![key, charge, amount, now])? == 1)
}

/// What a refund's key was used for: charge and amount.
pub fn refund(tx: &mut Tx<'_>, key: RefundId) -> Result<(AttemptId, i64), Error> {
    let sql = "SELECT charge_key, amount FROM simulated_refund WHERE key = $1";
    tx.one(sql, &args![key], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Takes a refund off a captured charge; `false` when that much is not there.
pub fn give_back(tx: &mut Tx<'_>, charge: AttemptId, amount: Money) -> Result<bool, Error> {
    let sql = "UPDATE simulated_charge SET refunded = refunded + $2
               WHERE key = $1 AND status = 'captured' AND currency = $3 AND amount - refunded >= $2";
    Ok(tx.run(sql, &args![charge, amount.minor, amount.currency.code()])? == 1)
}

/// Charges after `after`, by key.
pub fn statement(tx: &mut Tx<'_>, after: Option<AttemptId>, limit: u32) -> Result<Vec<Line>, Error> {
    let sql = "SELECT key, CASE WHEN status = 'captured' THEN amount ELSE 0 END, refunded FROM simulated_charge
               WHERE key > $1 ORDER BY key LIMIT $2";
    let after = after.map_or(String::new(), |key| key.to_string());
    tx.all(sql, &args![after, limit], |row| {
        Ok(Line {
            key: row.get(0)?,
            captured: row.get(1)?,
            refunded: row.get(2)?,
        })
    })
}

/// What was done under several keys; keys that never came, and what was not captured, are absent.
pub fn charged(tx: &mut Tx<'_>, keys: &[String]) -> Result<Vec<Charged>, Error> {
    let sql =
        "SELECT key, amount, refunded, currency FROM simulated_charge WHERE key = ANY($1) AND status = 'captured'";
    tx.all(sql, &args![keys], |row| {
        let currency = row.parse(3)?;
        Ok(Charged {
            attempt: row.get(0)?,
            captured: Money::new(row.get(1)?, currency),
            refunded: Money::new(row.get(2)?, currency),
        })
    })
}

/// A webhook that waits to be sent: its id, body, and how often it was tried.
pub type Waiting = (EventId, String, i64);

/// Puts a webhook on its way.
pub fn add_webhook(tx: &mut Tx<'_>, id: EventId, body: &str, now: Time) -> Result<(), Error> {
    let sql = "INSERT INTO simulated_webhook (id, body, tries, due_at) VALUES ($1, $2, 0, $3)";
    tx.run(sql, &args![id, body, now]).map(drop)
}

/// Webhooks that are due.
pub fn webhooks_due(tx: &mut Tx<'_>, now: Time, limit: u32) -> Result<Vec<Waiting>, Error> {
    let sql = "SELECT id, body, tries FROM simulated_webhook WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2";
    tx.all(sql, &args![now, limit], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })
}

/// A webhook arrived, or is given up.
pub fn drop_webhook(tx: &mut Tx<'_>, id: EventId) -> Result<(), Error> {
    tx.run("DELETE FROM simulated_webhook WHERE id = $1", &args![id])
        .map(drop)
}

/// A webhook did not arrive; it is tried again at `at`.
pub fn delay_webhook(tx: &mut Tx<'_>, id: EventId, at: Time) -> Result<(), Error> {
    tx.run(
        "UPDATE simulated_webhook SET tries = tries + 1, due_at = $2 WHERE id = $1",
        &args![id, at],
    )
    .map(drop)
}

/// A provider that breaks its word: the key is as if it had never come.
#[cfg(test)]
pub fn forget(tx: &mut Tx<'_>, key: AttemptId) -> Result<(), Error> {
    tx.run("DELETE FROM simulated_charge WHERE key = $1", &args![key])
        .map(drop)
}
