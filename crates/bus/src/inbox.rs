//! The inbox: where events of other services arrive, and the harness that makes each count once.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use api::events::{AfterEvent, DEAD_MAX, DeadLetter, Delivery, Event, Replay, Replayed, StillDead};
use base::EventId;
use serve::{Body, Json, Query, Rights, Route};
use store::{Db, Dead, Outgoing, Tx};
use wire::Problem;

/// How often an event is tried before it rests among the dead letters. With the relay's waits: half a minute.
pub const TRIES_MAX: u32 = 10;
/// Failing events that are counted at a time; beyond, the oldest counts begin anew.
const COUNTED_MAX: usize = 10_000;

/// The route at which `consumer` takes events in, one at a time: `handle` runs in the transaction that remembers
/// the event, and is not called for one that was taken in before. With it come the routes of its dead letters.
///
/// A refusal of `handle` is tried again; one that is not passing (no 503) is laid among the dead letters after
/// [`TRIES_MAX`] tries. It must not matter whether `handle` is run again after a conflict.
pub fn inbox<S, E>(
    db: &Db,
    consumer: &'static str,
    handle: impl Fn(&mut Tx<'_>, &Event) -> Result<(), E> + Send + Sync + 'static,
) -> Route<S>
where
    S: Clone + Send + Sync + 'static,
    E: From<store::Error> + Into<Problem> + Send + 'static,
{
    inbox_of_batches(db, consumer, move |tx, events| {
        events.iter().try_for_each(|event| handle(tx, event))
    })
}

/// [`inbox`] for a consumer that takes many events at once: `handle` gets those of a delivery that are new, at
/// least one. When it refuses, they are tried one by one.
pub fn inbox_of_batches<S, E>(
    db: &Db,
    consumer: &'static str,
    handle: impl Fn(&mut Tx<'_>, &[&Event]) -> Result<(), E> + Send + Sync + 'static,
) -> Route<S>
where
    S: Clone + Send + Sync + 'static,
    E: From<store::Error> + Into<Problem> + Send + 'static,
{
    let inbox = Inbox::new(db, consumer, handle);
    let dead = inbox.desk();
    let take = move |Body(delivery): Body<Delivery>| {
        let inbox = inbox.clone();
        async move { inbox.take(delivery).await.map(|()| serve::no_content()) }
    };
    Route::post("/internal/events", take)
        .rights(Rights::Service)
        .takes::<Delivery>()
        .gives_nothing(204)
        .tells(
            "Takes events in",
            "An error means that the whole batch is to be sent again.",
        )
        .and(dead)
}

/// Takes events in for one consumer. Cheap to clone; clones share it. [`inbox`] makes a route of one; who has to do
/// something of their own beside it calls [`Inbox::take`].
pub struct Inbox<E>(Arc<Inner<E>>);

type Handle<E> = dyn Fn(&mut Tx<'_>, &[&Event]) -> Result<(), E> + Send + Sync;

struct Inner<E> {
    db: Db,
    consumer: &'static str,
    handle: Box<Handle<E>>,
    /// Whether the events taken in are remembered here; else the consumer's own rows make a repeat harmless.
    remembers: bool,
    /// How often events have failed since the process started.
    tries: Mutex<HashMap<EventId, u32>>,
}

impl<E> Clone for Inbox<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E> Inbox<E>
where
    E: From<store::Error> + Into<Problem> + Send + 'static,
{
    /// An inbox that remembers what it took in: see [`inbox_of_batches`].
    pub fn new(
        db: &Db,
        consumer: &'static str,
        handle: impl Fn(&mut Tx<'_>, &[&Event]) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        Self::made(db, consumer, Box::new(handle), true)
    }

    /// An inbox for a `handle` to which repeats are harmless, since its own rows know the events by their ids: nothing
    /// else is written for them.
    pub fn of_repeatable(
        db: &Db,
        consumer: &'static str,
        handle: impl Fn(&mut Tx<'_>, &[&Event]) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        Self::made(db, consumer, Box::new(handle), false)
    }

    fn made(db: &Db, consumer: &'static str, handle: Box<Handle<E>>, remembers: bool) -> Self {
        Self(Arc::new(Inner {
            db: db.clone(),
            consumer,
            handle,
            remembers,
            tries: Mutex::default(),
        }))
    }

    /// Takes a delivery in.
    ///
    /// # Errors
    /// Some of it could not be taken in yet: the whole delivery is to be sent again.
    pub async fn take(&self, delivery: Delivery) -> Result<(), Problem> {
        let events = Arc::new(delivery.events);
        if events.is_empty() || self.transact(&events, 0..events.len()).await.is_ok() {
            return Ok(());
        }
        // Somebody in the batch is at fault: alone, the others get in.
        let mut refused = None;
        for at in 0..events.len() {
            if let Err(fault) = self.transact(&events, at..at + 1).await {
                let problem: Problem = fault.into();
                if !self.give_up(&events[at], &problem).await? {
                    refused = Some(problem);
                }
            }
        }
        match refused {
            None => Ok(()),
            Some(problem) => Err(Problem::unavailable(format!(
                "An event could not be taken in yet: {}",
                problem.detail
            ))),
        }
    }

    /// The dead letters after `after`, by the ids of their events; at most [`DEAD_MAX`].
    ///
    /// # Errors
    /// The database's.
    pub async fn dead(&self, after: Option<EventId>) -> Result<Vec<DeadLetter>, Problem> {
        let consumer = self.0.consumer;
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let found = self
            .0
            .db
            .scan(move |tx| store::dead(tx, consumer, &after, DEAD_MAX as u32))
            .await;
        let ours = found.map_err(serve::of_store)?.into_iter();
        ours.filter(|dead| dead.consumer == consumer).map(letter).collect()
    }

    /// Tries dead letters once more, each in a transaction of its own. What is taken in counts once, however often
    /// this is asked and by however many.
    ///
    /// # Errors
    /// More than [`DEAD_MAX`]; the database's.
    pub async fn replay(&self, ids: Vec<EventId>) -> Result<Replayed, Problem> {
        if ids.len() > DEAD_MAX {
            let detail = format!("must have at most {DEAD_MAX} entries");
            return Err(Problem::invalid("The body is not as it should be.").field("/ids", detail));
        }
        let mut done = Replayed::default();
        for id in ids {
            match self.revive(id).await {
                Ok(true) => {
                    tracing::info!(consumer = self.0.consumer, event = %id, "a dead letter was taken in");
                    done.taken.push(id);
                }
                Ok(false) => {}
                Err(fault) => {
                    let problem: Problem = fault.into();
                    let reason = problem.to_string();
                    done.refused.push(StillDead { id, reason });
                }
            }
        }
        Ok(done)
    }

    /// The routes of the dead letters.
    pub fn desk<S: Clone + Send + Sync + 'static>(&self) -> Route<S> {
        let (listed, revived) = (self.clone(), self.clone());
        let list = move |Query(page): Query<AfterEvent>| {
            let inbox = listed.clone();
            async move { inbox.dead(page.after).await.map(Json) }
        };
        let replay = move |Body(replay): Body<Replay>| {
            let inbox = revived.clone();
            async move { inbox.replay(replay.ids).await.map(Json) }
        };
        Route::get("/internal/dead", list)
            .query::<AfterEvent>()
            .gives::<Vec<DeadLetter>>(200)
            .tells("Tells which events could not be taken in", "")
            .and(
                Route::post("/internal/dead/replay", replay)
                    .takes::<Replay>()
                    .gives::<Replayed>(200)
                    .tells("Tries such events once more", ""),
            )
    }

    async fn transact(&self, events: &Arc<Vec<Event>>, range: Range<usize>) -> Result<(), E> {
        let (inbox, events) = (self.0.clone(), events.clone());
        let act = move |tx: &mut Tx<'_>| {
            let events = &events[range.clone()];
            let fresh: Vec<&Event> = if inbox.remembers {
                let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
                let seen = store::seen_all(tx, inbox.consumer, &ids)?;
                let pairs = events.iter().zip(seen).filter(|(_, seen)| !seen);
                pairs.map(|(event, _)| event).collect()
            } else {
                events.iter().collect()
            };
            if fresh.is_empty() {
                Ok(())
            } else {
                (inbox.handle)(tx, &fresh)
            }
        };
        self.0.db.write(act).await
    }

    /// Takes a dead letter in; `false` when there is none of this id. The letter goes first: of two who try, the
    /// second one waits for the first and finds none.
    async fn revive(&self, id: EventId) -> Result<bool, E> {
        let inbox = self.0.clone();
        let act = move |tx: &mut Tx<'_>| {
            let Some(dead) = store::dead_letter(tx, inbox.consumer, id)? else {
                return Ok(false);
            };
            if !store::unbury(tx, inbox.consumer, id)? {
                return Ok(false);
            }
            let event = event_of(dead.source, dead.event)?;
            (inbox.handle)(tx, &[&event])?;
            Ok(true)
        };
        self.0.db.write(act).await
    }

    /// Counts a failure; after the last try the event is buried and remembered as taken in. Answers whether.
    async fn give_up(&self, event: &Event, problem: &Problem) -> Result<bool, Problem> {
        let (consumer, id, remembers) = (self.0.consumer, event.id, self.0.remembers);
        // A passing fault, such as a full queue, is not the event's: it is not counted.
        if problem.status == 503 {
            return Ok(false);
        }
        let buried = async || {
            let found = self.0.db.read(move |tx| store::dead_letter(tx, consumer, id)).await;
            found.map(|letter| letter.is_some()).map_err(serve::of_store)
        };
        // Where nothing is remembered, the letter itself tells that the event was given up before.
        if !remembers && buried().await? {
            return Ok(true);
        }
        if self.count(id) < TRIES_MAX {
            return Ok(false);
        }
        tracing::error!(consumer, event = %id, %problem, "an event was given up; it rests among the dead letters");
        let dead = Dead {
            consumer: consumer.to_owned(),
            source: event.source.clone(),
            event: outgoing(event),
            reason: problem.to_string(),
            buried_at: self.0.db.clock().now(),
        };
        let bury = move |tx: &mut Tx<'_>| -> Result<(), store::Error> {
            if !remembers || !store::seen(tx, consumer, id)? {
                store::bury(tx, &dead)?;
            }
            Ok(())
        };
        self.0.db.write(bury).await.map_err(serve::of_store)?;
        self.0.tries.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        Ok(true)
    }

    fn count(&self, id: EventId) -> u32 {
        let mut tries = self.0.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= COUNTED_MAX && !tries.contains_key(&id) {
            tries.clear();
        }
        let count = tries.entry(id).or_default();
        *count += 1;
        *count
    }
}

fn outgoing(event: &Event) -> Outgoing {
    Outgoing {
        id: event.id,
        kind: event.kind.clone().into(),
        subject: event.subject.clone(),
        sequence: event.sequence,
        at: event.time,
        actor: event.actor.clone(),
        request_id: event.request_id.clone(),
        data: serde_json::Value::Object(event.data.clone()).to_string(),
    }
}

fn letter(dead: Dead) -> Result<DeadLetter, Problem> {
    Ok(DeadLetter {
        consumer: dead.consumer,
        event: event_of(dead.source, dead.event).map_err(serve::of_store)?,
        reason: dead.reason,
        buried_at: dead.buried_at,
    })
}

/// An event of an outbox, or of a dead letter, as everybody reads it; `source` is the service that tells it.
pub(crate) fn event_of(source: String, event: Outgoing) -> Result<Event, store::Error> {
    Ok(Event {
        id: event.id,
        kind: event.kind.into_owned(),
        source,
        subject: event.subject,
        sequence: event.sequence,
        time: event.at,
        timestamp: event.at,
        actor: event.actor,
        request_id: event.request_id,
        data_version: 1,
        data: serde_json::from_str(&event.data)
            .map_err(|fault| store::Error::Corrupt(format!("the data of event {}: {fault}", event.id)))?,
    })
}
