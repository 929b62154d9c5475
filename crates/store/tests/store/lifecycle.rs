//! Opening, closing, migrating.

use store::{Db, Error, Migration, OpenError, Settings, args};

use crate::on_both;
use crate::place::{BANK, Place, Refusal, balance, open, pay_in};

on_both! {
    a_closed_database_kept_everything
    an_older_program_is_told_so
    a_step_runs_once_and_in_order
    an_edited_step_is_refused
    a_failed_step_leaves_nothing
    several_processes_start_together
    it_says_how_durable_it_is
}

const NEXT: Migration = Migration::new("0002_colour", "ALTER TABLE bank_account ADD COLUMN colour TEXT;");

async fn a_closed_database_kept_everything(place: Place) {
    let db = place.open().await;
    let twin = db.clone();
    pay_in(&db, "ada", 3).await.unwrap();
    assert_eq!(db.ping().await, Ok(()));
    db.close().await;
    assert!(matches!(
        pay_in(&twin, "ada", 1).await,
        Err(Refusal::Store(Error::Down(_)))
    ));
    drop(twin);
    if let Place::File(folder) = &place {
        let log = std::fs::metadata(folder.path().join("bank.db-wal")).map_or(0, |log| log.len());
        assert_eq!(log, 0, "the log is in the file");
    }
    assert_eq!(balance(&place.open().await, "ada").await, Some(3));
}

async fn an_older_program_is_told_so(place: Place) {
    let two = [BANK[0], NEXT];
    open(place.settings(), &two).await.unwrap().close().await;
    let refused = open(place.settings(), BANK).await.err().expect("refused");
    assert!(
        matches!(
            refused,
            OpenError::Newer {
                service: "bank",
                found: 2,
                known: 1
            }
        ),
        "{refused:?}"
    );
    let sentence = refused.to_string();
    assert!(
        sentence.contains("newer than this program") && !sentence.contains('\n'),
        "{sentence}"
    );
}

async fn a_step_runs_once_and_in_order(place: Place) {
    let db = place.open().await;
    pay_in(&db, "ada", 3).await.unwrap();
    db.close().await;
    for _ in 0..2 {
        let db = open(place.settings(), &[NEXT, BANK[0]]).await.unwrap();
        let done: Result<u64, Error> = db
            .write(|tx| tx.run("UPDATE bank_account SET colour = $1", &args!["red"]))
            .await;
        assert_eq!(done, Ok(1));
        db.close().await;
    }
}

async fn an_edited_step_is_refused(place: Place) {
    place.open().await.close().await;
    let edited = Migration::new("0001_bank", "CREATE TABLE bank_account (name TEXT PRIMARY KEY);");
    let refused = open(place.settings(), &[edited]).await.err().expect("refused");
    assert!(
        matches!(refused, OpenError::Changed { service: "bank", .. }),
        "{refused:?}"
    );
}

async fn a_failed_step_leaves_nothing(place: Place) {
    let broken = Migration::new(
        "0001_bank",
        "CREATE TABLE bank_account (name TEXT PRIMARY KEY); CREATE TABEL x;",
    );
    let refused = open(place.settings(), &[broken]).await.err().expect("refused");
    assert!(
        matches!(refused, OpenError::Migration { service: "bank", .. }),
        "{refused:?}"
    );
    pay_in(&place.open().await, "ada", 1).await.unwrap();
}

async fn several_processes_start_together(place: Place) {
    let all = (0..4).map(|_| open(place.settings(), BANK));
    for opened in futures_util::future::join_all(all).await {
        pay_in(&opened.expect("opens"), "ada", 1).await.unwrap();
    }
    assert_eq!(balance(&place.open().await, "ada").await, Some(4));
}

async fn it_says_how_durable_it_is(place: Place) {
    let db = place.open().await;
    let told = db.durability().await;
    match place {
        Place::Server(_) => assert!(told.iter().any(|(name, _)| *name == "fsync"), "{told:?}"),
        _ => assert_eq!(
            told,
            [("synchronous", "FULL".to_owned()), ("journal_mode", "wal".to_owned())]
        ),
    }
}

#[tokio::test]
async fn in_memory_closures_run_in_the_calling_task() {
    let db: Db = open(Settings::memory("bank"), BANK).await.unwrap();
    let here = std::thread::current().id();
    let there: Result<_, Error> = db.write(|_| Ok(std::thread::current().id())).await;
    assert_eq!(there, Ok(here));
    assert_eq!(pay_in(&db, "ada", 2).await, Ok(2));
    assert_eq!(balance(&db, "ada").await, Some(2));
    let other = open(Settings::memory("bank"), BANK).await.unwrap();
    assert_eq!(balance(&other, "ada").await, None, "each has its own");
    db.close().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_one_sentence() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let place = Place::Server(format!("postgres://u:secret@127.0.0.1:{port}/x"));
    let refused = open(place.settings(), BANK).await.err().expect("refused").to_string();
    assert!(refused.starts_with("cannot open the database of bank: "), "{refused}");
    assert!(!refused.contains("secret"), "{refused}");
}

/// A steady writer must not keep the log from starting anew.
#[tokio::test]
async fn the_log_stays_short() {
    let place = Place::file();
    let Place::File(folder) = &place else { return };
    let db = place.open().await;
    let note = "x".repeat(4_000);
    let fill = |batch: i64| {
        let note = note.clone();
        db.write(move |tx| {
            let sql = "INSERT INTO bank_account (name, balance, note) VALUES ($1, $2, $3)";
            (0..500).try_for_each(|n| tx.run(sql, &args![format!("{batch}-{n}"), n, &note]).map(drop))
        })
    };
    // 200 MB in transactions that follow one another without a pause.
    let all = (0..4).map(|start| {
        let fill = &fill;
        async move {
            for batch in (start..100).step_by(4) {
                fill(batch).await?;
            }
            Ok::<(), Error>(())
        }
    });
    for done in futures_util::future::join_all(all).await {
        assert_eq!(done, Ok(()));
    }
    let log = std::fs::metadata(folder.path().join("bank.db-wal"))
        .expect("a log")
        .len();
    assert!(log < 100 << 20, "{log} bytes");
}
