//! One service that emits, others that take in; deliveries that fail, repeat, and come after the end.

use std::sync::{Arc, Mutex};

use api::events::{Client, Delivery, Event, Replay};
use base::{Clock, EventId, Ids, Time};
use serve::{Deps, Keys, Mode, Part, Peers, Routes, Secret, Shop, Stop};
use store::{Db, Outgoing, Settings, Tx};
use tokio::sync::watch;
use wire::{Cx, Late, Peer, Problem};

use crate::*;

/// Longer than any test.
const LEASE: std::time::Duration = std::time::Duration::from_secs(60);

fn deps() -> Deps {
    let clock = Clock::paused(Time::from_micros(1_900_000_000_000_000));
    let ids = Ids::seeded(1);
    Deps {
        keys: Keys::new(&Secret::Ed25519([7; 32]), &[], "shop", clock.clone(), ids.clone()),
        clock,
        ids,
        mode: Mode::Development,
        shop: Shop {
            name: "Test".to_owned(),
            currency: "EUR".parse().unwrap(),
        },
        peers: Peers::default(),
        mail: serve::Mailer::off(),
        stop: Stop::new(),
    }
}

async fn database(deps: &Deps, service: &'static str) -> Db {
    Db::open(Settings::memory(service), &[], deps.clock.clone(), deps.ids.clone())
        .await
        .unwrap()
}

async fn emit(db: &Db, subjects: &[&'static str]) {
    emit_with(db, subjects, r#"{"total":5}"#).await;
}

async fn emit_with(db: &Db, subjects: &[&'static str], data: &str) {
    let now = db.clock().now();
    for (at, subject) in subjects.iter().enumerate() {
        let event = Outgoing {
            id: db.ids().next(now),
            kind: "OrderCreated".into(),
            subject: (*subject).to_owned(),
            sequence: at as i64 + 1,
            at: now,
            actor: "usr_x".to_owned(),
            request_id: "r".to_owned(),
            data: data.to_owned(),
        };
        db.write(move |tx| tx.emit(event.clone())).await.unwrap();
    }
}

/// What a consumer does with an event.
type Judge = fn(&Event, usize) -> Result<(), Problem>;

/// A refusal that services give, or the store.
struct Refusal(Problem);

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        Self(serve::of_store(error))
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        refusal.0
    }
}

/// A consumer that writes down the subjects it took in, by commit.
struct Reader {
    db: Db,
    peer: Peer,
    taken: watch::Receiver<u64>,
    tries: Arc<Mutex<usize>>,
}

impl Reader {
    async fn new(deps: &Deps, judge: Judge) -> Self {
        let db = database(deps, "reader").await;
        let tries: Arc<Mutex<usize>> = Arc::default();
        let handle = {
            let tries = tries.clone();
            move |tx: &mut Tx<'_>, event: &Event| -> Result<(), Refusal> {
                let mut tries = tries.lock().unwrap();
                *tries += 1;
                judge(event, *tries).map_err(Refusal)?;
                // An event of our own is the simplest row to count.
                let mut copy = Outgoing {
                    id: event.id,
                    kind: "Taken".into(),
                    subject: event.subject.clone(),
                    sequence: event.sequence,
                    at: event.time,
                    actor: event.actor.clone(),
                    request_id: event.request_id.clone(),
                    data: "{}".to_owned(),
                };
                copy.id = EventId::clone(&event.id);
                tx.emit(copy).map_err(Refusal::from)
            }
        };
        let routes = Routes::<()>::new("reader", None)
            .add(inbox(&db, "reader", handle))
            .finish(());
        let late = Late::new();
        late.set(Part::new("reader", deps, routes, None).router);
        let peer = Peer::local("reader", late).speaking(deps.keys.badge("teller"));
        Self {
            taken: db.committed(),
            db,
            peer,
            tries,
        }
    }

    async fn subjects(&self) -> Vec<String> {
        let all = self.db.read(|tx| store::outbox_after(tx, 0, 1_000)).await.unwrap();
        all.into_iter().map(|stored| stored.event.subject).collect()
    }

    async fn until(&mut self, count: usize) -> Vec<String> {
        loop {
            self.taken.borrow_and_update();
            let subjects = self.subjects().await;
            if subjects.len() >= count {
                return subjects;
            }
            self.taken.changed().await.unwrap();
        }
    }

    async fn dead(&self) -> Vec<String> {
        let dead = self.db.read(|tx| store::dead(tx, "", "", 10)).await.unwrap();
        dead.into_iter().map(|dead| dead.event.subject).collect()
    }

    async fn tell(&self, subjects: &[(u128, &str)]) -> Result<(), Problem> {
        let event = |(id, subject): &(u128, &str)| Event {
            id: base::Id::from_bits(*id),
            kind: "OrderCreated".to_owned(),
            source: "teller".to_owned(),
            subject: (*subject).to_owned(),
            sequence: 1,
            time: Time::from_micros(1),
            timestamp: Time::from_micros(1),
            actor: "usr_x".to_owned(),
            request_id: "r".to_owned(),
            data_version: 1,
            data: serde_json::Map::new(),
        };
        let delivery = Delivery {
            events: subjects.iter().map(event).collect(),
        };
        Client(self.peer.clone())
            .deliver(&Cx::new("r", "service:teller"), &delivery)
            .await
    }
}

fn willing(_: &Event, _: usize) -> Result<(), Problem> {
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_dead_subscriber_blocks_nobody_else() {
    let deps = deps();
    let db = database(&deps, "teller").await;
    let mut live = Reader::new(&deps, willing).await;
    let subscribers = vec![("dead", Peer::absent("dead")), ("live", live.peer.clone())];
    let stop = Stop::new();
    let running = serve::spawn(relay(&db, subscribers, LEASE).run(stop.clone()));
    emit(&db, &["a", "b"]).await;
    live.until(2).await;
    emit(&db, &["c"]).await;
    assert_eq!(live.until(3).await, ["a", "b", "c"]);
    stop.stop();
    running.await.unwrap();
    let cursors = db
        .read(|tx| Ok::<_, store::Error>((store::cursor(tx, "dead")?, store::cursor(tx, "live")?)))
        .await
        .unwrap();
    assert_eq!(cursors, (0, 3));
}

/// Many long events are more than one body holds: they go out in several.
#[tokio::test(start_paused = true)]
async fn long_events_go_out_in_parts() {
    let deps = deps();
    let db = database(&deps, "teller").await;
    let mut reader = Reader::new(&deps, willing).await;
    let data = serde_json::json!({ "words": "x".repeat(serve::BODY_MAX / 20) }).to_string();
    emit_with(&db, &["a"; 50], &data).await;
    let stop = Stop::new();
    let running = serve::spawn(relay(&db, vec![("live", reader.peer.clone())], LEASE).run(stop.clone()));
    assert_eq!(reader.until(50).await.len(), 50);
    stop.stop();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_left_goes_out_when_the_relay_ends() {
    let deps = deps();
    let db = database(&deps, "teller").await;
    let reader = Reader::new(&deps, willing).await;
    let subjects = vec!["a"; 600];
    emit(&db, &subjects).await;
    let stop = Stop::new();
    stop.stop();
    relay(&db, vec![("reader", reader.peer.clone())], LEASE).run(stop).await;
    assert_eq!(reader.subjects().await.len(), 600);
    // A relay that is told again tells nothing twice: its cursor was written.
    assert_eq!(db.read(|tx| store::cursor(tx, "reader")).await.unwrap(), 600);
}

#[tokio::test(start_paused = true)]
async fn a_poisonous_event_is_buried_and_the_others_live() {
    let deps = deps();
    let db = database(&deps, "teller").await;
    let judge: Judge = |event, _| match event.subject.as_str() {
        "poison" => Err(Problem::internal()),
        _ => Ok(()),
    };
    let mut reader = Reader::new(&deps, judge).await;
    emit(&db, &["a", "poison", "b"]).await;
    let stop = Stop::new();
    let running = serve::spawn(relay(&db, vec![("reader", reader.peer.clone())], LEASE).run(stop.clone()));
    assert_eq!(reader.until(2).await, ["a", "b"]);
    emit(&db, &["c"]).await;
    assert_eq!(reader.until(3).await, ["a", "b", "c"]);
    let mut seconds = 0;
    while db.read(|tx| store::cursor(tx, "reader")).await.unwrap() < 4 {
        assert!(seconds < 120, "the poison is still in the way");
        seconds += 1;
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
    }
    stop.stop();
    running.await.unwrap();
    assert_eq!(reader.dead().await, ["poison"]);
    // It counts as taken in: it does not come back with a repeated batch.
    assert_eq!(reader.subjects().await, ["a", "b", "c"]);
}

#[tokio::test]
async fn an_event_counts_once_however_often_it_comes() {
    let deps = deps();
    let reader = Reader::new(&deps, willing).await;
    reader.tell(&[(1, "a"), (2, "b"), (1, "a")]).await.unwrap();
    reader.tell(&[(2, "b"), (3, "c")]).await.unwrap();
    reader.tell(&[]).await.unwrap();
    assert_eq!(reader.subjects().await, ["a", "b", "c"]);
    assert_eq!(*reader.tries.lock().unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_passing_fault_is_not_the_events_own() {
    let deps = deps();
    let judge: Judge = |_, tries| {
        if tries <= 60 {
            Err(Problem::unavailable("full"))
        } else {
            Ok(())
        }
    };
    let reader = Reader::new(&deps, judge).await;
    while let Err(problem) = reader.tell(&[(1, "a")]).await {
        assert_eq!(problem.status, 503);
    }
    assert!(reader.dead().await.is_empty());
    assert_eq!(reader.subjects().await, ["a"]);
}

/// Buries an event whose consumer is mended later: it rests, is seen, is tried in vain, and at last counts once.
#[tokio::test]
async fn a_dead_letter_is_replayed_once() {
    let deps = deps();
    // The two tries of each of ten deliveries, the other event's, and a replay that comes too early.
    let judge: Judge = |event, tries| match event.subject.as_str() {
        "poison" if tries <= 22 => Err(Problem::conflict("broken", "It is broken.")),
        _ => Ok(()),
    };
    let reader = Reader::new(&deps, judge).await;
    let client = Client(reader.peer.clone());
    let cx = Cx::new("r", "service:cli");
    let dead = async || client.dead(&cx, None).await.unwrap().expect("a desk");
    assert!(dead().await.is_empty());
    while reader.tell(&[(1, "poison"), (2, "a")]).await.is_err() {}
    let letters = dead().await;
    let [letter] = letters.as_slice() else {
        panic!("{letters:?}")
    };
    assert_eq!(
        (
            letter.consumer.as_str(),
            letter.event.source.as_str(),
            letter.event.subject.as_str()
        ),
        ("reader", "teller", "poison")
    );
    assert!(letter.reason.contains("It is broken."), "{}", letter.reason);
    let id = letter.event.id;
    assert!(client.dead(&cx, Some(id)).await.unwrap().expect("a desk").is_empty());

    let unknown: EventId = base::Id::from_bits(99);
    let replay = Replay { ids: vec![unknown, id] };
    let early = client.replay(&cx, &replay).await.unwrap();
    assert_eq!((early.taken.len(), early.refused[0].id), (0, id));
    assert_eq!((reader.subjects().await, dead().await.len()), (vec!["a".to_owned()], 1));
    let many = futures_util::future::join_all((0..4).map(|_| client.replay(&cx, &replay))).await;
    let taken: usize = many.into_iter().map(|done| done.unwrap().taken.len()).sum();
    assert_eq!(taken, 1, "one of four who try at once");
    assert!(dead().await.is_empty());
    reader.tell(&[(1, "poison")]).await.unwrap();
    assert_eq!(reader.subjects().await, ["a", "poison"]);
}

#[tokio::test]
async fn only_services_see_dead_letters() {
    let deps = deps();
    let mut reader = Reader::new(&deps, willing).await;
    let stranger: Arc<str> = "nobody".into();
    reader.peer = reader.peer.speaking(Arc::new(move || stranger.clone()));
    let (client, cx) = (Client(reader.peer.clone()), Cx::new("r", "nobody"));
    assert_eq!(client.dead(&cx, None).await.unwrap_err().status, 401);
    assert_eq!(client.replay(&cx, &Replay::default()).await.unwrap_err().status, 401);
}

#[tokio::test]
async fn only_services_deliver() {
    let deps = deps();
    let mut reader = Reader::new(&deps, willing).await;
    let stranger: Arc<str> = "nobody".into();
    reader.peer = reader.peer.speaking(Arc::new(move || stranger.clone()));
    assert_eq!(reader.tell(&[(1, "a")]).await.unwrap_err().status, 401);
}

#[tokio::test]
async fn the_sweep_leaves_what_somebody_still_needs() {
    let deps = deps();
    let db = database(&deps, "teller").await;
    emit(&db, &["a", "b"]).await;
    db.write(|tx| store::move_cursor(tx, "one", 2)).await.unwrap();
    db.write(|tx| store::move_cursor(tx, "two", 1)).await.unwrap();
    let swept = async || {
        crate::sweep::once(&db, &["one", "two"], &Stop::new()).await.unwrap();
        let left = db.read(|tx| store::outbox_after(tx, 0, 10)).await.unwrap();
        left.into_iter().map(|stored| stored.event.subject).collect::<Vec<_>>()
    };
    assert_eq!(swept().await, ["a", "b"]);
    deps.clock.advance(KEEP_EVENTS + std::time::Duration::from_secs(1));
    assert_eq!(swept().await, ["b"]);
}
