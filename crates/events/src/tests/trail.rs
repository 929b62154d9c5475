//! The audit log: kept apart, never changed, seen by those who may.

use std::time::Duration;

use api::events::Event;
use api::trail::STAFF_ACTION;
use base::{EventId, Id, Time};
use http::Request;
use serde_json::{Value, json};
use serve::{Mode, Role};
use store::{Engine, args};

use super::{Answer, Log, START, event, events};
use crate::store::TAMPERING;

testkit::on_both! {
    super::Log::in_production;
    deeds_are_listed_apart_from_events
    deeds_are_found_by_who_what_and_when
    the_database_refuses_to_change_them
    a_deed_that_cannot_be_read_rests_among_the_dead
}

/// The `number`th deed, a second after the one before.
fn deed(number: i64, actor: &str, action: &str, subject: &str) -> Event {
    let time = Time::from_micros(START + number * 1_000_000);
    let data = json!({ "action": action, "before": { "price": number }, "after": { "price": number + 1 } });
    Event {
        id: EventId::from_bits(1_000 + number as u128),
        kind: STAFF_ACTION.to_owned(),
        source: "catalog".to_owned(),
        subject: subject.to_owned(),
        sequence: 0,
        time,
        timestamp: time,
        actor: actor.to_owned(),
        data: data.as_object().unwrap().clone(),
        ..event(number)
    }
}

/// The numbers of the deeds that are listed.
async fn list(log: &Log, query: &str) -> Vec<i64> {
    let answer = log.get(&format!("/api/audit?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    let entries = answer.body.as_array().unwrap().clone();
    entries
        .iter()
        .map(|entry| entry["before"]["price"].as_i64().unwrap())
        .collect()
}

async fn deeds_are_listed_apart_from_events(log: Log) {
    let made = Event {
        data: json!({ "action": "product.create", "after": { "sku": "A" } })
            .as_object()
            .unwrap()
            .clone(),
        ..deed(1, "usr_a", "", "prd_1")
    };
    let delivery = [
        event(1),
        made.clone(),
        deed(2, "key_b", "product.update", "prd_1"),
        event(2),
    ];
    log.keep(&delivery).await;
    log.keep(&delivery).await;
    assert_eq!(log.list("/events").await, [2, 1], "no event is a deed");
    assert_eq!(log.list(&format!("/events?type={STAFF_ACTION}")).await, [0; 0]);
    let gaps = log.keys.service_token("doctor");
    let asked = Request::get("/internal/audit/events").header("authorization", format!("Bearer {gaps}"));
    let gaps = log.send(asked, "").await.body;
    assert!(
        !gaps.to_string().contains("prd_"),
        "deeds are no versions of their subject: {gaps}"
    );
    let told = log.get("/audit").await;
    let expected = json!([
        {
            "id": EventId::from_bits(1_002), "time": Time::from_micros(START + 2_000_000), "actor": "key_b",
            "action": "product.update", "subject": "prd_1", "source": "catalog", "requestId": "req_1",
            "before": { "price": 2 }, "after": { "price": 3 }
        },
        {
            "id": EventId::from_bits(1_001), "time": Time::from_micros(START + 1_000_000), "actor": "usr_a",
            "action": "product.create", "subject": "prd_1", "source": "catalog", "requestId": "req_1",
            "after": { "sku": "A" }
        }
    ]);
    assert_eq!((told.status, told.body), (200, expected));
}

async fn deeds_are_found_by_who_what_and_when(log: Log) {
    let actors = ["usr_a", "usr_b", "key_c"];
    let all: Vec<Event> = (1..=9)
        .map(|number| {
            let action = if number % 2 == 0 {
                "order.cancel"
            } else {
                "order.status"
            };
            deed(
                number,
                actors[number as usize % 3],
                action,
                &format!("ord_{}", number % 4),
            )
        })
        .collect();
    log.keep(&all).await;
    let third = EventId::from_bits(1_003);
    for (query, expected) in [
        ("".to_owned(), &[9, 8, 7, 6, 5, 4, 3, 2, 1][..]),
        ("actor=usr_b".to_owned(), &[7, 4, 1]),
        ("actor=usr_b,key_c&action=order.cancel".to_owned(), &[8, 4, 2]),
        (
            "action=order.status&subject=ord_1&subject=ord_3".to_owned(),
            &[9, 7, 5, 3, 1],
        ),
        (
            format!("after={third}&before={}", Time::from_micros(START + 6_000_000)),
            &[5, 4],
        ),
        (format!("before={third}"), &[2, 1]),
        ("actor=nobody".to_owned(), &[]),
    ] {
        assert_eq!(list(&log, &query).await, expected, "{query}");
    }
    let mut path = "/api/audit?limit=4".to_owned();
    let mut pages = Vec::new();
    loop {
        let Answer { headers, body, .. } = log.get(&path).await;
        pages.push(body.as_array().unwrap().len());
        let Some(link) = headers.get("link") else { break };
        let link = link.to_str().unwrap();
        path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
    assert_eq!(pages, [4, 4, 1]);
    for query in [
        "after=x",
        "before=evt_01j9zk3v5w8q2m4n6p7r8s9t0v",
        "cursor=61",
        "limit=0",
    ] {
        assert_eq!(log.get(&format!("/audit?{query}")).await.status, 400, "{query}");
    }
}

async fn the_database_refuses_to_change_them(log: Log) {
    log.keep(&[deed(1, "usr_a", "product.update", "prd_1")]).await;
    for sql in TAMPERING {
        let id = EventId::from_bits(1_001);
        let done = log.db.write(move |tx| tx.run(sql, &args![id])).await;
        let fault = done.expect_err(sql).to_string();
        assert!(fault.contains("append-only"), "{sql}: {fault}");
    }
    assert_eq!(list(&log, "actor=usr_a").await, [1]);
}

async fn a_deed_that_cannot_be_read_rests_among_the_dead(log: Log) {
    let broken = Event {
        data: json!({ "action": 7 }).as_object().unwrap().clone(),
        ..deed(3, "usr_a", "", "prd_1")
    };
    let delivery = [event(1), broken.clone(), deed(4, "usr_a", "product.update", "prd_1")];
    let mut tries = 1;
    while log.deliver(&delivery).await.status != 204 {
        tries += 1;
        assert!(tries <= bus::TRIES_MAX, "it is still in the way");
    }
    assert_eq!((log.list("/events").await, list(&log, "").await), (vec![1], vec![4]));
    log.keep(&delivery).await;
    log.keep(&events(2..=2)).await;
    let token = log.keys.service_token("cli");
    let call = |request: http::request::Builder, body: Value| {
        let (request, log) = (request.header("authorization", format!("Bearer {token}")), &log);
        async move { log.send(request, &body.to_string()).await }
    };
    let dead = call(Request::get("/internal/dead"), Value::Null).await.body;
    assert_eq!(
        (&dead[0]["event"]["id"], &dead[1]),
        (&json!(broken.id), &Value::Null),
        "{dead}"
    );
    let replay = Request::post("/internal/dead/replay");
    let again = call(replay, json!({ "ids": [broken.id] })).await.body;
    assert_eq!(
        (&again["taken"], &again["refused"][0]["id"]),
        (&json!([]), &json!(broken.id))
    );
}

#[tokio::test]
async fn only_those_who_may_read_the_settings_see_it() {
    let log = Log::open(Engine::Memory, Mode::Development).await;
    log.clock.advance(Duration::from_secs(1));
    for (token, status) in [
        (None, 401),
        (Some(log.token(Role::Guest)), 403),
        (Some(log.token(Role::Customer)), 403),
        (Some(log.clerk_without_permissions()), 403),
        (Some(log.token(Role::Staff)), 200),
        (Some(log.token(Role::Admin)), 200),
        (Some(log.keys.service_token("orders").to_string()), 403),
    ] {
        let here: std::net::SocketAddr = "127.0.0.1:5000".parse().unwrap();
        let mut request = Request::get("/audit").extension(axum::extract::ConnectInfo(here));
        if let Some(token) = &token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        assert_eq!(log.send(request, "").await.status, status, "{token:?}");
    }
}
