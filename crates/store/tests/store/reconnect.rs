//! PostgreSQL goes away and comes back.

use store::{Error, args};

use crate::place::{Place, balance, pay_in};
use crate::postgres;

/// Ends every connection to the database but the one that asks.
const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test]
async fn a_connection_lost_at_rest_is_made_anew() {
    let place = Place::server().await;
    let Place::Server(url) = &place else { return };
    let db = place.open().await;
    pay_in(&db, "ada", 1).await.unwrap();
    assert_eq!(balance(&db, "ada").await, Some(1));
    postgres::run(url, CUT).await.unwrap();
    assert_eq!(pay_in(&db, "ada", 1).await, Ok(2));
    assert_eq!(balance(&db, "ada").await, Some(2));
}

#[tokio::test]
async fn a_transaction_cut_in_the_middle_runs_again_once() {
    let place = Place::server().await;
    let Place::Server(url) = &place else { return };
    let db = place.open().await;
    pay_in(&db, "ada", 1).await.unwrap();
    let (reached, meet) = std::sync::mpsc::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let mut runs = 0;
    let cut = db.write(move |tx| {
        runs += 1;
        let sql = "UPDATE bank_account SET balance = balance + 1 WHERE name = $1";
        tx.run(sql, &args!["ada"])?;
        if runs == 1 {
            let _ = reached.send(());
            let _ = wait.lock().map(|wait| wait.recv());
        }
        tx.run(sql, &args!["ada"])?;
        Ok::<_, Error>(runs)
    });
    let cutter = async {
        meet.recv().unwrap();
        postgres::run(url, CUT).await.unwrap();
        drop(go);
    };
    let (runs, ()) = tokio::join!(cut, cutter);
    assert_eq!(runs, Ok(2));
    assert_eq!(balance(&db, "ada").await, Some(3), "the first run left nothing");
}

#[tokio::test]
async fn a_table_that_changed_does_not_disturb_prepared_statements() {
    let place = Place::server().await;
    let Place::Server(url) = &place else { return };
    let db = place.open().await;
    pay_in(&db, "ada", 1).await.unwrap();
    let all = || db.write(|tx| tx.all("SELECT * FROM bank_account", &[], |row| row.get::<String>(0)));
    let before: Result<_, Error> = all().await;
    postgres::run(url, "ALTER TABLE bank_account ADD COLUMN colour TEXT")
        .await
        .unwrap();
    assert_eq!(all().await, before);
}
