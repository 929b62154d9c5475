//! Migrations: numbered texts, applied once each in order, on either engine.
//!
//! The texts are portable: `TEXT` and `BIGINT` columns only. On SQLite tables become STRICT; on PostgreSQL text
//! columns sort by code point. Between `-- sqlite:` or `-- postgres:` and `-- end` stands what only one engine
//! gets. Triggers are not understood.

use crate::{Db, Dialect, Error, OpenError, Tx, args, own};

/// A step of a service's tables.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// 1, 2, 3 …; the digits that its name begins with.
    pub version: u32,
    /// The file's name without its ending, e.g. `0001_orders`.
    pub name: &'static str,
    /// The text.
    pub sql: &'static str,
}

impl Migration {
    /// A migration whose name begins with its version in four digits.
    ///
    /// # Panics
    /// When it does not: at compile time, through [`migrations!`](crate::migrations).
    pub const fn new(name: &'static str, sql: &'static str) -> Self {
        let digits = name.as_bytes();
        let mut version = 0;
        let mut place = 0;
        while place < 4 {
            assert!(
                digits[place].is_ascii_digit(),
                "a migration's name begins with four digits"
            );
            version = version * 10 + (digits[place] - b'0') as u32;
            place += 1;
        }
        Self { version, name, sql }
    }
}

/// The migrations of the calling crate: `migrations!("0001_orders", "0002_returns")` is a `&'static [Migration]`
/// of the files `migrations/0001_orders.sql` and so on.
#[macro_export]
macro_rules! migrations {
    ($($name:literal),* $(,)?) => {{
        const ALL: &[$crate::Migration] = &[$($crate::Migration::new(
            $name,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/", $name, ".sql")),
        )),*];
        ALL
    }};
}

/// How often the first table is tried: two processes that start on one new PostgreSQL stumble over each other.
const BOOTSTRAPS_MAX: usize = 5;

/// One step with its text spelled out.
struct Step {
    part: &'static str,
    version: u32,
    name: &'static str,
    sql: String,
    checksum: String,
}

/// Brings the tables of the store and of the service up to date.
pub(crate) async fn run(db: &Db, migrations: &[Migration]) -> Result<(), OpenError> {
    let service = db.service();
    bootstrap(db).await?;
    let applied = db
        .read(|tx| {
            let own = &tx.shared().own;
            tx.all(&own.migration_list, &[], |row| {
                Ok((row.get::<String>(0)?, row.get::<u32>(1)?, row.get::<String>(2)?))
            })
        })
        .await?;

    // First of all: an old program must not touch what a newer one made.
    for (part, known) in [
        ("store", own::migrations(service).iter().map(|step| step.0).max()),
        ("service", migrations.iter().map(|step| step.version).max()),
    ] {
        let known = known.unwrap_or(0);
        let found = applied
            .iter()
            .filter(|row| row.0 == part)
            .map(|row| row.1)
            .max()
            .unwrap_or(0);
        if found > known {
            return Err(OpenError::Newer { service, found, known });
        }
    }
    for step in steps(service, migrations) {
        let known = applied
            .iter()
            .find(|(part, version, _)| *part == step.part && *version == step.version);
        match known {
            Some((_, _, checksum)) if *checksum == step.checksum => {}
            Some(_) => {
                return Err(OpenError::Changed {
                    service,
                    name: step.name.into(),
                });
            }
            None => apply(db, step).await?,
        }
    }
    Ok(())
}

async fn bootstrap(db: &Db) -> Result<(), OpenError> {
    let text = spelled(&own::bootstrap(db.service()), db.dialect());
    for last in (0..BOOTSTRAPS_MAX).rev() {
        let text = text.clone();
        let made = db
            .write(move |tx| {
                tx.script(&text)?;
                let own = &tx.shared().own;
                tx.run(&own.migration_lock, &[])
            })
            .await;
        match made {
            Ok(_) => break,
            Err(error @ (Error::Busy | Error::Down(_))) => return Err(error.into()),
            Err(error) if last == 0 => return Err(error.into()),
            Err(_) => tokio::task::yield_now().await,
        }
    }
    Ok(())
}

fn steps(service: &'static str, migrations: &[Migration]) -> Vec<Step> {
    let store = own::migrations(service).into_iter().map(|(version, name, sql)| Step {
        part: "store",
        version,
        name,
        checksum: checksum(&sql),
        sql,
    });
    let mut of_service: Vec<_> = migrations.to_vec();
    of_service.sort_by_key(|migration| migration.version);
    let service = of_service.into_iter().map(|migration| Step {
        part: "service",
        version: migration.version,
        name: migration.name,
        sql: migration.sql.to_owned(),
        checksum: checksum(migration.sql),
    });
    store.chain(service).collect()
}

/// Applies one step in one transaction, unless another process did while we waited for the lock row.
async fn apply(db: &Db, step: Step) -> Result<(), OpenError> {
    let (service, name) = (db.service(), step.name);
    let text = spelled(&step.sql, db.dialect());
    let act = move |tx: &mut Tx<'_>| -> Result<(), Error> {
        let (own, now) = (&tx.shared().own, tx.clock().now());
        tx.run(&own.migration_guard, &args![now])?;
        let applied = tx.all(&own.migration_list, &[], |row| {
            Ok((row.get::<String>(0)?, row.get::<u32>(1)?))
        })?;
        if applied
            .iter()
            .any(|(part, version)| part == step.part && *version == step.version)
        {
            return Ok(());
        }
        tx.script(&text)?;
        tx.run(
            &own.migration_keep,
            &args![step.part, step.version, step.name, &step.checksum, now],
        )?;
        Ok(())
    };
    db.write(act).await.map_err(|error| OpenError::Migration {
        service,
        name: name.into(),
        reason: error.to_string(),
    })
}

/// FNV-1a (Fowler, Noll, Vo), 64 bits: tells an edited file from the one that was applied; nobody attacks it.
/// Line ends count as one kind, so that a checkout on another system is the same file.
fn checksum(text: &str) -> String {
    let bytes = text.bytes().filter(|&byte| byte != b'\r');
    let sum = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{sum:016x}")
}

/// The text as this engine wants it.
fn spelled(text: &str, dialect: Dialect) -> String {
    let mut out = String::with_capacity(text.len() + 256);
    let mut only = None;
    let mut portable = String::new();
    for line in text.lines() {
        let marker = line.trim();
        match marker {
            "-- sqlite:" | "-- postgres:" => {
                out.push_str(&statements(&portable, dialect));
                portable.clear();
                only = Some(if marker == "-- sqlite:" {
                    Dialect::Sqlite
                } else {
                    Dialect::Postgres
                });
            }
            "-- end" => only = None,
            _ => match only {
                None => {
                    portable.push_str(line);
                    portable.push('\n');
                }
                Some(engine) if engine == dialect => {
                    out.push_str(line);
                    out.push('\n');
                }
                Some(_) => {}
            },
        }
    }
    out.push_str(&statements(&portable, dialect));
    out
}

fn statements(portable: &str, dialect: Dialect) -> String {
    let bare: String = portable
        .lines()
        .map(|line| line.split_once("--").map_or(line, |(code, _)| code))
        .fold(String::with_capacity(portable.len()), |mut all, line| {
            all.push_str(line);
            all.push('\n');
            all
        });
    let mut out = String::with_capacity(bare.len() + 64);
    for statement in parted(&bare) {
        out.push_str(&spelled_statement(statement, dialect));
        out.push_str(";\n");
    }
    out
}

/// Statements between semicolons that stand outside of quotes.
fn parted(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let parts = text.split(move |letter| {
        quoted ^= letter == '\'';
        letter == ';' && !quoted
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

fn spelled_statement(statement: &str, dialect: Dialect) -> String {
    let table = statement.starts_with("CREATE TABLE");
    if !table && !statement.starts_with("ALTER TABLE") {
        return statement.to_owned();
    }
    match dialect {
        Dialect::Sqlite => {
            let typed = words_replaced(statement, "BIGINT", "INTEGER");
            match (table, typed.ends_with("WITHOUT ROWID")) {
                (false, _) => typed,
                (true, false) => typed + " STRICT",
                (true, true) => typed + ", STRICT",
            }
        }
        Dialect::Postgres => {
            let bare = statement.strip_suffix("WITHOUT ROWID").unwrap_or(statement).trim_end();
            words_replaced(bare, "TEXT", "TEXT COLLATE \"C\"")
        }
    }
}

/// Replaces a word outside of quotes.
fn words_replaced(text: &str, word: &str, by: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    for (place, piece) in text.split('\'').enumerate() {
        if place > 0 {
            out.push('\'');
        }
        if place % 2 == 1 {
            out.push_str(piece);
            continue;
        }
        for part in piece.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_') {
            let bare = part.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            if bare == word {
                out.push_str(by);
                out.push_str(&part[bare.len()..]);
            } else {
                out.push_str(part);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "-- A table.
CREATE TABLE t (id TEXT PRIMARY KEY, n BIGINT NOT NULL, word TEXT NOT NULL DEFAULT 'TEXT; x'); -- more
CREATE TABLE u (a BIGINT, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;
-- postgres:
CREATE INDEX p ON t USING gin (word);
-- end
CREATE INDEX t_n ON t (n);
";

    #[test]
    fn sqlite_gets_strict_tables() {
        let wanted =
            "CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER NOT NULL, word TEXT NOT NULL DEFAULT 'TEXT; x') STRICT;
CREATE TABLE u (a INTEGER, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID, STRICT;
CREATE INDEX t_n ON t (n);
";
        assert_eq!(spelled(TEXT, Dialect::Sqlite), wanted);
    }

    #[test]
    fn postgres_sorts_by_code_point() {
        let wanted = "CREATE TABLE t (id TEXT COLLATE \"C\" PRIMARY KEY, n BIGINT NOT NULL, word TEXT COLLATE \"C\" NOT NULL DEFAULT 'TEXT; x');
CREATE TABLE u (a BIGINT, b TEXT COLLATE \"C\", PRIMARY KEY (a, b));
CREATE INDEX p ON t USING gin (word);
CREATE INDEX t_n ON t (n);
";
        assert_eq!(spelled(TEXT, Dialect::Postgres), wanted);
    }
}
