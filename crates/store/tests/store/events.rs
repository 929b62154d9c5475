//! Events leave with the rows they tell of, in the order of commits.

use base::Time;
use futures_util::future::join_all;
use store::{
    Db, Dead, Error, Stored, bury, cursor, dead, lease, move_cursor, outbox_after, outbox_last, release, rewind_cursor,
    sweep_outbox, unbury,
};

use crate::place::{Place, Refusal, event};
use crate::{in_memory, on_both};

on_both! {
    events_commit_with_their_closure
    nobody_reads_past_an_event_that_is_still_to_come
    subscribers_get_ahead_by_themselves
    one_holder_at_a_time
    dead_letters_can_be_taken_in_later
    numbers_are_given_once
}

in_memory! {
    events_commit_with_their_closure
    subscribers_get_ahead_by_themselves
    one_holder_at_a_time
    dead_letters_can_be_taken_in_later
}

async fn after(db: &Db, seq: i64) -> Vec<Stored> {
    let stored: Result<_, Error> = db.read(move |tx| outbox_after(tx, seq, 1_000)).await;
    stored.expect("a read")
}

async fn events_commit_with_their_closure(place: Place) {
    let db = place.open().await;
    let mut committed = db.committed();
    let (first, second, lost) = (event(&db, "a", 1), event(&db, "a", 2), event(&db, "b", 1));
    let told = [first.clone(), second.clone()];
    let (told, refused) = tokio::join!(
        db.write(move |tx| told.iter().try_for_each(|event| tx.emit(event.clone()))),
        db.write(move |tx| {
            tx.emit(lost.clone())?;
            Err::<(), _>(Refusal::TooLittle)
        }),
    );
    assert_eq!((told, refused), (Ok::<(), Error>(()), Err(Refusal::TooLittle)));
    assert!(committed.has_changed().unwrap());
    committed.mark_unchanged();
    let wanted = [Stored { seq: 1, event: first }, Stored { seq: 2, event: second }];
    assert_eq!(after(&db, 0).await, wanted);
    assert_eq!(after(&db, 1).await, wanted[1..]);

    let quiet: Result<_, Error> = db.write(|tx| tx.next_number("orders")).await;
    assert_eq!(quiet, Ok(1));
    assert!(!committed.has_changed().unwrap(), "no event, no call");
    let last: Result<_, Error> = db.read(outbox_last).await;
    assert_eq!(last, Ok(2));
    let swept: Result<_, Error> = db.write(|tx| sweep_outbox(tx, 1, Time::from_micros(2_000), 10)).await;
    assert_eq!(swept, Ok(1));
    assert_eq!(after(&db, 0).await, wanted[1..]);
}

async fn nobody_reads_past_an_event_that_is_still_to_come(place: Place) {
    let (one, two) = (place.open().await, place.open().await);
    let tell = |db: &Db, subject: &'static str, sequence| {
        let (db, event) = (db.clone(), event(db, subject, sequence));
        async move { db.write(move |tx| tx.emit(event.clone())).await }
    };
    let told = join_all((1..=150).flat_map(|n| [tell(&one, "a", n), tell(&two, "b", n)]));
    let follow = async {
        let mut seen = Vec::new();
        while seen.len() < 300 {
            let next = after(&one, seen.last().copied().unwrap_or(0)).await;
            seen.extend(next.iter().map(|stored| stored.seq));
            tokio::task::yield_now().await;
        }
        seen
    };
    let (told, seen) = tokio::join!(told, follow);
    assert!(told.iter().all(|done: &Result<(), Error>| done.is_ok()), "{told:?}");
    assert_eq!(seen, (1..=300).collect::<Vec<i64>>());
}

async fn subscribers_get_ahead_by_themselves(place: Place) {
    let db = place.open().await;
    let moved: Result<_, Error> = db
        .write(|tx| {
            let before = cursor(tx, "cart")?;
            move_cursor(tx, "cart", 7)?;
            move_cursor(tx, "cart", 5)?;
            let ahead = cursor(tx, "cart")?;
            rewind_cursor(tx, "cart", 2)?;
            Ok((before, ahead, cursor(tx, "cart")?, cursor(tx, "orders")?))
        })
        .await;
    assert_eq!(moved, Ok((0, 7, 2, 0)));
}

async fn one_holder_at_a_time(place: Place) {
    let db = place.open().await;
    let at = Time::from_micros;
    let held: Result<_, Error> = db
        .write(move |tx| {
            Ok([
                lease(tx, "relay", "one", at(20), at(10))?,
                lease(tx, "relay", "two", at(25), at(15))?,
                lease(tx, "relay", "one", at(30), at(19))?,
                lease(tx, "relay", "two", at(40), at(30))?,
            ])
        })
        .await;
    assert_eq!(held, Ok([true, false, true, true]));
    let given_back: Result<_, Error> = db
        .write(move |tx| {
            release(tx, "relay", "one")?;
            let still = lease(tx, "relay", "one", at(50), at(31))?;
            release(tx, "relay", "two")?;
            Ok((still, lease(tx, "relay", "one", at(50), at(31))?))
        })
        .await;
    assert_eq!(given_back, Ok((false, true)));
}

async fn dead_letters_can_be_taken_in_later(place: Place) {
    let db = place.open().await;
    let letter = Dead {
        source: "orders".to_owned(),
        consumer: "cart".into(),
        event: event(&db, "a", 1),
        reason: "no such cart".into(),
        buried_at: Time::from_micros(5),
    };
    let (buried, id) = (letter.clone(), letter.event.id);
    let found: Result<_, Error> = db
        .write(move |tx| {
            bury(tx, &buried)?;
            bury(tx, &buried)?;
            let found = dead(tx, "", "", 10)?;
            let beyond = dead(tx, "cart", &id.to_string(), 10)?;
            Ok((found, beyond.len(), unbury(tx, "cart", id)?, unbury(tx, "cart", id)?))
        })
        .await;
    assert_eq!(found, Ok((vec![letter], 0, true, false)));
}

async fn numbers_are_given_once(place: Place) {
    let (one, two) = (place.open().await, place.open().await);
    let draw = |db: &Db| {
        let db = db.clone();
        async move { db.write(|tx| tx.next_numbers("orders", 3)).await }
    };
    let drawn: Vec<Result<i64, Error>> = join_all((0..20).flat_map(|_| [draw(&one), draw(&two)])).await;
    let mut drawn: Vec<i64> = drawn.into_iter().map(|number| number.expect("numbers")).collect();
    drawn.sort();
    assert_eq!(drawn, (0..40).map(|n| 1 + 3 * n).collect::<Vec<i64>>());
}
