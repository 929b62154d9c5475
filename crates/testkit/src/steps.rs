//! How far orders are, read from the databases themselves: what a test needs that kills a shop and wants to know
//! what it hit. Reads only; beside a running shop, or after its end.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::until::until;

/// The databases that are looked into, each of its service.
const SERVICES: [&str; 5] = ["catalog", "payments", "simulated", "cart", "events"];

/// A step of checkout, as orders' process has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Placed, nothing reserved yet.
    Reserve,
    /// Reserved, nothing captured yet.
    Pay,
    /// Paid, or to be paid on delivery, and not confirmed yet.
    Confirm,
    /// Confirmed, the pieces still in stock.
    Settle,
    /// Settled, the cart still full.
    Clear,
    /// Still pending though its payment window has ended.
    Expire,
    /// Failed or cancelled, and something may still have to be given back.
    Undo,
}

impl Step {
    /// All of them.
    pub const ALL: [Step; 7] = [
        Step::Reserve,
        Step::Pay,
        Step::Confirm,
        Step::Settle,
        Step::Clear,
        Step::Expire,
        Step::Undo,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Where a shop keeps its books.
#[derive(Clone, Debug)]
pub enum Books {
    /// Files of SQLite in this folder.
    Files(PathBuf),
    /// A database of PostgreSQL.
    Server(String),
}

/// A row as texts; none for NULL.
type Row = Vec<Option<String>>;

impl Books {
    /// The books as they are now, for as long as this lives. Files are copied with their logs, so that looking
    /// does not recover or shorten what the next start has to deal with.
    ///
    /// # Panics
    /// When they cannot be copied.
    pub fn frozen(&self) -> (Books, Option<TempDir>) {
        let Books::Files(folder) = self else {
            return (self.clone(), None);
        };
        let copy = tempfile::tempdir().expect("a folder for a copy");
        for entry in std::fs::read_dir(folder).expect("the data folder is there").flatten() {
            let name = entry.file_name();
            let text = name.to_string_lossy();
            if text.ends_with(".db") || text.ends_with(".db-wal") {
                std::fs::copy(entry.path(), copy.path().join(&name)).expect("a database can be copied");
            }
        }
        (Books::Files(copy.path().to_owned()), Some(copy))
    }

    /// The steps at which orders are, and how many at each. `now` is in microseconds since 1970.
    ///
    /// # Panics
    /// When the books cannot be read.
    pub async fn steps(&self, now: i64) -> BTreeMap<Step, usize> {
        let sql = "SELECT o.status, o.payment_status, o.payment_method, o.expires_at, o.cart_generation, \
                 r.state, p.captured, c.generation \
             FROM orders_order o \
             LEFT JOIN catalog_reservation r ON r.order_id = o.id \
             LEFT JOIN payments_payment p ON p.order_id = o.id \
             LEFT JOIN cart_cart c ON c.id = o.cart_id \
             WHERE o.status = 'pending' OR o.resume_at IS NOT NULL";
        let mut steps = BTreeMap::new();
        for row in self.rows(sql).await {
            if let Some(step) = step(&row, now) {
                *steps.entry(step).or_default() += 1;
            }
        }
        steps
    }

    /// What has not come to rest, in words; orders that did not change since `since` (microseconds) are not asked
    /// for the events that they told.
    ///
    /// # Panics
    /// When the books cannot be read.
    pub async fn unrest(&self, since: i64) -> Vec<String> {
        let questions = [
            "SELECT 'order ' || id || ' is ' || status FROM orders_order WHERE status = 'pending' OR resume_at IS NOT NULL".to_owned(),
            "SELECT 'attempt of ' || order_id || ' is ' || status FROM payments_attempt WHERE status IN ('open', 'unknown')".into(),
            "SELECT 'refund ' || id || ' of ' || payment_id || ' is ' || status FROM payments_refund WHERE status = 'pending'".into(),
            "SELECT 'order ' || o.id || ' (' || o.status || ', ' || o.payment_status || ' at ' || o.payment_version || ') does not know \
             of its refund (' || p.status || ' at ' || p.version || ')' FROM payments_payment p JOIN orders_order o ON o.id = p.order_id \
             WHERE p.status IN ('refunded', 'partially_refunded') AND o.payment_status <> p.status"
                .into(),
            format!(
                "SELECT 'events of ' || o.id || ' are missing' FROM orders_order o WHERE o.updated_at >= {since} \
                 AND o.sequence <> (SELECT count(*) FROM events_event e WHERE e.subject = o.id AND e.source = 'orders')"
            ),
            format!(
                "SELECT 'events of ' || p.id || ' are missing' FROM payments_payment p WHERE p.updated_at >= {since} \
                 AND p.version <> (SELECT count(*) FROM events_event e WHERE e.subject = p.id AND e.source = 'payments')"
            ),
        ];
        let mut unrest = Vec::new();
        for question in questions {
            unrest.extend(
                self.rows(&question)
                    .await
                    .into_iter()
                    .filter_map(|row| row.into_iter().next().flatten()),
            );
        }
        unrest
    }

    /// Waits until there is no [`unrest`](Books::unrest).
    ///
    /// # Panics
    /// When there is still some after about a minute.
    #[track_caller]
    pub fn come_to_rest(&self, since: i64) -> impl Future<Output = ()> {
        until("every order has come to rest", move || async move {
            let unrest = self.unrest(since).await;
            if unrest.is_empty() { Ok(()) } else { Err(unrest) }
        })
    }

    /// Pieces of each variant in orders that were confirmed and not called off.
    ///
    /// # Panics
    /// When the books cannot be read.
    pub async fn sold(&self) -> BTreeMap<String, i64> {
        let sql = "SELECT l.variant_id, CAST(SUM(l.quantity) AS BIGINT) FROM orders_line l \
             JOIN orders_order o ON o.id = l.order_id \
             WHERE o.status IN ('confirmed', 'processing', 'shipped', 'delivered') GROUP BY l.variant_id";
        let rows = self.rows(sql).await.into_iter();
        rows.filter_map(|row| Some((row[0].clone()?, row[1].as_ref()?.parse().ok()?)))
            .collect()
    }

    /// How many orders there are, refused ones too.
    ///
    /// # Panics
    /// When the books cannot be read.
    pub async fn orders(&self) -> usize {
        let rows = self.rows("SELECT count(*) FROM orders_order").await;
        number(&rows[0][0])
            .and_then(|count| count.try_into().ok())
            .unwrap_or_default()
    }

    /// The ids of the orders in files that may be no database any more: none then.
    pub fn known_orders(&self) -> Vec<String> {
        let Books::Files(folder) = self else { return Vec::new() };
        let rows = of_files(folder, "SELECT id FROM orders_order").unwrap_or_default();
        rows.into_iter()
            .filter_map(|row| row.into_iter().next().flatten())
            .collect()
    }

    async fn rows(&self, sql: &str) -> Vec<Row> {
        match self {
            Books::Files(folder) => of_files(folder, sql).unwrap_or_else(|fault| panic!("{sql}: {fault}")),
            Books::Server(url) => of_server(url, sql)
                .await
                .unwrap_or_else(|fault| panic!("{sql}: {fault}")),
        }
    }
}

/// Every service's file in one connection, so that one text serves both engines.
fn of_files(folder: &Path, sql: &str) -> rusqlite::Result<Vec<Row>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(folder.join("orders.db"), flags)?;
    // Whoever closes a file last would else copy its log into it, which is the shop's own work.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    for service in SERVICES {
        let file = folder.join(format!("{service}.db"));
        db.execute(&format!("ATTACH DATABASE ?1 AS {service}"), [file.to_string_lossy()])?;
    }
    let mut statement = db.prepare(sql)?;
    let columns = statement.column_count();
    let text = |value: ValueRef<'_>| match value {
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    };
    let rows = statement.query_map([], |row| (0..columns).map(|at| Ok(text(row.get_ref(at)?))).collect())?;
    rows.collect()
}

async fn of_server(url: &str, sql: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let driver = tokio::task::spawn(connection);
    let messages = client.simple_query(sql).await?;
    drop(client);
    let _ = driver.await;
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
        _ => None,
    });
    Ok(rows.collect())
}

fn number(text: &Option<String>) -> Option<i64> {
    text.as_ref()?.parse().ok()
}

/// The step at which an order is. None: it waits for its payer, or only has to note that it rests.
fn step(row: &Row, now: i64) -> Option<Step> {
    let [
        status,
        payment,
        method,
        expires,
        ordered,
        reservation,
        captured,
        generation,
    ] = row.as_slice()
    else {
        return None;
    };
    let is = |text: &Option<String>, word: &str| text.as_deref() == Some(word);
    if is(status, "cancelled") || is(status, "failed") {
        return Some(Step::Undo);
    }
    if !is(status, "pending") {
        if is(reservation, "reserved") {
            return Some(Step::Settle);
        }
        let full = ordered.is_some() && ordered == generation;
        return full.then_some(Step::Clear);
    }
    if number(captured).is_some_and(|captured| captured > 0) {
        return Some(Step::Confirm);
    }
    if number(expires).is_some_and(|expires| expires <= now) {
        return Some(Step::Expire);
    }
    if reservation.is_none() {
        return Some(Step::Reserve);
    }
    if is(method, "cash_on_delivery") && captured.is_some() {
        return Some(Step::Confirm); // Payments knows of it.
    }
    (!is(payment, "failed")).then_some(Step::Pay)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(row: &str, wanted: Option<Step>) {
        let row: Row = row
            .split(' ')
            .map(|word| (word != "-").then(|| word.to_owned()))
            .collect();
        assert_eq!(step(&row, 50), wanted, "{row:?}");
    }

    #[test]
    fn every_step_is_known_by_its_rows() {
        check("pending pending credit_card 99 1 - - 1", Some(Step::Reserve));
        check("pending pending credit_card 99 1 reserved - 1", Some(Step::Pay));
        check("pending processing credit_card 99 1 reserved 0 1", Some(Step::Pay));
        check("pending pending credit_card 99 1 reserved 500 1", Some(Step::Confirm));
        check("pending pending cash_on_delivery 99 1 reserved - 1", Some(Step::Pay));
        check(
            "pending pending cash_on_delivery 99 1 reserved 0 1",
            Some(Step::Confirm),
        );
        check(
            "confirmed completed credit_card 99 1 reserved 500 1",
            Some(Step::Settle),
        );
        check("confirmed completed credit_card 99 1 settled 500 1", Some(Step::Clear));
        check("confirmed completed credit_card 99 1 settled 500 2", None);
        check("confirmed completed credit_card 99 - settled 500 -", None);
        check("pending failed credit_card 49 - reserved 0 -", Some(Step::Expire));
        check("pending failed credit_card 99 - reserved 0 -", None);
        check("cancelled completed credit_card 99 - settled 500 -", Some(Step::Undo));
        check("failed failed credit_card 49 - reserved 0 -", Some(Step::Undo));
    }
}
