//! What orders does alone: its rows, its guards, and what it refuses before it asks anybody. The purchase across
//! services is tested on real processes.

mod desk;
mod door;
mod letters;
mod neighbours;
mod streams;

use ::store::{Db, Engine, Settings};
use api::orders::{NewItem, NewOrder, OrderStatus};
use api::payments::{PaymentMethod, PaymentStatus};
use base::{Address, CartId, Clock, Currency, Ids, Money, OrderId, Page, Time, UserId};
use std::time::Duration;
use wire::Problem;

use crate::domain::{Line, Order, OrderEvent, Outcome, Placing, Written, apply, total};
use crate::error::Error;
use crate::gather;
use crate::store::{self, Filter, Inserted, Place, Save};

const NOW: Time = testkit::service::NOW;
const MINUTE: Duration = Duration::from_secs(60);

testkit::on_both! {
    super::open;
    a_cart_or_a_key_becomes_one_order
    a_failed_order_makes_room_for_the_next
    whoever_reads_first_and_writes_last_has_lost
    pages_have_no_gaps_and_hide_what_was_refused
    what_is_due_is_taken_once
    an_order_at_rest_is_left_alone_unless_it_is_undone
    an_order_reads_as_it_was_written
    a_refund_is_heard_once_and_nothing_older_after_it
    a_batch_places_each_once_in_a_few_statements
    a_batch_writes_what_nobody_changed_meanwhile
    a_key_of_both_stays_the_accounts
    who_joined_a_refused_order_is_decided_anew
    events_keep_peoples_words_to_themselves
}

async fn open(engine: Engine) -> Db {
    Db::open(
        Settings::new(engine, "orders"),
        crate::MIGRATIONS,
        Clock::paused(NOW),
        Ids::random(),
    )
    .await
    .expect("a database")
}

fn placing(user: UserId, cart: Option<(CartId, i64)>, key: Option<&str>) -> Placing {
    let ids = Ids::random();
    let line = |sku: &str, quantity| Line {
        id: ids.next(NOW),
        product: ids.next(NOW),
        variant: ids.next(NOW),
        sku: sku.into(),
        name: format!("A {sku}"),
        price: Money::new(1_250, Currency::USD),
        quantity,
    };
    let lines = vec![line("NAIL", 2), line("ANVIL", 1)];
    Placing {
        id: ids.next(NOW),
        user,
        guest: false,
        email: Some("ada@example.com".into()),
        method: PaymentMethod::CreditCard,
        token: Some("tok_visa".into()),
        totals: total(&lines, Currency::USD, true).expect("a total"),
        lines,
        shipping_address: Some(Address {
            street: "Main St 1".into(),
            city: "Springfield".into(),
            postal_code: "12345".into(),
            country: "US".into(),
            ..Address::default()
        }),
        billing_address: None,
        cart,
        key: key.map(|key| (key.to_owned(), "print".to_owned())),
        expires_at: NOW.after(30 * MINUTE),
        resume_at: NOW.after(MINUTE),
    }
}

fn user() -> UserId {
    Ids::random().next(NOW)
}

/// Places an order; says whether it is a twin's.
async fn place(db: &Db, placing: Placing) -> (Order, bool) {
    place_all(db, vec![placing]).await.remove(0)
}

/// Places orders in one batch.
async fn place_all(db: &Db, placings: Vec<Placing>) -> Vec<(Order, bool)> {
    let asked = |placing: Placing| Place {
        placing,
        by: "usr".into(),
        request_id: "req".into(),
        now: NOW,
    };
    let asked: Vec<Place> = placings.into_iter().map(asked).collect();
    let inserted = db
        .write::<_, Error, _>(move |tx| Ok(store::insert(tx, &asked)?))
        .await
        .expect("a batch");
    let placed = inserted.into_iter().map(|inserted| match inserted.expect("an order") {
        Inserted::New(order) => (*order, false),
        Inserted::Twin(order) => (*order, true),
    });
    placed.collect()
}

async fn save(db: &Db, order: &Order, told: Option<OrderEvent>) -> bool {
    let order = order.clone();
    db.write::<_, Error, _>(move |tx| store::save(tx, &mut order.clone(), told, "usr", "req", NOW))
        .await
        .expect("a write")
}

async fn read(db: &Db, id: OrderId) -> Order {
    db.read::<_, Error, _>(move |tx| store::by_id(tx, id))
        .await
        .expect("a read")
        .expect("an order")
}

async fn a_cart_or_a_key_becomes_one_order(db: Db) {
    let (ada, cart) = (user(), Ids::random().next::<CartId>(NOW));
    let (first, twin) = place(&db, placing(ada, Some((cart, 1)), Some("a"))).await;
    assert!(!twin);
    for (cart, key) in [
        (Some((cart, 1)), None),
        (None, Some("a")),
        (Some((cart, 2)), Some("a")),
        (Some((cart, 1)), Some("b")),
    ] {
        let (same, twin) = place(&db, placing(ada, cart, key)).await;
        assert!(twin && same.id == first.id, "{cart:?} {key:?}");
    }
    for (user, cart, key) in [
        (ada, Some((cart, 2)), None),
        (ada, None, Some("c")),
        (user(), None, Some("a")),
        (ada, None, None),
    ] {
        let (other, twin) = place(&db, placing(user, cart, key)).await;
        assert!(
            !twin && other.id != first.id && other.number > first.number,
            "{cart:?} {key:?}"
        );
    }
}

async fn a_failed_order_makes_room_for_the_next(db: Db) {
    let cart = Some((Ids::random().next::<CartId>(NOW), 1));
    let (first, _) = place(&db, placing(user(), cart, None)).await;
    let (cancelled, event) = first
        .clone()
        .cancel(None, None, "usr", NOW, NOW)
        .expect("a pending order");
    assert!(save(&db, &cancelled, Some(event)).await);
    let (second, twin) = place(&db, placing(first.user, cart, None)).await;
    assert!(!twin && second.id != first.id);
}

async fn whoever_reads_first_and_writes_last_has_lost(db: Db) {
    let (order, _) = place(&db, placing(user(), None, None)).await;
    let (slow, quick) = (order.clone(), order.clone());
    let (quick, event) = quick.cancel(None, None, "usr", NOW, NOW).expect("a pending order");
    assert!(save(&db, &quick, Some(event)).await);
    assert!(!save(&db, &slow, Some(OrderEvent::Confirmed)).await);
    let kept = read(&db, order.id).await;
    assert_eq!(
        (kept.status, kept.sequence, kept.history.len()),
        (OrderStatus::Cancelled, 2, 2)
    );
    let told = db
        .read(|tx| ::store::outbox_after(tx, 0, 10))
        .await
        .expect("the outbox");
    let told: Vec<_> = told
        .iter()
        .map(|stored| (stored.event.kind.as_ref(), stored.event.sequence))
        .collect();
    assert_eq!(told, [("OrderCreated", 1), ("OrderCancelled", 2)]);
}

async fn pages_have_no_gaps_and_hide_what_was_refused(db: Db) {
    let ada = user();
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(place(&db, placing(ada, None, None)).await.0.id);
    }
    let mut refused = read(&db, ids[3]).await;
    refused.refusal = Some(crate::domain::Refusal { lines: Vec::new() });
    assert!(save(&db, &refused, None).await);
    place(&db, placing(user(), None, None)).await;
    ids.remove(3);
    ids.sort();
    ids.reverse();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let filter = Filter {
            user: Some(ada),
            ..Filter::default()
        };
        let page = Page { limit: 2, after: None };
        let (orders, more) = db
            .scan(move |tx| store::list(tx, &filter, after, &page))
            .await
            .expect("a page");
        seen.extend(orders.iter().map(|order| order.id));
        after = seen.last().copied();
        if !more {
            break;
        }
    }
    assert_eq!(seen, ids);
}

async fn what_is_due_is_taken_once(db: Db) {
    let (order, _) = place(&db, placing(user(), None, None)).await;
    let due = |now: Time| db.read::<_, Error, _>(move |tx| store::due(tx, now, 10));
    assert_eq!(due(NOW).await.expect("none"), []);
    let later = NOW.after(2 * MINUTE);
    assert_eq!(due(later).await.expect("one"), [order.id]);
    let claim = || db.write::<_, Error, _>(move |tx| store::claim(tx, &[order.id], later.after(MINUTE), later));
    assert_eq!(claim().await.expect("taken"), [order.id]);
    assert_eq!(claim().await.expect("taken by the other"), []);
}

async fn a_refund_is_heard_once_and_nothing_older_after_it(db: Db) {
    let (order, _) = place(&db, placing(user(), None, None)).await;
    let hear = |status: PaymentStatus, version: i64| {
        let heard = [(order.id, status, version)];
        db.write::<_, Error, _>(move |tx| store::given_back(tx, &heard, NOW))
    };
    hear(PaymentStatus::Refunded, 1).await.expect("a write");
    let woken = read(&db, order.id).await;
    assert_eq!(
        (woken.payment_version, woken.resume_at),
        (0, Some(NOW)),
        "a pending order asks by itself, now"
    );
    assert!(!save(&db, &order, None).await, "whoever would confirm it reads again");
    let (cancelled, _) = woken.cancel(None, None, "usr", NOW, NOW).expect("a pending order");
    assert!(save(&db, &cancelled, None).await);
    hear(PaymentStatus::Refunded, 3).await.expect("a write");
    hear(PaymentStatus::PartiallyRefunded, 2).await.expect("a write");
    let heard = read(&db, order.id).await;
    assert_eq!(
        (heard.payment_status, heard.payment_version),
        (PaymentStatus::Refunded, 3)
    );
    assert!(
        !save(
            &db,
            &Order {
                version: cancelled.version + 1,
                ..cancelled
            },
            None
        )
        .await,
        "who read before writes no more"
    );
}

async fn an_order_at_rest_is_left_alone_unless_it_is_undone(db: Db) {
    let (order, _) = place(&db, placing(user(), None, None)).await;
    let rest = |id: OrderId| db.write::<_, Error, _>(move |tx| Ok(store::rest(tx, &[id])?));
    rest(order.id).await.expect("a write");
    assert!(
        read(&db, order.id).await.resume_at.is_some(),
        "a pending order is not at rest"
    );
    let (cancelled, _) = order.cancel(None, None, "usr", NOW, NOW).expect("a pending order");
    assert!(save(&db, &cancelled, None).await);
    rest(cancelled.id).await.expect("a write");
    assert!(
        read(&db, cancelled.id).await.resume_at.is_some(),
        "what is to be undone is not at rest"
    );
}

async fn an_order_reads_as_it_was_written(db: Db) {
    let (written, _) = place(&db, placing(user(), Some((Ids::random().next(NOW), 3)), Some("k"))).await;
    assert_eq!(read(&db, written.id).await, written);
    let by_number = db
        .read::<_, Error, _>(move |tx| store::by_number(tx, written.number))
        .await
        .expect("a read");
    assert_eq!(by_number.map(|order| order.id), Some(written.id));
}

async fn a_batch_places_each_once_in_a_few_statements(db: Db) {
    let (ada, cart) = (user(), Ids::random().next::<CartId>(NOW));
    let (before, _) = place(&db, placing(ada, None, Some("old"))).await;
    let mut asked = vec![
        placing(ada, Some((cart, 1)), Some("a")),
        placing(ada, None, Some("a")),
        placing(ada, Some((cart, 1)), Some("b")),
        placing(ada, None, Some("old")),
    ];
    asked.extend((0..28).map(|_| placing(user(), None, None)));
    let statements = db.figures().statements;
    let placed = place_all(&db, asked).await;
    let statements = db.figures().statements - statements;
    let first = placed[0].0.id;
    let twins: Vec<_> = placed[..4].iter().map(|(order, twin)| (order.id, *twin)).collect();
    assert_eq!(twins, [(first, false), (first, true), (first, true), (before.id, true)]);
    assert!(placed[4..].iter().all(|(_, twin)| !twin));
    let mut numbers: Vec<i64> = placed[4..].iter().map(|(order, _)| order.number).collect();
    numbers.dedup();
    assert_eq!(numbers.len(), 28);
    assert!(statements < 20, "{statements} statements for 32 orders");
    let joined = db
        .read::<_, Error, _>(move |tx| store::by_key(tx, ada, "b"))
        .await
        .expect("a read");
    assert_eq!(
        joined.map(|order| order.id),
        Some(first),
        "a key that joined is remembered"
    );
    for (order, _) in placed {
        assert_eq!(read(&db, order.id).await.lines, order.lines);
    }
}

async fn a_batch_writes_what_nobody_changed_meanwhile(db: Db) {
    let mut placed = place_all(&db, (0..3).map(|_| placing(user(), None, None)).collect()).await;
    let stale = placed[1].0.clone();
    let moved = stale
        .clone()
        .cancel(None, None, "usr", NOW, NOW)
        .expect("a pending order")
        .0;
    assert!(save(&db, &moved, None).await);
    let cancelled = |order: Order| {
        let (order, event) = order
            .cancel(None, Some("why".into()), "usr", NOW, NOW)
            .expect("a pending order");
        Save {
            order,
            event: Some(event),
            by: "usr".into(),
            request_id: "req".into(),
            now: NOW,
        }
    };
    let first = placed.remove(0).0;
    let saves = vec![
        cancelled(first.clone()),
        cancelled(stale),
        cancelled(first.clone()),
        cancelled(placed.remove(1).0),
    ];
    let saved = db
        .write::<_, Error, _>(move |tx| Ok(store::save_all(tx, &saves)?))
        .await
        .expect("a batch");
    assert_eq!(
        saved.iter().map(Option::is_some).collect::<Vec<_>>(),
        [true, false, false, true]
    );
    let kept = read(&db, first.id).await;
    assert_eq!((kept.version, kept.sequence, kept.history.len()), (2, 2, 2));
    assert_eq!(Some(kept), saved.into_iter().next().flatten());
}

async fn a_key_of_both_stays_the_accounts(db: Db) {
    let (guest, account) = (user(), user());
    let (theirs, _) = place(&db, placing(account, None, Some("k"))).await;
    let (same, _) = place(&db, placing(guest, None, Some("k"))).await;
    let (other, _) = place(&db, placing(guest, None, Some("l"))).await;
    let handed = db.write::<_, Error, _>(move |tx| store::hand_over(tx, guest, account, NOW));
    assert_eq!(handed.await.expect("orders change hands"), 2);
    let by_key = |key: &'static str| db.read::<_, Error, _>(move |tx| store::by_key(tx, account, key));
    let found = |order: Option<Order>| order.map(|order| order.id);
    assert_eq!(found(by_key("k").await.expect("a read")), Some(theirs.id));
    assert_eq!(found(by_key("l").await.expect("a read")), Some(other.id));
    assert_eq!(read(&db, same.id).await.user, account);
}

async fn who_joined_a_refused_order_is_decided_anew(db: Db) {
    let (ada, cart) = (user(), Some((Ids::random().next::<CartId>(NOW), 1)));
    let (first, _) = place(&db, placing(ada, cart, Some("a"))).await;
    let (joined, twin) = place(&db, placing(ada, cart, Some("b"))).await;
    assert!(twin && joined.id == first.id);
    let (refused, written) = apply(first, Outcome::Short(Vec::new()), "usr", NOW, NOW);
    assert_eq!(written, Written::Told(OrderEvent::Failed));
    assert!(save(&db, &refused, Some(OrderEvent::Failed)).await);
    for key in ["a", "b"] {
        let known = db.read::<_, Error, _>(move |tx| store::by_key(tx, ada, key)).await;
        assert!(known.expect("a read").is_none(), "{key}");
    }
}

async fn events_keep_peoples_words_to_themselves(db: Db) {
    for (reason, told) in [
        ("Ada of Main St 1", None),
        ("cancelled_by_customer", Some("cancelled_by_customer")),
    ] {
        let (order, _) = place(&db, placing(user(), None, None)).await;
        let (cancelled, event) = order
            .cancel(None, Some(reason.into()), "usr", NOW, NOW)
            .expect("a pending order");
        assert!(save(&db, &cancelled, Some(event)).await);
        let last = db
            .read(|tx| ::store::outbox_after(tx, 0, 10))
            .await
            .expect("the outbox");
        let data: serde_json::Value =
            serde_json::from_str(&last.last().expect("an event").event.data).expect("an object");
        assert_eq!(data.get("reason").and_then(serde_json::Value::as_str), told);
        let kept = read(&db, cancelled.id).await;
        assert_eq!(
            kept.history.last().and_then(|change| change.reason.as_deref()),
            Some(reason)
        );
    }
}

#[test]
fn a_call_is_checked_whole_before_anybody_is_asked() {
    let item = NewItem {
        sku: Some("NAIL".into()),
        ..NewItem::default()
    };
    let check = |body: NewOrder| gather::check(body).map(drop).map_err(Problem::from);
    assert!(
        check(NewOrder {
            items: Some(vec![item.clone()]),
            ..NewOrder::default()
        })
        .is_ok()
    );
    let refused = |body: NewOrder| {
        let problem = check(body).expect_err("a refusal");
        let pointers: Vec<String> = problem.errors.iter().map(|fault| fault.pointer.clone()).collect();
        (problem.status, problem.code.to_string(), pointers.join(" "))
    };
    let none = String::new;
    assert_eq!(
        refused(NewOrder {
            items: Some(Vec::new()),
            ..NewOrder::default()
        }),
        (400, "empty_order".into(), none())
    );
    let bad = NewOrder {
        items: Some(vec![
            NewItem {
                variant_id: Some(api::Ref::Number(1)),
                ..item.clone()
            },
            NewItem {
                quantity: base::Quantity::new(0).ok(),
                ..item
            },
        ]),
        email: Some("nobody".into()),
        shipping_address: Some(Address {
            country: "Atlantis".into(),
            ..Address::default()
        }),
        ..NewOrder::default()
    };
    let all = "/shippingAddress/street /shippingAddress/city /shippingAddress/postalCode /shippingAddress/country /email /items/0 /items/1/quantity";
    assert_eq!(refused(bad), (400, "invalid".into(), all.into()));
}
