//! Mails to buyers: a row for each, written with the event that it tells of, and what became of it.

use base::{OrderId, Time};
use store::{Row, RowColumn, Rows, Tx, args, sql};

use crate::domain::letter::{About, MailKind};
use crate::error::Error;

/// How far a mail is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailStatus {
    /// To be sent, now or once more.
    Waiting,
    /// The mail server took it.
    Sent,
    /// Given up; `fault` says why.
    Failed,
}

impl MailStatus {
    /// The word in rows and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            MailStatus::Waiting => "waiting",
            MailStatus::Sent => "sent",
            MailStatus::Failed => "failed",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [MailStatus::Waiting, MailStatus::Sent, MailStatus::Failed]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

/// A mail to a buyer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Of which order, what it tells.
    pub about: About,
    /// How far it is.
    pub status: MailStatus,
    /// How often it was tried.
    pub tries: i64,
    /// Why the last try failed.
    pub fault: Option<String>,
    /// When there was something to tell.
    pub created_at: Time,
    /// When its state last changed.
    pub updated_at: Time,
}

const COLUMNS: &str = "order_id, kind, about, amount, status, tries, fault, created_at, updated_at";

const NEW: [RowColumn; 5] = [
    RowColumn::Text("order_id"),
    RowColumn::Text("kind"),
    RowColumn::Text("about"),
    RowColumn::Int("amount"),
    RowColumn::Int("at"),
];

/// Writes the mails that are not there yet, to buyers who left an address. Answers how many are new.
pub fn add_mails(tx: &mut Tx<'_>, mails: &[About], now: Time) -> Result<u64, store::Error> {
    if mails.is_empty() {
        return Ok(0);
    }
    let mut rows = Rows::new(NEW);
    for mail in mails {
        rows.push(args![mail.order, mail.kind.as_str(), &mail.about, mail.amount, now]);
    }
    let dialect = tx.dialect();
    let add = sql!(
        dialect,
        NEW,
        1,
        "INSERT INTO orders_mail (order_id, kind, about, amount, status, tries, due_at, fault, created_at, updated_at)
         SELECT d.order_id, d.kind, d.about, d.amount, 'waiting', 0, d.at, NULL, d.at, d.at
         FROM {rows} JOIN orders_order o ON o.id = d.order_id WHERE o.hidden = 0 AND o.email IS NOT NULL
         ON CONFLICT (order_id, kind, about) DO NOTHING"
    );
    tx.run(add, &rows.args(dialect))
}

/// The mails that have waited longest for their time, `limit` at most.
pub fn mails_due(tx: &mut Tx<'_>, now: Time, limit: u32) -> Result<Vec<Mail>, Error> {
    let sql =
        format!("SELECT {COLUMNS} FROM orders_mail WHERE status = 'waiting' AND due_at <= $1 ORDER BY due_at LIMIT $2");
    Ok(tx.all(&sql, &args![now, limit], read)?)
}

/// Takes a mail that is due, so that nobody else sends it until `until`; `false` when somebody was faster.
pub fn claim_mail(tx: &mut Tx<'_>, mail: &About, now: Time, until: Time) -> Result<bool, Error> {
    let sql = "UPDATE orders_mail SET due_at = $4, tries = tries + 1
               WHERE order_id = $1 AND kind = $2 AND about = $3 AND status = 'waiting' AND due_at <= $5";
    Ok(tx.run(sql, &args![mail.order, mail.kind.as_str(), &mail.about, until, now])? == 1)
}

/// Notes what became of a mail that was tried: its state, why it failed, and when it is due again.
pub fn mail_done(
    tx: &mut Tx<'_>,
    mail: &About,
    status: MailStatus,
    fault: Option<&str>,
    due_at: Time,
    now: Time,
) -> Result<(), Error> {
    let sql = "UPDATE orders_mail SET status = $4, fault = $5, due_at = $6, updated_at = $7
               WHERE order_id = $1 AND kind = $2 AND about = $3 AND status = 'waiting'";
    let key = (mail.order, mail.kind.as_str(), &mail.about);
    tx.run(sql, &args![key.0, key.1, key.2, status.as_str(), fault, due_at, now])?;
    Ok(())
}

/// The mails of an order, the first one first.
pub fn mails_of(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<Mail>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM orders_mail WHERE order_id = $1 ORDER BY created_at, kind, about");
    Ok(tx.all(&sql, &args![order], read)?)
}

/// Lets the mails of an order that were given up be tried again; answers how many.
pub fn retry_mails(tx: &mut Tx<'_>, order: OrderId, now: Time) -> Result<u64, Error> {
    let sql = "UPDATE orders_mail SET status = 'waiting', tries = 0, due_at = $2, updated_at = $2
               WHERE order_id = $1 AND status = 'failed'";
    Ok(tx.run(sql, &args![order, now])?)
}

/// Deletes mails of before `before`, `limit` at most; answers how many.
pub fn forget_mails(tx: &mut Tx<'_>, before: Time, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM orders_mail WHERE (order_id, kind, about) IN
                   (SELECT order_id, kind, about FROM orders_mail WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
    Ok(tx.run(sql, &args![before, limit])?)
}

fn read(row: &Row<'_>) -> Result<Mail, store::Error> {
    let word = |index: usize| row.get::<String>(index);
    let unknown = |what: &str| store::Error::Corrupt(format!("orders_mail: no such {what}"));
    Ok(Mail {
        about: About {
            order: row.get(0)?,
            kind: MailKind::parse(&word(1)?).ok_or_else(|| unknown("kind"))?,
            about: row.get(2)?,
            amount: row.get(3)?,
        },
        status: MailStatus::parse(&word(4)?).ok_or_else(|| unknown("status"))?,
        tries: row.get(5)?,
        fault: row.get(6)?,
        created_at: row.get(7)?,
        updated_at: row.get(8)?,
    })
}
