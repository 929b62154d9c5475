//! The inbox: where events of other services arrive, and the harness that makes each count once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use api::events::{Delivery, Event};
use base::EventId;
use serve::{Body, Rights, Route};
use store::{Db, Dead, Outgoing, Tx};
use wire::Problem;

/// How often an event is tried before it rests among the dead letters. With the relay's waits: half a minute.
pub const TRIES_MAX: u32 = 10;
/// Failing events that are counted at a time; beyond, the oldest counts begin anew.
const COUNTED_MAX: usize = 10_000;

/// The route at which `consumer` takes events in, one at a time: `handle` runs in the transaction that remembers
/// the event, and is not called for one that was taken in before.
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
    let inbox = Arc::new(Inbox {
        db: db.clone(),
        consumer,
        handle,
        tries: Mutex::default(),
    });
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
}

struct Inbox<H> {
    db: Db,
    consumer: &'static str,
    handle: H,
    /// How often events have failed since the process started.
    tries: Mutex<HashMap<EventId, u32>>,
}

impl<H, E> Inbox<H>
where
    H: Fn(&mut Tx<'_>, &[&Event]) -> Result<(), E> + Send + Sync + 'static,
    E: From<store::Error> + Into<Problem> + Send + 'static,
{
    async fn take(self: &Arc<Self>, delivery: Delivery) -> Result<(), Problem> {
        let events = Arc::new(delivery.events);
        if events.is_empty() || self.transact(events.clone(), 0..events.len()).await.is_ok() {
            return Ok(());
        }
        // Somebody in the batch is at fault: alone, the others get in.
        let mut refused = None;
        for at in 0..events.len() {
            if let Err(fault) = self.transact(events.clone(), at..at + 1).await {
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

    async fn transact(self: &Arc<Self>, events: Arc<Vec<Event>>, range: std::ops::Range<usize>) -> Result<(), E> {
        let inbox = self.clone();
        let act = move |tx: &mut Tx<'_>| {
            let events = &events[range.clone()];
            let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
            let seen = store::seen_all(tx, inbox.consumer, &ids)?;
            let fresh: Vec<&Event> = events
                .iter()
                .zip(seen)
                .filter(|(_, seen)| !seen)
                .map(|(event, _)| event)
                .collect();
            if fresh.is_empty() {
                Ok(())
            } else {
                (inbox.handle)(tx, &fresh)
            }
        };
        self.db.write(act).await
    }

    /// Counts a failure; after the last try the event is buried and remembered as taken in. Answers whether.
    async fn give_up(self: &Arc<Self>, event: &Event, problem: &Problem) -> Result<bool, Problem> {
        let (consumer, id) = (self.consumer, event.id);
        // A passing fault, such as a full queue, is not the event's: it is not counted.
        if problem.status == 503 || self.count(id) < TRIES_MAX {
            return Ok(false);
        }
        tracing::error!(consumer, event = %id, %problem, "an event was given up; it rests among the dead letters");
        let dead = Dead {
            consumer: consumer.to_owned(),
            event: outgoing(event),
            reason: problem.to_string(),
            buried_at: self.db.clock().now(),
        };
        let bury = move |tx: &mut Tx<'_>| -> Result<(), store::Error> {
            if !store::seen(tx, consumer, id)? {
                store::bury(tx, &dead)?;
            }
            Ok(())
        };
        self.db.write(bury).await.map_err(serve::of_store)?;
        self.tries.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        Ok(true)
    }

    fn count(&self, id: EventId) -> u32 {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
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
