//! Where a test's database lies, and how it is opened.

use std::sync::mpsc;

use base::{Clock, Ids, Time};
use store::{Db, Engine, Error, Migration, OpenError, Outgoing, Settings, args};

use crate::postgres;

/// The table of the tests: accounts with a balance that never goes below zero.
pub const BANK: &[Migration] = &[Migration::new(
    "0001_bank",
    "CREATE TABLE bank_account (name TEXT PRIMARY KEY, balance BIGINT NOT NULL, note TEXT);",
)];

/// A database of one test, gone with it.
pub enum Place {
    File(tempfile::TempDir),
    Memory,
    Server(String),
}

impl Place {
    pub fn file() -> Self {
        Place::File(tempfile::tempdir().expect("a folder"))
    }

    pub async fn server() -> Self {
        Place::Server(postgres::database().await.expect("a PostgreSQL server"))
    }

    pub fn settings(&self) -> Settings {
        let engine = match self {
            Place::File(folder) => Engine::Sqlite {
                file: folder.path().join("bank.db"),
            },
            Place::Memory => Engine::Memory,
            Place::Server(url) => Engine::Postgres { url: url.clone() },
        };
        Settings::new(engine, "bank")
    }

    pub async fn open(&self) -> Db {
        open(self.settings(), BANK).await.expect("the database opens")
    }
}

pub async fn open(settings: Settings, migrations: &[Migration]) -> Result<Db, OpenError> {
    Db::open(
        settings,
        migrations,
        Clock::paused(Time::from_micros(1_000)),
        Ids::random(),
    )
    .await
}

/// A refusal of the bank, beside the store's own errors.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    TooLittle,
    Store(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Store(error)
    }
}

pub async fn pay_in(db: &Db, name: &'static str, amount: i64) -> Result<i64, Refusal> {
    db.write(move |tx| {
        let sql = "INSERT INTO bank_account AS a (name, balance) VALUES ($1, $2)
            ON CONFLICT (name) DO UPDATE SET balance = a.balance + excluded.balance RETURNING balance";
        Ok(tx.one(sql, &args![name, amount], |row| row.get(0))?)
    })
    .await
}

pub async fn balance(db: &Db, name: &'static str) -> Option<i64> {
    let sql = "SELECT balance FROM bank_account WHERE name = $1";
    let found: Result<_, Error> = db.read(move |tx| tx.maybe(sql, &args![name], |row| row.get(0))).await;
    found.expect("a read")
}

pub fn event(db: &Db, subject: &str, sequence: i64) -> Outgoing {
    Outgoing {
        id: db.ids().next(db.clock().now()),
        kind: "account.changed".into(),
        subject: subject.into(),
        sequence,
        at: db.clock().now(),
        actor: "test".into(),
        request_id: "r1".into(),
        data: r#"{"ü":"🔨"}"#.into(),
    }
}

/// Holds the writer's thread in a closure until it is let go, so that a test decides what waits together.
pub struct Hold {
    started: mpsc::Receiver<()>,
    go: std::cell::Cell<Option<mpsc::Sender<()>>>,
}

impl Hold {
    /// The closure's future, to be polled first, and the handle.
    pub fn on(db: &Db) -> (impl Future<Output = ()>, Hold) {
        let (say, started) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let db = db.clone();
        let wait = std::sync::Mutex::new(wait);
        let held = async move {
            let done: Result<(), Error> = db
                .write(move |_| {
                    let _ = say.send(());
                    // Ends at once when it runs a second time: the other side is gone then.
                    let _ = wait.lock().map(|wait| wait.recv());
                    Ok(())
                })
                .await;
            done.expect("the holder");
        };
        (
            held,
            Hold {
                started,
                go: std::cell::Cell::new(Some(go)),
            },
        )
    }

    /// Returns when the writer is held.
    pub fn wait(&self) {
        self.started.recv().expect("the writer runs");
    }

    /// Lets the writer go on.
    pub fn go(&self) {
        drop(self.go.take());
    }
}
