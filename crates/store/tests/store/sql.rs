//! The portable subset means the same on both engines.

use store::{Error, Value, args, texts};

use crate::place::{Place, balance, pay_in};
use crate::{in_memory, on_both};

on_both! {
    values_come_back_as_they_went
    parameters_go_by_number
    arrays_are_one_parameter
    text_sorts_by_code_point
    a_mistake_is_an_error_and_spoils_the_transaction
    a_read_sees_one_moment_and_cannot_write
    statements_go_in_one_breath
    a_scan_reads_what_a_read_does
}

in_memory! {
    values_come_back_as_they_went
    arrays_are_one_parameter
    a_mistake_is_an_error_and_spoils_the_transaction
    a_scan_reads_what_a_read_does
}

async fn values_come_back_as_they_went(place: Place) {
    let db = place.open().await;
    let hard = "'); DROP TABLE bank_account; -- \u{1F528} ü\n\"$1\" ?1";
    let found: Result<_, Error> = db
        .write(move |tx| {
            let sql = "INSERT INTO bank_account (name, balance, note) VALUES ($1, $2, $3)";
            tx.run(sql, &args![hard, i64::MAX, None::<String>])?;
            tx.run(sql, &args!["json", i64::MIN, r#"{"a":[1,2]}"#])?;
            let sql = "SELECT name, balance, note, balance > 0 FROM bank_account ORDER BY balance";
            let rows = tx.all(sql, &[], |row| {
                Ok((
                    row.get::<String>(0)?,
                    row.get::<i64>(1)?,
                    row.get::<Option<String>>(2)?,
                    row.get::<bool>(3)?,
                ))
            })?;
            let json: Vec<i64> = tx.one("SELECT note FROM bank_account WHERE note IS NOT NULL", &[], |row| {
                row.json::<std::collections::BTreeMap<String, Vec<i64>>>(0)
                    .map(|mut map| map.remove("a").unwrap())
            })?;
            let narrow = tx.one(
                "SELECT balance FROM bank_account WHERE name = $1",
                &args!["json"],
                |row| row.get::<u32>(0),
            );
            assert!(matches!(narrow, Err(Error::Corrupt(_))), "{narrow:?}");
            Ok((rows, json))
        })
        .await;
    let rows = vec![
        ("json".to_owned(), i64::MIN, Some(r#"{"a":[1,2]}"#.to_owned()), false),
        (hard.to_owned(), i64::MAX, None, true),
    ];
    assert_eq!(found, Ok((rows, vec![1, 2])));
}

async fn parameters_go_by_number(place: Place) {
    let db = place.open().await;
    pay_in(&db, "ada", 1).await.unwrap();
    let done: Result<_, Error> = db
        .write(|tx| {
            // $2 appears first, $1 twice, '$3' is text.
            let sql = "UPDATE bank_account SET balance = $2, note = '$3' WHERE name = $1 AND name = $1 -- $4";
            let changed = tx.run(sql, &args!["ada", 5i64])?;
            let gone = tx.run("DELETE FROM bank_account WHERE name = $1", &args!["nobody"])?;
            Ok((changed, gone))
        })
        .await;
    assert_eq!(done, Ok((1, 0)));
    assert_eq!(balance(&db, "ada").await, Some(5));
}

async fn arrays_are_one_parameter(place: Place) {
    let db = place.open().await;
    for (name, amount) in [("a", 1), ("b", 2), ("c'\"\\", 3)] {
        pay_in(&db, name, amount).await.unwrap();
    }
    let found: Result<_, Error> = db
        .read(|tx| {
            let by_name = "SELECT balance FROM bank_account WHERE name = ANY($1) ORDER BY balance";
            let by_balance = "SELECT name FROM bank_account WHERE balance <> ALL($1)";
            Ok((
                tx.all(by_name, &args![texts(["a", "c'\"\\", "x"])], |row| row.get::<i64>(0))?,
                tx.all(by_balance, &args![vec![1i64, 3]], |row| row.get::<String>(0))?,
                tx.all(by_name, &args![Value::Texts(Vec::new())], |row| row.get::<i64>(0))?,
            ))
        })
        .await;
    assert_eq!(found, Ok((vec![1, 3], vec!["b".to_owned()], vec![])));
}

async fn text_sorts_by_code_point(place: Place) {
    let db = place.open().await;
    for name in ["é", "a", "Z", "z", "🔨", "_"] {
        pay_in(&db, name, 1).await.unwrap();
    }
    let sorted: Result<Vec<String>, Error> = db
        .read(|tx| tx.all("SELECT name FROM bank_account ORDER BY name", &[], |row| row.get(0)))
        .await;
    assert_eq!(sorted.unwrap(), ["Z", "_", "a", "z", "é", "🔨"]);
}

async fn a_mistake_is_an_error_and_spoils_the_transaction(place: Place) {
    let db = place.open().await;
    pay_in(&db, "ada", 1).await.unwrap();
    let fails = |sql: &'static str, args: Vec<Value>| {
        let db = db.clone();
        async move {
            let done: Result<(), Error> = db
                .write(move |tx| {
                    tx.run("UPDATE bank_account SET balance = 9 WHERE name = $1", &args!["ada"])?;
                    let first = tx.run(sql, &args).expect_err("a mistake");
                    let second = tx.run("DELETE FROM bank_account", &[]).expect_err("spoilt");
                    assert_eq!(first, second);
                    Ok(())
                })
                .await;
            done.expect_err("the transaction is spoilt")
        }
    };
    let sql = |error: &Error| matches!(error, Error::Sql(_));
    assert!(sql(&fails("SELEC 1", vec![]).await));
    assert!(
        sql(&fails("UPDATE bank_account SET balance = $1", vec![]).await),
        "too few arguments"
    );
    assert!(
        sql(&fails("DELETE FROM bank_account", args![1i64].to_vec()).await),
        "too many arguments"
    );
    assert!(
        sql(&fails("UPDATE bank_account SET balance = $1", args!["text"].to_vec()).await),
        "a strict type"
    );
    let twice = fails(
        "INSERT INTO bank_account (name, balance) VALUES ($1, $2)",
        args!["ada", 1i64].to_vec(),
    )
    .await;
    assert!(matches!(twice, Error::Duplicate(_)), "{twice:?}");
    assert_eq!(balance(&db, "ada").await, Some(1));

    let none: Result<i64, Error> = db
        .read(|tx| {
            tx.one("SELECT balance FROM bank_account WHERE name = 'x'", &[], |row| {
                row.get(0)
            })
        })
        .await;
    assert_eq!(none, Err(Error::Absent));
    pay_in(&db, "bob", 1).await.unwrap();
    let several: Result<Option<i64>, Error> = db
        .read(|tx| tx.maybe("SELECT balance FROM bank_account", &[], |row| row.get(0)))
        .await;
    assert!(matches!(several, Err(Error::Corrupt(_))));
}

async fn a_read_sees_one_moment_and_cannot_write(place: Place) {
    let db = place.open().await;
    pay_in(&db, "ada", 1).await.unwrap();
    let refused: Result<u64, Error> = db.read(|tx| tx.run("DELETE FROM bank_account", &[])).await;
    assert!(matches!(refused, Err(Error::Sql(_))), "{refused:?}");
    assert_eq!(balance(&db, "ada").await, Some(1));

    let (reached, meet) = std::sync::mpsc::channel();
    let (go, wait) = std::sync::mpsc::channel();
    let wait = std::sync::Mutex::new(wait);
    let reader = db.scan(move |tx| {
        let sum = "SELECT CAST(SUM(balance) AS BIGINT) FROM bank_account";
        let before: i64 = tx.one(sql_of(sum), &[], |row| row.get(0))?;
        reached.send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
        let after: i64 = tx.one(sql_of(sum), &[], |row| row.get(0))?;
        Ok::<_, Error>((before, after))
    });
    let writer = async {
        meet.recv().unwrap();
        pay_in(&db, "ada", 10).await.unwrap();
        go.send(()).unwrap();
    };
    let (seen, ()) = tokio::join!(reader, writer);
    assert_eq!(seen, Ok((1, 1)));
    assert_eq!(balance(&db, "ada").await, Some(11));
}

fn sql_of(text: &'static str) -> &'static str {
    text
}

async fn statements_go_in_one_breath(place: Place) {
    let db = place.open().await;
    let changed: Result<_, Error> = db
        .write(|tx| {
            let names: Vec<[Value; 2]> = (0..60).map(|n| args![format!("n{n}"), n]).collect();
            let insert = "INSERT INTO bank_account (name, balance) VALUES ($1, $2)";
            let all: Vec<(&str, &[Value])> = names.iter().map(|args| (insert, &args[..])).collect();
            let inserted = tx.batch(&all)?;
            let raised = tx.batch(&[
                ("UPDATE bank_account SET balance = balance + 1", &[]),
                ("DELETE FROM bank_account", &[]),
            ])?;
            Ok((inserted, raised))
        })
        .await;
    assert_eq!(changed, Ok((vec![1; 60], vec![60, 60])));
}

async fn a_scan_reads_what_a_read_does(place: Place) {
    let db = place.open().await;
    pay_in(&db, "ada", 1).await.unwrap();
    let scans = (0..20).map(|_| db.scan(|tx| tx.one("SELECT balance FROM bank_account", &[], |row| row.get(0))));
    let found: Vec<Result<i64, Error>> = futures_util::future::join_all(scans).await;
    assert!(found.iter().all(|one| *one == Ok(1)), "{found:?}");
    let panicked: Result<(), Error> = db.read(|_| panic!("on purpose")).await;
    assert_eq!(panicked, Err(Error::Panicked));
    assert_eq!(balance(&db, "ada").await, Some(1));
}
