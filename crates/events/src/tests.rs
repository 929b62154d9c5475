//! Events through its own router, on both engines.

mod follow;
mod trail;

use std::net::SocketAddr;
use std::time::Duration;

use api::events::{DELIVERY_MAX, Delivery, Event};
use axum::body::Body;
use axum::extract::ConnectInfo;
use base::{Clock, EventId, Id, Ids, SessionId, Time, UserId};
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use serve::{Deps, Keys, Mode, Permissions, Role, Stop};
use store::{Db, Engine, Settings};
use testkit::service::ask;

/// The first event's moment.
const START: i64 = 1_900_000_000_000_000;

testkit::on_both! {
    super::Log::in_production;
    what_is_delivered_is_told_newest_first
    a_repeated_delivery_changes_nothing
    filters_go_together
    pages_go_on_where_the_last_one_ended
    hostile_words_are_only_words
    a_delivery_has_a_bound
}

struct Log {
    router: axum::Router,
    keys: Keys,
    clock: Clock,
    stop: Stop,
    db: Db,
    /// What goes on beside the requests: looking for what other processes wrote.
    tasks: Vec<serve::Task>,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Log {
    async fn in_production(engine: Engine) -> Self {
        Self::open(engine, Mode::Production).await
    }

    async fn open(engine: Engine, mode: Mode) -> Self {
        let deps = Deps {
            mode,
            ..testkit::service::deps(Ids::seeded(11), [])
        };
        let (keys, clock, stop) = (deps.keys.clone(), deps.clock.clone(), deps.stop.clone());
        let settings = Settings::new(engine, "events");
        let db = Db::open(settings, crate::MIGRATIONS, deps.clock.clone(), deps.ids.clone())
            .await
            .unwrap();
        let part = crate::build(deps, db.clone(), crate::Config::default()).await.unwrap();
        Self {
            router: part.router,
            keys,
            clock,
            stop,
            db,
            tasks: part.tasks,
        }
    }

    fn token(&self, role: Role) -> String {
        let (user, session) = (UserId::from_bits(1), SessionId::from_bits(1));
        self.keys.sign_user(user, role, session, Duration::from_secs(900)).0
    }

    /// A clerk who may do nothing in particular.
    fn clerk_without_permissions(&self) -> String {
        let (user, session) = (UserId::from_bits(2), SessionId::from_bits(2));
        let (none, time) = (Permissions::NONE, Duration::from_secs(900));
        self.keys.sign_permitted(user, Role::Staff, none, session, time).0
    }

    async fn send(&self, request: http::request::Builder, body: &str) -> Answer {
        let request = request
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        let (status, headers, body) = ask(&self.router, request).await;
        Answer { status, headers, body }
    }

    async fn deliver(&self, events: &[Event]) -> Answer {
        let token = self.keys.service_token("orders");
        let request = Request::post("/internal/events").header("authorization", format!("Bearer {token}"));
        self.send(
            request,
            &serde_json::to_string(&Delivery {
                events: events.to_vec(),
            })
            .unwrap(),
        )
        .await
    }

    async fn keep(&self, events: &[Event]) {
        let answer = self.deliver(events).await;
        assert_eq!(answer.status, 204, "{}", answer.body);
    }

    async fn get(&self, path: &str) -> Answer {
        let token = self.token(Role::Staff);
        self.send(
            Request::get(path).header("authorization", format!("Bearer {token}")),
            "",
        )
        .await
    }

    /// The sequences of the events that are listed.
    async fn list(&self, path: &str) -> Vec<i64> {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer
            .body
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["sequence"].as_i64().unwrap())
            .collect()
    }
}

/// The `sequence`th event: a microsecond after the one before.
fn event(sequence: i64) -> Event {
    let time = Time::from_micros(START + sequence);
    let kind = if sequence % 2 == 0 {
        "OrderConfirmed"
    } else {
        "OrderCreated"
    };
    Event {
        id: EventId::from_bits(sequence as u128),
        kind: kind.to_owned(),
        source: "orders".to_owned(),
        subject: format!("ord_{}", sequence % 3),
        sequence,
        time,
        timestamp: time,
        actor: "service:orders".to_owned(),
        request_id: "req_1".to_owned(),
        data_version: 1,
        data: json!({ "total": 12.50, "of": [sequence] }).as_object().unwrap().clone(),
    }
}

fn events(sequences: std::ops::RangeInclusive<i64>) -> Vec<Event> {
    sequences.map(event).collect()
}

async fn what_is_delivered_is_told_newest_first(log: Log) {
    log.keep(&[]).await;
    assert_eq!(log.list("/events").await, [0; 0]);
    log.keep(&events(4..=5)).await;
    log.keep(&events(1..=3)).await;
    assert_eq!(log.list("/events").await, [5, 4, 3, 2, 1], "by time, not by arrival");
    let told = log.get("/api/events?limit=1").await.body;
    assert_eq!(told[0], serde_json::to_value(event(5)).unwrap(), "as it was sent");
}

async fn a_repeated_delivery_changes_nothing(log: Log) {
    log.keep(&events(1..=3)).await;
    log.keep(&events(1..=3)).await;
    log.keep(&[event(3), event(3), event(4)]).await;
    let forged = Event {
        kind: "OrderCancelled".to_owned(),
        ..event(1)
    };
    log.keep(&[forged]).await;
    assert_eq!(log.list("/events").await, [4, 3, 2, 1]);
    assert_eq!(
        log.list("/events?type=OrderCancelled").await,
        [0; 0],
        "what is told once stays"
    );
}

async fn filters_go_together(log: Log) {
    log.keep(&events(1..=12)).await;
    let after = EventId::from_bits(8);
    let time = Time::from_micros(START + 10);
    for (query, expected) in [
        ("type=OrderConfirmed".to_owned(), &[12, 10, 8, 6, 4, 2][..]),
        ("subject=ord_1".to_owned(), &[10, 7, 4, 1]),
        ("subject=ord_1&type=OrderCreated".to_owned(), &[7, 1]),
        (format!("after={after}"), &[12, 11, 10, 9]),
        (format!("after={time}"), &[12, 11]),
        (format!("before={}", EventId::from_bits(3)), &[2, 1]),
        (format!("before={}", Time::from_micros(START + 3)), &[2, 1]),
        (format!("after={after}&before={time}"), &[9]),
        ("type=OrderConfirmed&type=Nothing".to_owned(), &[12, 10, 8, 6, 4, 2]),
        (
            "type=OrderConfirmed,OrderCreated&subject=ord_1".to_owned(),
            &[10, 7, 4, 1],
        ),
        (
            "subject=ord_1&subject=ord_2&limit=3&type=OrderCreated".to_owned(),
            &[11, 7, 5],
        ),
        ("source=orders&subject=ord_0".to_owned(), &[12, 9, 6, 3]),
        ("source=payments".to_owned(), &[]),
        ("source=payments,orders&subject=ord_0".to_owned(), &[12, 9, 6, 3]),
        (
            format!("after={after}&type=OrderConfirmed&subject=ord_0&limit=1"),
            &[12],
        ),
        ("type=&subject=".to_owned(), &[12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("type=Nothing".to_owned(), &[]),
    ] {
        assert_eq!(log.list(&format!("/events?{query}")).await, expected, "{query}");
    }
    for query in [
        "after=x",
        "after=evt_01j9zk3v5w8q2m4n6p7r8s9t0v",
        "before=x",
        "before=evt_01j9zk3v5w8q2m4n6p7r8s9t0v",
        "limit=1&limit=2",
        &format!("type={}", "a,".repeat(51)),
        "limit=0",
        "limit=101",
        "limit=x",
        "cursor=zz",
        "cursor=61",
    ] {
        let answer = log.get(&format!("/events?{query}")).await;
        let pointer = answer.body["errors"][0]["pointer"].as_str().unwrap_or_default();
        let name = query.split('=').next().unwrap();
        assert_eq!(
            (answer.status, pointer.trim_start_matches('?')),
            (400, name),
            "{query}: {}",
            answer.body
        );
    }
}

async fn pages_go_on_where_the_last_one_ended(log: Log) {
    // Five at each microsecond, so that pages end in the midst of one.
    let same = |sequence: i64| Event {
        time: Time::from_micros(START + sequence / 5),
        ..event(sequence)
    };
    let all: Vec<Event> = (1..=50).map(same).collect();
    log.keep(&all).await;
    let mut path = "/api/events?type=OrderCreated&limit=7".to_owned();
    let mut seen = Vec::new();
    loop {
        let answer = log.get(&path).await;
        let page = answer.body.as_array().unwrap();
        assert!(!page.is_empty() && page.len() <= 7);
        seen.extend(page.iter().map(|event| event["sequence"].as_i64().unwrap()));
        // What arrives meanwhile does not move the pages.
        log.keep(&[event(1_001 + 2 * seen.len() as i64)]).await;
        let Some(link) = answer.headers.get("link") else { break };
        let link = link.to_str().unwrap();
        path = link
            .strip_prefix('<')
            .and_then(|link| link.strip_suffix(">; rel=\"next\""))
            .unwrap()
            .to_owned();
    }
    let expected: Vec<i64> = (1..=50).rev().filter(|sequence| sequence % 2 == 1).collect();
    assert_eq!(seen, expected);
}

async fn hostile_words_are_only_words(log: Log) {
    let words = "'; DROP TABLE events_event; -- <script>🫖\u{10ffff}\"\\";
    let told = Event {
        kind: words.to_owned(),
        subject: words.to_owned(),
        data: json!({ words: words }).as_object().unwrap().clone(),
        ..event(1)
    };
    log.keep(std::slice::from_ref(&told)).await;
    let found = log.get("/events").await.body;
    assert_eq!(found[0], serde_json::to_value(&told).unwrap());
    let answer = log.get("/events?subject=%27%20OR%201=1").await;
    assert_eq!((answer.status, answer.body), (200, json!([])));
    assert_eq!(log.get("/events?subject=%00").await.status, 400);
}

async fn a_delivery_has_a_bound(log: Log) {
    let most = DELIVERY_MAX as i64;
    log.keep(&events(1..=most)).await;
    assert_eq!(log.deliver(&events(1..=most + 1)).await.status, 400);
    for body in ["", "[]", "{\"events\":1}", "{\"events\":[{}]}", "{"] {
        let token = log.keys.service_token("orders");
        let request = Request::post("/internal/events").header("authorization", format!("Bearer {token}"));
        assert_eq!(log.send(request, body).await.status, 400, "{body}");
    }
}

/// Who may read, by mode, connection, the address it was forwarded for, and token.
#[tokio::test]
async fn only_staff_and_services_read_but_for_a_developers_own_machine() {
    let here = Some("127.0.0.1:5000");
    let there = Some("10.0.0.7:5000");
    let development = Log::open(Engine::Memory, Mode::Development).await;
    let production = Log::open(Engine::Memory, Mode::Production).await;
    for log in [&development, &production] {
        log.keep(&events(1..=1)).await;
    }
    let customer = Some(Role::Customer);
    for (log, connection, forwarded, role, status) in [
        (&development, here, None, None, 200),
        (&development, here, Some("127.0.0.1"), None, 200),
        (&development, here, Some("10.0.0.7"), None, 401),
        (&development, there, None, None, 401),
        (&development, None, None, None, 401),
        (&development, here, None, customer, 403),
        (&development, there, None, Some(Role::Staff), 200),
        (&production, here, None, None, 401),
        (&production, here, None, customer, 403),
        (&production, there, None, Some(Role::Guest), 403),
        (&production, there, None, Some(Role::Staff), 200),
        (&production, there, None, Some(Role::Admin), 200),
    ] {
        let mut request = Request::get("/api/events");
        if let Some(role) = role {
            request = request.header("authorization", format!("Bearer {}", log.token(role)));
        }
        if let Some(forwarded) = forwarded {
            request = request.header("x-forwarded-for", forwarded);
        }
        if let Some(connection) = connection {
            request = request.extension(ConnectInfo::<SocketAddr>(connection.parse().unwrap()));
        }
        let answer = log.send(request, "").await;
        assert_eq!(
            answer.status, status,
            "{connection:?} for {forwarded:?} as {role:?}: {}",
            answer.body
        );
    }
    let service = development.keys.service_token("orders");
    let asked = Request::get("/events").header("authorization", format!("Bearer {service}"));
    assert_eq!(production.send(asked, "").await.status, 200, "the keys are the same");
    let clerk = production.clerk_without_permissions();
    for path in ["/events", "/api/events/stream"] {
        let asked = Request::get(path).header("authorization", format!("Bearer {clerk}"));
        let answer = production.send(asked, "").await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.body["detail"].as_str().unwrap().contains("settings:read"));
    }
    for token in [production.token(Role::Admin), "forged".to_owned()] {
        let told = Request::post("/internal/events").header("authorization", format!("Bearer {token}"));
        assert!([401, 403].contains(&production.send(told, "{\"events\":[]}").await.status));
    }
}
