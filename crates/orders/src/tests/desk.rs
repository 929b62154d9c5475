//! What staff do: lists at any depth, moves with the right permission and a record, and what is forgotten.

use std::collections::BTreeSet;

use ::store::Db;
use api::Ref;
use api::orders::{OrderStatus, PayOrder};
use api::payments::PaymentStatus;
use base::{OrderId, Page, Time};
use http::Method;
use serde_json::{Value, json};
use serve::{ORDERS_READ, ORDERS_WRITE, PAYMENTS_WRITE, Stop};
use wire::Cx;

use super::neighbours::Street;
use super::{MINUTE, NOW, place, place_all, placing, read, save, user};
use crate::actions;
use crate::domain::{Order, OrderEvent, Outcome, Refusal, apply};
use crate::error::Error;
use crate::store::{self, Filter};

mod lists {
    testkit::on_both! {
        crate::tests::open;
        every_filter_finds_what_a_look_at_all_finds
        lists_walk_along_an_index
    }
    use super::{every_filter_finds_what_a_look_at_all_finds, lists_walk_along_an_index};
}

mod clerks {
    testkit::on_both! {
        crate::tests::neighbours::Street::on;
        staff_need_the_permission_and_leave_a_record
        who_pays_for_somebody_else_leaves_a_record
        what_nobody_can_ask_for_is_forgotten
    }
    use super::{
        staff_need_the_permission_and_leave_a_record, what_nobody_can_ask_for_is_forgotten,
        who_pays_for_somebody_else_leaves_a_record,
    };
}

/// All pages of a list.
async fn pages(db: &Db, filter: &Filter, limit: u32) -> Vec<OrderId> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let (filter, page) = (filter.clone(), Page { limit, after: None });
        let listed = db.scan(move |tx| store::list(tx, &filter, after, &page)).await;
        let (orders, more) = listed.expect("a page");
        assert!(
            orders
                .iter()
                .all(|order| !order.lines.is_empty() && !order.history.is_empty())
        );
        seen.extend(orders.iter().map(|order| order.id));
        after = seen.last().copied();
        if !more {
            return seen;
        }
    }
}

async fn every_filter_finds_what_a_look_at_all_finds(db: Db) {
    use OrderStatus::*;
    let ada = user();
    let statuses = [Pending, Confirmed, Shipped, Cancelled];
    let payments = [
        PaymentStatus::Pending,
        PaymentStatus::Completed,
        PaymentStatus::Refunded,
    ];
    let mut all: Vec<Order> = Vec::new();
    for n in 0..60_u32 {
        let mut asked = placing(if n % 3 == 0 { ada } else { user() }, None, None);
        let at = NOW.after(MINUTE * (n / 2)); // Two at a time.
        asked.id = base::Ids::random().next(at);
        let mut order = place_at(&db, asked, at).await;
        order.status = statuses[n as usize % 4];
        order.payment_status = payments[n as usize % 3];
        if n == 7 {
            order.refusal = Some(Refusal { lines: Vec::new() });
        }
        assert!(save(&db, &order, None).await);
        all.push(order);
    }
    all.sort_by_key(|order| order.id);
    let moment = |minutes: u32| Some(NOW.after(MINUTE * minutes));
    let some_statuses = [vec![], vec![Confirmed], vec![Pending, Shipped], vec![Delivered]];
    let some_payments = [
        vec![],
        vec![PaymentStatus::Completed],
        vec![PaymentStatus::Refunded, PaymentStatus::Pending],
    ];
    for statuses in &some_statuses {
        for payments in &some_payments {
            for user in [None, Some(ada)] {
                for (from, to) in [
                    (None, None),
                    (moment(5), None),
                    (moment(5), moment(20)),
                    (None, moment(1)),
                ] {
                    for oldest_first in [false, true] {
                        let filter = Filter {
                            user,
                            statuses: statuses.clone(),
                            payments: payments.clone(),
                            from,
                            to,
                            oldest_first,
                            number: None,
                        };
                        let fits = |order: &&Order| {
                            order.refusal.is_none()
                                && user.is_none_or(|user| order.user == user)
                                && (statuses.is_empty() || statuses.contains(&order.status))
                                && (payments.is_empty() || payments.contains(&order.payment_status))
                                && from.is_none_or(|from| order.created_at >= from)
                                && to.is_none_or(|to| order.created_at < to)
                        };
                        let mut wanted: Vec<OrderId> = all.iter().filter(fits).map(|order| order.id).collect();
                        if !oldest_first {
                            wanted.reverse();
                        }
                        assert_eq!(pages(&db, &filter, 7).await, wanted, "{filter:?}");
                    }
                }
            }
        }
    }
    let one = Filter {
        number: Some(all[5].number),
        ..Filter::default()
    };
    assert_eq!(pages(&db, &one, 7).await, [all[5].id]);
}

async fn place_at(db: &Db, placing: crate::domain::Placing, now: Time) -> Order {
    let asked = vec![store::Place {
        placing,
        by: "usr".into(),
        request_id: "req".into(),
        now,
    }];
    let inserted = db.write::<_, Error, _>(move |tx| Ok(store::insert(tx, &asked)?)).await;
    match inserted.expect("a batch").pop() {
        Some(Ok(store::Inserted::New(order))) => *order,
        _ => panic!("no order"),
    }
}

/// What a page costs must not grow with its depth: neither a sort nor a walk over all rows is in any plan.
async fn lists_walk_along_an_index(db: Db) {
    place_all(&db, (0..200).map(|_| placing(user(), None, None)).collect()).await;
    // Enough of them that a plan matters, most of them delivered, as in a shop that is some years old.
    let filled = db.write::<_, Error, _>(store::multiply).await;
    assert!(filled.expect("many orders") > 30_000);
    let after = Some(base::Ids::random().next(NOW));
    let filters = [
        Filter::default(),
        Filter {
            statuses: vec![OrderStatus::Pending],
            ..Filter::default()
        },
        Filter {
            statuses: vec![OrderStatus::Delivered],
            ..Filter::default()
        },
        Filter {
            payments: vec![PaymentStatus::Failed],
            from: Some(NOW),
            to: Some(NOW.after(MINUTE)),
            ..Filter::default()
        },
        Filter {
            statuses: vec![OrderStatus::Confirmed, OrderStatus::Shipped],
            payments: vec![PaymentStatus::Completed, PaymentStatus::Refunded],
            oldest_first: true,
            ..Filter::default()
        },
        Filter {
            user: Some(user()),
            ..Filter::default()
        },
        Filter {
            number: Some(7),
            ..Filter::default()
        },
    ];
    for filter in filters {
        let (sql, values) = store::lists_statement(&filter, after, 20);
        let plan = match db.dialect() {
            ::store::Dialect::Sqlite => {
                let explain = format!("EXPLAIN QUERY PLAN {sql}");
                db.scan::<_, Error, _>(move |tx| Ok(tx.all(&explain, &values, |row| row.get::<String>(3))?))
                    .await
            }
            ::store::Dialect::Postgres => {
                let explain = format!("EXPLAIN {sql}");
                db.write::<_, Error, _>(move |tx| Ok(tx.all(&explain, &values, |row| row.get::<String>(0))?))
                    .await
            }
        };
        let plan = plan.expect("a plan").join("\n");
        let inner = plan.matches("orders_order_desk").count();
        let states = filter.statuses.len().max(7 * usize::from(filter.statuses.is_empty()))
            * filter.payments.len().max(6 * usize::from(filter.payments.is_empty()));
        if !filter.statuses.is_empty() || !filter.payments.is_empty() {
            assert!(inner >= states, "{filter:?}\n{plan}");
        } else if filter.number.is_none() {
            assert!(
                !plan.contains("Sort") && !plan.contains("TEMP B-TREE"),
                "{filter:?}\n{plan}"
            );
        }
        assert!(
            !plan.contains("Seq Scan") && !plan.contains("SCAN orders_order\n"),
            "{filter:?}\n{plan}"
        );
    }
}

async fn staff_need_the_permission_and_leave_a_record(street: Street) {
    let placed = street.checkout(None).await.expect("an order");
    let path = format!("/orders/{}", placed.order_id);
    let (reader, writer) = (street.staff(&[ORDERS_READ]), street.staff(&[ORDERS_WRITE]));
    let stranger = street.customer(user());
    let clerk = street.staff(&[PAYMENTS_WRITE]);
    let get = |token: String| street.ask(Method::GET, &path, Box::leak(token.into_boxed_str()), Value::Null);
    assert_eq!(get(reader.clone()).await.0, 200);
    assert_eq!(get(writer.clone()).await.0, 200);
    assert_eq!(get(stranger.clone()).await.0, 404);
    assert_eq!(
        get(clerk.clone()).await.0,
        404,
        "another area's permission is none here"
    );
    let listed = street.ask(Method::GET, "/orders", &reader, Value::Null).await.1;
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    let listed = street.ask(Method::GET, "/orders", &clerk, Value::Null).await.1;
    assert_eq!(listed.as_array().map(Vec::len), Some(0), "their own: none");
    let status = format!("{path}/status");
    let moved = json!({ "status": "processing", "reason": "Ada of Main St 1 called" });
    for (token, expected) in [(&stranger, 403), (&reader, 403), (&clerk, 403), (&writer, 200)] {
        let (status, answer) = street.ask(Method::PUT, &status, token, moved.clone()).await;
        assert_eq!(status, expected, "{answer}");
        if expected == 403 && token != &stranger {
            assert!(
                answer["detail"]
                    .as_str()
                    .is_some_and(|told| told.contains("orders:write")),
                "{answer}"
            );
        }
    }
    let cancel = format!("{path}/cancel");
    for (token, expected) in [(&stranger, 404), (&reader, 403), (&clerk, 404), (&writer, 200)] {
        let (status, answer) = street.ask(Method::PUT, &cancel, token, json!({})).await;
        assert_eq!(status, expected, "{answer}");
    }
    for (path, token, expected) in [
        ("mails", &reader, 200),
        ("mails", &stranger, 403),
        ("mails", &clerk, 403),
        ("mails/retry", &reader, 403),
    ] {
        let method = if path == "mails" { Method::GET } else { Method::POST };
        let (status, answer) = street
            .ask(method, &format!("/orders/{}/{path}", placed.order_id), token, json!({}))
            .await;
        assert_eq!(status, expected, "{path}: {answer}");
    }
    let id = placed.order_id.to_string();
    assert_eq!(
        deeds(&street.db).await,
        [
            (
                id.clone(),
                json!({ "action": "order.status", "before": { "status": "confirmed" }, "after": { "status": "processing" } })
            ),
            (
                id,
                json!({ "action": "order.cancel", "before": { "status": "processing" }, "after": { "status": "cancelled" } })
            ),
        ]
    );
}

/// What the audit log is told.
async fn deeds(db: &Db) -> Vec<(String, Value)> {
    let told = db.read(|tx| ::store::outbox_after(tx, 0, 100)).await;
    let deeds = told.expect("the outbox").into_iter().map(|stored| stored.event);
    deeds
        .filter(|event| event.kind == api::trail::STAFF_ACTION)
        .map(|event| (event.subject, serde_json::from_str(&event.data).expect("a deed")))
        .collect()
}

async fn who_pays_for_somebody_else_leaves_a_record(street: Street) {
    let declined = async || {
        let (mut order, _) = place(&street.db, placing(user(), None, None)).await;
        (order.payment_status, order.resume_at) = (PaymentStatus::Failed, Some(order.expires_at));
        assert!(save(&street.db, &order, None).await);
        order
    };
    let (owns, helped) = (declined().await, declined().await);
    let clerk = user();
    for (order, payer) in [(&owns, owns.user), (&helped, clerk)] {
        let pay = PayOrder {
            order: Ref::Order(order.id),
            user: payer,
            staff: payer == clerk,
            method: None,
            token: Some("tok_visa".into()),
            amount: None,
        };
        let cx = Cx::new("req", payer.to_string());
        let paid = actions::pay(&street.app, &cx, pay).await.expect("a paid order");
        assert_eq!(paid.status, OrderStatus::Confirmed);
    }
    assert_eq!(
        deeds(&street.db).await,
        [(
            helped.id.to_string(),
            json!({
                "action": "order.pay",
                "before": { "paymentStatus": "failed", "attempt": 1 },
                "after": { "paymentStatus": "processing", "attempt": 2 },
            })
        )]
    );
}

async fn what_nobody_can_ask_for_is_forgotten(street: Street) {
    let db = &street.db;
    let (kept, _) = place(db, placing(user(), None, Some("kept"))).await;
    let (refused, _) = place(db, placing(user(), None, Some("refused"))).await;
    let (mut refused, _) = apply(refused, Outcome::Short(Vec::new()), "usr", NOW, NOW);
    refused.resume_at = None;
    assert!(save(db, &refused, Some(OrderEvent::Failed)).await);
    let ada = user();
    let cart = Some((base::Ids::random().next(NOW), 1));
    place(db, placing(ada, cart, Some("first"))).await;
    place(db, placing(ada, cart, Some("joined"))).await;
    let forget = || async { actions::forget(&street.app, &Stop::new()).await.expect("a sweep") };
    assert_eq!(forget().await, 0, "too soon");
    db.clock().advance(25 * 60 * MINUTE);
    assert_eq!(forget().await, 1);
    let gone = refused.id;
    let found = db.read::<_, Error, _>(move |tx| store::by_id(tx, gone)).await;
    assert!(found.expect("a read").is_none());
    assert_eq!(read(db, kept.id).await.id, kept.id);
    let joined = || db.read::<_, Error, _>(move |tx| store::by_key(tx, ada, "joined"));
    assert!(joined().await.expect("a read").is_some());
    db.clock().advance(9 * 24 * 60 * MINUTE);
    assert_eq!(forget().await, 1);
    assert!(joined().await.expect("a read").is_none());
    let left: BTreeSet<OrderId> = db
        .read::<_, Error, _>(|tx| store::audit(tx, None, 100))
        .await
        .expect("a read")
        .into_iter()
        .map(|order| order.id)
        .collect();
    assert_eq!(left.len(), 2);
}
