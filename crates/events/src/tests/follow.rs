//! Following the log: nothing is missed and nothing told twice, whoever writes, and however often the line breaks.

use std::time::Duration;

use api::events::Event;
use axum::body::{Body, BodyDataStream};
use base::{EventId, Id, SessionId, Time};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use http::{HeaderMap, Request, StatusCode};
use serve::{Mode, Role, Stop};
use store::Engine;
use tower::ServiceExt as _;

use super::{Log, START, event, events};
use crate::domain::Filter;

testkit::on_both! {
    super::Log::in_production;
    a_follower_misses_nothing_and_sees_nothing_twice
    a_follower_sees_what_they_asked_for
    nobody_follows_from_nowhere
}

/// Longer than anything takes; a bound for what never comes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody who follows.
struct Follower {
    body: BodyDataStream,
    text: String,
    headers: HeaderMap,
}

impl Follower {
    async fn open(log: &Log, path: &str, last: Option<EventId>) -> Result<Self, StatusCode> {
        let mut request = Request::get(path).header("authorization", format!("Bearer {}", log.token(Role::Staff)));
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let answer = log
            .router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        if answer.status() != StatusCode::OK {
            return Err(answer.status());
        }
        Ok(Self {
            headers: answer.headers().clone(),
            body: answer.into_body().into_data_stream(),
            text: String::new(),
        })
    }

    /// From now on, or after `last`.
    async fn of(log: &Log, path: &str, last: Option<EventId>) -> Self {
        let mut follower = Self::open(log, path, last).await.unwrap();
        assert_eq!(follower.headers["content-type"], "text/event-stream");
        let hello = follower.block().await.unwrap();
        assert!(hello.contains("retry:"), "{hello}");
        follower
    }

    /// The next message of the stream, as it stands; none at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                return Some(std::mem::replace(&mut self.text, rest));
            }
            let more = tokio::time::timeout(PATIENCE, self.body.next()).await;
            let chunk = more.expect("the stream goes on, or ends")?;
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        }
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            if field("event:") == Some("end") {
                return None;
            }
            let Some(data) = field("data:") else { continue };
            let event: Event = serde_json::from_str(data).unwrap();
            assert_eq!(field("id:"), Some(event.id.to_string().as_str()), "{block}");
            return Some(event);
        }
    }

    /// The sequences of the next `count` events.
    async fn take(&mut self, count: usize) -> Vec<i64> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.next().await.expect("another event").sequence);
        }
        all
    }
}

/// An event that happened long before the others, and is delivered whenever.
fn late(sequence: i64) -> Event {
    Event {
        time: Time::from_micros(START - 1_000_000),
        ..event(sequence)
    }
}

async fn a_follower_misses_nothing_and_sees_nothing_twice(log: Log) {
    log.keep(&events(1..=3)).await;
    let path = "/api/events/stream";
    let mut ada = Follower::of(&log, path, None).await;
    let mut bob = Follower::of(&log, path, Some(EventId::from_bits(1))).await;
    assert_eq!(bob.take(2).await, [2, 3], "what happened meanwhile");
    log.keep(&events(5..=6)).await;
    log.keep(&[event(6), late(4)]).await;
    log.keep(&events(1..=5)).await;
    log.keep(&events(7..=7)).await;
    for follower in [&mut ada, &mut bob] {
        assert_eq!(
            follower.take(4).await,
            [5, 6, 4, 7],
            "by arrival: a late one comes when it comes, a repeated one not again"
        );
    }
    assert_eq!(
        log.list("/events").await,
        [7, 6, 5, 3, 2, 1, 4],
        "the list has it in its place"
    );

    // The line breaks after each event; more than a page is waiting.
    log.keep(&events(8..=250)).await;
    let mut last = EventId::from_bits(6);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let mut again = Follower::of(&log, path, Some(last)).await;
        for _ in 0..2 {
            let event = again.next().await.unwrap();
            (last, seen) = (event.id, [seen, vec![event.sequence]].concat());
        }
    }
    let mut again = Follower::of(&log, path, Some(last)).await;
    seen.extend(again.take(239).await);
    let expected: Vec<i64> = std::iter::once(4).chain(7..=250).collect();
    assert_eq!(seen, expected);
}

async fn a_follower_sees_what_they_asked_for(log: Log) {
    log.keep(&events(1..=12)).await;
    let moment = Time::from_micros(START + 9);
    let id = EventId::from_bits;
    let mut followers = Vec::new();
    for (query, before, then) in [
        (
            "after=2020-01-01T00:00:00Z&type=OrderCreated".to_owned(),
            &[1, 3, 5, 7, 9, 11][..],
            &[13, 15, 17][..],
        ),
        (format!("after={moment}"), &[10, 11, 12], &[13, 14, 15, 16, 17, 18]),
        (
            format!("after={}&type=OrderConfirmed&type=Nothing", id(5)),
            &[6, 8, 10, 12],
            &[14, 16, 18],
        ),
        (
            format!("after={}&subject=ord_1,ord_2&source=orders", id(8)),
            &[10, 11],
            &[13, 14, 16, 17],
        ),
        ("after=&subject=ord_0".to_owned(), &[], &[15, 18]),
    ] {
        let mut follower = Follower::of(&log, &format!("/events/stream?{query}"), None).await;
        assert_eq!(follower.take(before.len()).await, before, "{query}");
        followers.push((query, follower, then));
    }
    log.keep(&events(13..=18)).await;
    for (query, mut follower, then) in followers {
        assert_eq!(
            follower.take(then.len()).await,
            then,
            "{query}: what comes is filtered as well"
        );
    }
}

async fn nobody_follows_from_nowhere(log: Log) {
    log.keep(&events(1..=1)).await;
    let unknown = "evt_01j9zk3v5w8q2m4n6p7r8s9t0v".parse().ok();
    for (path, last) in [
        ("/events/stream", unknown),
        ("/events/stream?after=x", None),
        ("/events/stream?after=evt_01j9zk3v5w8q2m4n6p7r8s9t0v", None),
        ("/events/stream?type=%00", None),
    ] {
        let refused = Follower::open(&log, path, last).await.err();
        assert_eq!(refused, Some(StatusCode::BAD_REQUEST), "{path} {last:?}");
    }
    let token = log.token(Role::Staff);
    let request = Request::get("/events/stream")
        .header("authorization", format!("Bearer {token}"))
        .header("last-event-id", "7");
    let answer = log.send(request, "").await;
    assert_eq!(
        (answer.status, &answer.body["errors"][0]["pointer"]),
        (400, &"Last-Event-ID".into())
    );
    for token in [log.token(Role::Customer), log.token(Role::Guest)] {
        let request = Request::get("/events/stream").header("authorization", format!("Bearer {token}"));
        assert_eq!(log.send(request, "").await.status, 403);
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_process() {
    let log = Log::open(Engine::Memory, Mode::Production).await;
    let mut follower = Follower::of(&log, "/events/stream", None).await;
    log.keep(&events(1..=1)).await;
    assert_eq!(follower.take(1).await, [1]);
    log.stop.stop();
    assert!(follower.next().await.is_none());
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let log = Log::open(Engine::Memory, Mode::Production).await;
    let mut follower = Follower::of(&log, "/events/stream", None).await;
    log.keys.revoked().end(SessionId::from_bits(1));
    assert!(follower.next().await.is_none());
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let log = Log::open(Engine::Memory, Mode::Production).await;
    let mut follower = Follower::of(&log, "/events/stream", None).await;
    log.clock.advance(Duration::from_secs(901));
    log.keep(&events(1..=1)).await;
    assert!(
        follower.next().await.is_none(),
        "nothing is told to a token of yesterday"
    );
}

/// Dead letters that are taken in after all are told as well, where one process has the log for itself.
#[tokio::test]
async fn what_was_not_delivered_is_told_too() {
    let log = Log::open(Engine::Memory, Mode::Production).await;
    let stop = Stop::new();
    let running: Vec<_> = log
        .tasks
        .iter()
        .map(|task| serve::spawn(task.run(stop.clone())))
        .collect();
    let mut follower = Follower::of(&log, "/events/stream", None).await;
    let revived = log.db.write(|tx| crate::store::keep(tx, &[&event(1)])).await;
    assert_eq!(revived, Ok(1));
    assert_eq!(follower.take(1).await, [1]);
    stop.stop();
    join_all(running).await;
}

/// What a follower costs does not grow with the log.
#[tokio::test]
async fn followers_walk_along_the_arrivals() {
    let log = Log::open(Engine::Memory, Mode::Production).await;
    let filter = |kinds: &[&str], sources: &[&str]| Filter {
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        sources: sources.iter().map(|source| (*source).to_owned()).collect(),
        ..Filter::default()
    };
    for filter in [
        filter(&[], &[]),
        filter(&["OrderCreated"], &[]),
        filter(&["OrderCreated", "OrderFailed"], &["orders"]),
    ] {
        let (sql, args) = crate::store::arrivals(&filter, 7, 100);
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let plan = log
            .db
            .scan(move |tx| tx.all(&explain, &args, |row| row.get::<String>(3)));
        let plan = plan.await.unwrap().join("\n");
        assert!(plan.contains("events_event_seq (seq>?)"), "{filter:?}\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{filter:?}\n{plan}");
    }
}

/// Three processes on one database: two write at once, the third is followed.
#[tokio::test]
async fn what_several_processes_write_is_told_once() {
    let url = testkit::postgres::database().await.unwrap();
    let engine = Engine::Postgres { url };
    let open = || Log::open(engine.clone(), Mode::Production);
    let (one, two, three) = (open().await, open().await, open().await);
    let stop = Stop::new();
    let looking: Vec<_> = three
        .tasks
        .iter()
        .map(|task| serve::spawn(task.run(stop.clone())))
        .collect();
    assert!(!looking.is_empty(), "it looks for what others write");
    let mut follower = Follower::of(&three, "/events/stream", None).await;
    let writes = (0..40).map(|turn| {
        let log = if turn % 2 == 0 { &one } else { &two };
        // Each tenth event is told by both.
        let mut batch = events(turn * 10 + 1..=turn * 10 + 10);
        batch.push(event((turn + 1) % 40 * 10 + 1));
        async move { log.keep(&batch).await }
    });
    let (_, mut seen) = tokio::join!(join_all(writes), follower.take(400));
    seen.sort_unstable();
    assert_eq!(seen, (1..=400).collect::<Vec<_>>());
    one.keep(&events(401..=401)).await;
    assert_eq!(follower.take(1).await, [401], "and none of them a second time");
    stop.stop();
    join_all(looking).await;
}
