//! Closures that share a commit do not share their fate.

use futures_util::future::join_all;
use store::{Combiner, Db, Error, Migration, Outgoing, Tx, args, outbox_after};

use crate::place::{Hold, Place, Refusal, balance, event, open, pay_in};
use crate::{in_memory, on_both};

on_both! {
    neighbours_are_not_hurt
    a_full_queue_says_so_at_once
    a_conflict_runs_the_closure_again
    a_batch_answers_each_item
    a_bad_item_spoils_only_itself
    a_contended_batch_runs_again
    a_refused_commit_hurts_only_its_cause
    one_connection_per_item_or_many_the_sum_is_the_same
}

in_memory! {
    a_conflict_runs_the_closure_again
    a_contended_batch_runs_again
    a_combiner_in_memory_takes_one_by_one
}

const TAKE: &str = "UPDATE bank_account SET balance = balance - $2 WHERE name = $1 AND balance >= $2";

async fn neighbours_are_not_hurt(place: Place) {
    let db = place.open().await;
    pay_in(&db, "ada", 10).await.unwrap();
    let before = db.figures();
    let (held, hold) = Hold::on(&db);
    let refused = db.write(|tx| {
        tx.run(TAKE, &args!["ada", 5i64])?;
        tx.run(TAKE, &args!["ada", 99i64])?;
        Err::<(), _>(Refusal::TooLittle)
    });
    let panicking = db.write(|tx| -> Result<(), Refusal> {
        tx.run(TAKE, &args!["ada", 5i64])?;
        panic!("on purpose");
    });
    let swallowing = db.write(|tx| {
        tx.run(TAKE, &args!["ada", 5i64])?;
        let _ = tx.run(
            "INSERT INTO bank_account (name, balance) VALUES ($1, $2)",
            &args!["ada", 0i64],
        );
        Ok::<_, Refusal>(())
    });
    let ((), _, refused, panicking, fine, swallowing, polite, _) = tokio::join!(
        held,
        async { hold.wait() },
        refused,
        panicking,
        pay_in(&db, "bob", 7),
        swallowing,
        db.write(|_| Err::<(), _>(Refusal::TooLittle)),
        async { hold.go() },
    );
    assert_eq!(refused, Err(Refusal::TooLittle));
    assert_eq!(panicking, Err(Refusal::Store(Error::Panicked)));
    assert_eq!(fine, Ok(7));
    assert!(
        matches!(swallowing, Err(Refusal::Store(Error::Duplicate(_)))),
        "{swallowing:?}"
    );
    assert_eq!(polite, Err(Refusal::TooLittle));
    assert_eq!(balance(&db, "ada").await, Some(10));
    assert_eq!(balance(&db, "bob").await, Some(7));
    assert_eq!(db.figures().commits - before.commits, 1, "one commit for what was kept");
}

async fn a_full_queue_says_so_at_once(place: Place) {
    let mut settings = place.settings();
    settings.queue = 2;
    let db = open(settings, crate::place::BANK).await.unwrap();
    let (held, hold) = Hold::on(&db);
    let (_, _, first, second, third, _) = tokio::join!(
        held,
        async { hold.wait() },
        pay_in(&db, "ada", 1),
        pay_in(&db, "ada", 1),
        pay_in(&db, "ada", 1),
        async { hold.go() },
    );
    assert_eq!((first, second), (Ok(1), Ok(2)));
    assert_eq!(third, Err(Refusal::Store(Error::Busy)));
}

async fn a_conflict_runs_the_closure_again(place: Place) {
    let db = place.open().await;
    pay_in(&db, "ada", 10).await.unwrap();
    let mut runs = 0;
    let runs = db.write(move |tx| {
        runs += 1;
        tx.run(TAKE, &args!["ada", 1i64])?;
        if runs < 3 { Err(tx.conflict()) } else { Ok(runs) }
    });
    assert_eq!(runs.await, Ok(3));
    assert_eq!(balance(&db, "ada").await, Some(9), "only the last run counts");

    let hopeless: Result<(), Error> = db
        .write(|tx| {
            tx.run(TAKE, &args!["ada", 1i64])?;
            Err(tx.conflict())
        })
        .await;
    assert_eq!(hopeless, Err(Error::Conflict));
    assert_eq!(balance(&db, "ada").await, Some(9));
}

/// Takes amounts from accounts, in order of arrival, with one look and one write per batch.
fn take(tx: &mut Tx<'_>, items: &[(&'static str, i64)]) -> Result<Vec<Result<i64, Refusal>>, Error> {
    let mut results = Vec::new();
    for (name, amount) in items {
        let left = tx.maybe(&format!("{TAKE} RETURNING balance"), &args![*name, *amount], |row| {
            row.get(0)
        })?;
        results.push(left.ok_or(Refusal::TooLittle));
    }
    Ok(results)
}

async fn a_batch_answers_each_item(place: Place) {
    let db = place.open().await;
    pay_in(&db, "ada", 299).await.unwrap();
    let take = Combiner::new(&db, take);
    let (held, hold) = Hold::on(&db);
    let before = db.figures();
    let calls = (0..300).map(|_| take.call(("ada", 1)));
    let (_, _, results, _) = tokio::join!(held, async { hold.wait() }, join_all(calls), async { hold.go() });
    for (place, result) in results.iter().enumerate() {
        let wanted = if place < 299 {
            Ok(298 - place as i64)
        } else {
            Err(Refusal::TooLittle)
        };
        assert_eq!(*result, wanted, "item {place}");
    }
    let after = db.figures();
    assert_eq!((after.batches - before.batches, after.largest_batch), (2, 256));
    assert!(after.commits - before.commits <= 2, "{after:?}");
    assert_eq!(balance(&db, "ada").await, Some(0));
}

async fn a_bad_item_spoils_only_itself(place: Place) {
    let db = place.open().await;
    pay_in(&db, "ada", 10).await.unwrap();
    let take = Combiner::new(&db, |tx, items| {
        let results = take(tx, items)?;
        if items.iter().any(|item| item.1 == 3) {
            tx.run(
                "INSERT INTO bank_account (name, balance) VALUES ($1, $2)",
                &args!["ada", 0i64],
            )?;
        }
        assert!(!items.iter().any(|item| item.1 == 4), "on purpose");
        Ok(results)
    });
    let (held, hold) = Hold::on(&db);
    let calls = [1, 2, 3, 4, 5].map(|amount| take.call(("ada", amount)));
    let (_, _, results, _) = tokio::join!(held, async { hold.wait() }, join_all(calls), async { hold.go() });
    assert_eq!((&results[0], &results[1], &results[4]), (&Ok(9), &Ok(7), &Ok(2)));
    assert!(
        matches!(results[2], Err(Refusal::Store(Error::Duplicate(_)))),
        "{:?}",
        results[2]
    );
    assert_eq!(results[3], Err(Refusal::Store(Error::Panicked)));
}

async fn a_contended_batch_runs_again(place: Place) {
    let db = place.open().await;
    pay_in(&db, "ada", 10).await.unwrap();
    let mut runs = 0;
    let take = Combiner::new(&db, move |tx, items| {
        runs += 1;
        let results = take(tx, items)?;
        if runs == 1 { Err(tx.conflict()) } else { Ok(results) }
    });
    assert_eq!(take.call(("ada", 4)).await, Ok(6));
    assert_eq!(db.figures().reruns, 1);
    assert_eq!(balance(&db, "ada").await, Some(6));
}

/// What is only checked at COMMIT fails the whole group, which then runs one by one.
async fn a_refused_commit_hurts_only_its_cause(place: Place) {
    let late = Migration::new(
        "0002_late",
        "CREATE TABLE bank_card (number BIGINT PRIMARY KEY,
            name TEXT NOT NULL REFERENCES bank_account (name) DEFERRABLE INITIALLY DEFERRED);",
    );
    let db = open(place.settings(), &[crate::place::BANK[0], late]).await.unwrap();
    let card = |number: i64, name: &'static str, event: Outgoing| {
        db.write(move |tx| {
            tx.run(
                "INSERT INTO bank_card (number, name) VALUES ($1, $2)",
                &args![number, name],
            )?;
            tx.emit(event.clone())
        })
    };
    pay_in(&db, "ada", 1).await.unwrap();
    let (held, hold) = Hold::on(&db);
    let (_, _, first, orphan, second, _) = tokio::join!(
        held,
        async { hold.wait() },
        card(1, "ada", event(&db, "first", 1)),
        card(2, "nobody", event(&db, "orphan", 1)),
        card(3, "ada", event(&db, "second", 1)),
        async { hold.go() },
    );
    assert_eq!((first, second), (Ok::<(), Error>(()), Ok(())));
    assert!(matches!(orphan, Err(Error::Sql(_))), "{orphan:?}");
    let kept: Result<_, Error> = db
        .read(|tx| {
            let cards = tx.all("SELECT number FROM bank_card ORDER BY number", &[], |row| {
                row.get::<i64>(0)
            })?;
            let told = outbox_after(tx, 0, 10)?
                .into_iter()
                .map(|stored| (stored.seq, stored.event.subject));
            Ok((cards, told.collect::<Vec<_>>()))
        })
        .await;
    assert_eq!(
        kept,
        Ok((vec![1, 3], vec![(1, "first".to_owned()), (2, "second".to_owned())]))
    );
}

/// Two processes on one database: no update is lost, whoever waits for whom.
async fn one_connection_per_item_or_many_the_sum_is_the_same(place: Place) {
    let (one, two) = (place.open().await, place.open().await);
    pay_in(&one, "ada", 0).await.unwrap();
    pay_in(&one, "bob", 0).await.unwrap();
    let add = |db: &Db, first: &'static str, second: &'static str| {
        let db = db.clone();
        async move {
            db.write(move |tx| {
                let sql = "UPDATE bank_account SET balance = balance + 1 WHERE name = $1";
                tx.run(sql, &args![first])?;
                tx.run(sql, &args![second])
            })
            .await
        }
    };
    // The order of the rows differs: without running again some of these would be deadlocks.
    let all = (0..100).flat_map(|_| [add(&one, "ada", "bob"), add(&two, "bob", "ada")]);
    let results: Vec<Result<u64, Error>> = join_all(all).await;
    let lost = results.iter().filter(|result| result.is_err()).count();
    assert_eq!(lost, 0, "{results:?}");
    assert_eq!(
        (balance(&one, "ada").await, balance(&one, "bob").await),
        (Some(200), Some(200))
    );
}

async fn a_combiner_in_memory_takes_one_by_one(place: Place) {
    let db = place.open().await;
    pay_in(&db, "ada", 299).await.unwrap();
    let take = Combiner::new(&db, take);
    let results = join_all((0..300).map(|_| take.call(("ada", 1)))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 299);
    assert_eq!(results[299], Err(Refusal::TooLittle));
}
