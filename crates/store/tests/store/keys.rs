//! What is asked for twice is done once.

use base::{EventId, Time};
use store::{Db, Error, Once, args, seen, sweep_once};

use crate::place::{Place, Refusal, balance, pay_in};
use crate::{in_memory, on_both};

on_both! {
    a_repeated_call_gets_its_answer_again
    a_key_belongs_to_one_request
    twins_have_one_effect
    twins_in_two_processes_have_one_effect
    a_refusal_is_decided_anew
    an_event_is_seen_once
}

in_memory! {
    a_repeated_call_gets_its_answer_again
    a_key_belongs_to_one_request
    twins_have_one_effect
    a_refusal_is_decided_anew
    an_event_is_seen_once
}

fn key(key: &str, fingerprint: &str) -> Option<Once> {
    Some(Once {
        scope: "ada POST /pay".into(),
        key: key.into(),
        fingerprint: fingerprint.into(),
    })
}

async fn add(db: &Db, once: Option<Once>) -> Result<(i64, bool), Refusal> {
    let answered = db
        .write_once(once, |tx| {
            let sql = "UPDATE bank_account SET balance = balance + 1 WHERE name = $1 RETURNING balance";
            Ok::<i64, Refusal>(tx.one(sql, &args!["ada"], |row| row.get(0))?)
        })
        .await?;
    Ok((answered.value, answered.replayed))
}

async fn a_repeated_call_gets_its_answer_again(place: Place) {
    let db = place.open().await;
    pay_in(&db, "ada", 0).await.unwrap();
    assert_eq!(add(&db, key("k", "f")).await, Ok((1, false)));
    assert_eq!(add(&db, key("other", "f")).await, Ok((2, false)));
    assert_eq!(add(&db, key("k", "f")).await, Ok((1, true)));
    assert_eq!(add(&db, None).await, Ok((3, false)));
}

async fn a_key_belongs_to_one_request(place: Place) {
    let db = place.open().await;
    pay_in(&db, "ada", 0).await.unwrap();
    assert_eq!(add(&db, key("k", "f")).await, Ok((1, false)));
    assert_eq!(add(&db, key("k", "g")).await, Err(Refusal::Store(Error::KeyReused)));
    let swept: Result<u64, Error> = db.write(|tx| sweep_once(tx, Time::from_micros(1_001), 10)).await;
    assert_eq!(swept, Ok(1));
    assert_eq!(add(&db, key("k", "g")).await, Ok((2, false)), "forgotten");
}

async fn twins_have_one_effect(place: Place) {
    let db = place.open().await;
    pay_in(&db, "ada", 0).await.unwrap();
    let twins = (0..10).map(|_| add(&db, key("k", "f")));
    let answers = futures_util::future::join_all(twins).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref().map(|answer| answer.0) == Ok(1)),
        "{answers:?}"
    );
    assert_eq!(answers.iter().filter(|answer| **answer == Ok((1, false))).count(), 1);
    assert_eq!(balance(&db, "ada").await, Some(1));
}

async fn twins_in_two_processes_have_one_effect(place: Place) {
    let (one, two) = (place.open().await, place.open().await);
    pay_in(&one, "ada", 0).await.unwrap();
    for round in 0..20 {
        let name = format!("k{round}");
        let (first, second) = tokio::join!(add(&one, key(&name, "f")), add(&two, key(&name, "f")));
        assert_eq!((first.unwrap().0, second.unwrap().0), (round + 1, round + 1));
    }
    assert_eq!(balance(&one, "ada").await, Some(20));
}

async fn a_refusal_is_decided_anew(place: Place) {
    let db = place.open().await;
    let refused = db
        .write_once(key("k", "f"), |_| Err::<i64, _>(Refusal::TooLittle))
        .await;
    assert_eq!(refused, Err(Refusal::TooLittle));
    pay_in(&db, "ada", 0).await.unwrap();
    assert_eq!(add(&db, key("k", "f")).await, Ok((1, false)));
}

async fn an_event_is_seen_once(place: Place) {
    let db = place.open().await;
    let id: EventId = db.ids().next(db.clock().now());
    let look = |consumer: &'static str| db.write(move |tx| seen(tx, consumer, id));
    let looks: [Result<bool, Error>; 3] = [look("cart").await, look("cart").await, look("orders").await];
    assert_eq!(looks, [Ok(false), Ok(true), Ok(false)]);
    let failed = db
        .write(move |tx| {
            seen(tx, "late", id)?;
            Err::<(), _>(Refusal::TooLittle)
        })
        .await;
    assert_eq!(failed, Err(Refusal::TooLittle));
    assert_eq!(look("late").await, Ok(false), "without its effect it was not seen");
}
