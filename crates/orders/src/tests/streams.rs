//! An order as a stream: how it stands, each change once, and an end.

use std::time::Duration;

use api::identity::Role;
use axum::body::Body;
use base::{Ids, OrderId, SessionId};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use serve::{ORDERS_WRITE, Stop};
use tower::ServiceExt as _;

use super::neighbours::Street;
use super::{MINUTE, NOW, user};
use crate::watch;

testkit::on_both! {
    super::Street::on;
    a_reader_sees_every_change_once_and_the_end
    who_comes_back_goes_on_where_they_were
    strangers_see_nothing
    the_end_of_a_token_ends_the_stream
    the_end_of_the_process_ends_the_stream
    a_change_of_another_process_is_seen
}

/// A reader of a stream.
struct Reader {
    body: Body,
    read: String,
}

/// An event as it was read: kind, id, data.
type Seen = (String, String, Value);

impl Reader {
    /// The next event; none after the last.
    async fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.read = rest;
                let field = |name: &str| {
                    let lines = event.lines().filter_map(|line| line.strip_prefix(name));
                    lines.map(str::to_owned).next()
                };
                if let Some(data) = field("data: ") {
                    let data = serde_json::from_str(&data).expect("JSON");
                    return Some((
                        field("event: ").unwrap_or_default(),
                        field("id: ").unwrap_or_default(),
                        data,
                    ));
                }
                continue; // A comment, or how long to wait before coming back.
            }
            let frame = tokio::time::timeout(Duration::from_secs(60), self.body.frame())
                .await
                .expect("an event");
            let bytes = frame?.expect("a body that goes on").into_data().ok()?;
            self.read.push_str(std::str::from_utf8(&bytes).expect("text"));
        }
    }

    async fn kinds(&mut self, count: usize) -> Vec<String> {
        let mut kinds = Vec::new();
        for _ in 0..count {
            let (kind, _, data) = self.next().await.expect("an event");
            let state = data["status"]
                .as_str()
                .or(data["reason"].as_str())
                .unwrap_or_default()
                .to_owned();
            kinds.push(format!("{kind} {state}"));
        }
        kinds
    }
}

async fn follow(street: &Street, order: OrderId, token: &str, last: Option<&str>) -> (StatusCode, Reader) {
    let request =
        Request::get(format!("/api/orders/{order}/events")).header("authorization", format!("Bearer {token}"));
    let request = match last {
        Some(last) => request.header("last-event-id", last),
        None => request,
    };
    let request = request.body(Body::empty()).expect("a request");
    let answer = street.router.clone().oneshot(request).await.expect("an answer");
    let status = answer.status();
    if status == StatusCode::OK {
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
    let reader = Reader {
        read: String::new(),
        body: answer.into_body(),
    };
    (status, reader)
}

/// The task that looks for changes, until it is told to end.
fn watch(street: &Street) -> Stop {
    let stop = Stop::new();
    serve::spawn(watch::look(street.app.clone()).run(stop.clone()));
    stop
}

async fn set(street: &Street, order: OrderId, status: &str) {
    let path = format!("/orders/{order}/status");
    let moved = street
        .ask(
            Method::PUT,
            &path,
            &street.staff(&[ORDERS_WRITE]),
            json!({ "status": status }),
        )
        .await;
    assert_eq!(moved.0, 200, "{}", moved.1);
}

async fn a_reader_sees_every_change_once_and_the_end(street: Street) {
    let stop = watch(&street);
    let order = street.checkout(None).await.expect("an order").order_id;
    let ada = street.customer(street.ada);
    let (status, mut reader) = follow(&street, order, &ada, None).await;
    assert_eq!(status, 200);
    let (kind, first, data) = reader.next().await.expect("how it stands");
    assert_eq!(
        (kind.as_str(), &data["status"], &data["id"]),
        ("order", &json!("confirmed"), &json!(order))
    );
    set(&street, order, "processing").await;
    assert_eq!(reader.kinds(2).await, ["change processing", "order processing"]);
    // Two at once may come together, each in its place.
    set(&street, order, "shipped").await;
    set(&street, order, "delivered").await;
    let mut kinds = reader.kinds(3).await;
    while kinds.last().map(String::as_str) != Some("end done") {
        kinds.extend(reader.kinds(1).await);
    }
    kinds.retain(|kind| kind.starts_with("change"));
    assert_eq!(kinds, ["change shipped", "change delivered"]);
    assert!(reader.next().await.is_none());

    // Whoever has not seen it all is told the rest; whoever has need not come back.
    let (_, mut again) = follow(&street, order, &ada, Some(&first)).await;
    assert_eq!(
        again.kinds(5).await,
        [
            "change processing",
            "change shipped",
            "change delivered",
            "order delivered",
            "end done"
        ]
    );
    let (_, mut whole) = follow(&street, order, &ada, None).await;
    let (_, last, _) = whole.next().await.expect("how it stands");
    assert_eq!(follow(&street, order, &ada, Some(&last)).await.0, 204);
    stop.stop();
}

async fn who_comes_back_goes_on_where_they_were(street: Street) {
    let stop = watch(&street);
    let order = street.checkout(None).await.expect("an order").order_id;
    let ada = street.customer(street.ada);
    let (_, mut reader) = follow(&street, order, &ada, None).await;
    let (_, seen, _) = reader.next().await.expect("how it stands");
    drop(reader);
    let (_, mut reader) = follow(&street, order, &ada, Some(&seen)).await;
    set(&street, order, "processing").await;
    let (kind, half, _) = reader.next().await.expect("a change");
    assert_eq!(kind, "change");
    drop(reader);
    let (_, mut reader) = follow(&street, order, &ada, Some(&half)).await;
    assert_eq!(
        reader.kinds(1).await,
        ["order processing"],
        "the change is not told twice"
    );
    for nonsense in ["", "7", "x-y", "-", "99999999999999999999-1"] {
        let (_, mut reader) = follow(&street, order, &ada, Some(nonsense)).await;
        assert_eq!(reader.kinds(1).await, ["order processing"], "{nonsense:?}");
    }
    stop.stop();
}

async fn strangers_see_nothing(street: Street) {
    let order = street.checkout(None).await.expect("an order").order_id;
    assert_eq!(follow(&street, order, &street.customer(user()), None).await.0, 404);
    assert_eq!(
        follow(&street, order, &street.staff(&[serve::CATALOG_WRITE]), None)
            .await
            .0,
        404
    );
    assert_eq!(
        follow(&street, order, &street.staff(&[serve::ORDERS_READ]), None)
            .await
            .0,
        200
    );
    assert_eq!(follow(&street, order, "nonsense", None).await.0, 401);
    assert_eq!(
        follow(&street, Ids::random().next(NOW), &street.customer(street.ada), None)
            .await
            .0,
        404
    );
}

async fn the_end_of_a_token_ends_the_stream(street: Street) {
    let order = street.checkout(None).await.expect("an order").order_id;
    let (_, mut expires) = follow(&street, order, &street.customer(street.ada), None).await;
    assert_eq!(expires.kinds(1).await, ["order confirmed"]);
    let session = Ids::random().next::<SessionId>(NOW);
    let (token, _) = street.keys.sign_user(street.ada, Role::Customer, session, 600 * MINUTE);
    let (_, mut ends) = follow(&street, order, &token, None).await;
    assert_eq!(ends.kinds(1).await, ["order confirmed"]);
    street.keys.revoked().end(session);
    assert_eq!(ends.kinds(1).await, ["end token"]);
    assert!(ends.next().await.is_none());
    street.db.clock().advance(61 * MINUTE);
    assert_eq!(expires.kinds(1).await, ["end token"]);
}

async fn the_end_of_the_process_ends_the_stream(street: Street) {
    let order = street.checkout(None).await.expect("an order").order_id;
    let (_, mut reader) = follow(&street, order, &street.customer(street.ada), None).await;
    assert_eq!(reader.kinds(1).await, ["order confirmed"]);
    street.app.deps.stop.stop();
    assert_eq!(reader.kinds(1).await, ["end stopping"]);
    assert!(reader.next().await.is_none());
}

/// Nobody in this process says that something changed: the rows do.
async fn a_change_of_another_process_is_seen(street: Street) {
    let stop = watch(&street);
    let order = street.checkout(None).await.expect("an order").order_id;
    let (_, mut reader) = follow(&street, order, &street.customer(street.ada), None).await;
    assert_eq!(reader.kinds(1).await, ["order confirmed"]);
    let there = super::read(&street.db, order).await;
    let refunded = crate::domain::Order {
        payment_status: api::payments::PaymentStatus::Refunded,
        ..there
    };
    assert!(super::save(&street.db, &refunded, None).await);
    let (kind, _, data) = reader.next().await.expect("a change");
    assert_eq!((kind.as_str(), &data["paymentStatus"]), ("order", &json!("refunded")));
    stop.stop();
}
