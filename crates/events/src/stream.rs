//! The log as it grows, for those who follow it.
//!
//! Events are told in the order in which they arrived, each once, and a follower who comes back with the id of the last
//! one goes on after it. A page is read when the last one was taken, so that slow followers hold nothing in memory.
//! When the database cannot be read a stream ends, as it does with the process and the token: followers come back by
//! themselves.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use api::events::Event;
use futures_util::stream::{self, Stream};
use serve::{Frame, Task};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::domain::Filter;
use crate::{App, actions, store as rows};

/// The most streams of a process; each holds a connection open.
pub const STREAMS_MAX: usize = 512;
/// Events that are read at a time.
const PAGE: u32 = 100;
/// What each frame is called: what a browser's `onmessage` hears. The event's own type is in its data.
const MESSAGE: &str = "message";
/// How often a process asks what was added to the log by other processes, or from among the dead letters.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Wakes those who follow the log when something arrived.
pub struct Arrivals {
    told: watch::Sender<u64>,
    /// The last arrival that was found by looking.
    last: AtomicI64,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self {
            told: watch::Sender::new(0),
            last: AtomicI64::new(0),
        }
    }
}

impl Arrivals {
    /// Something arrived.
    pub fn tell(&self) {
        self.told.send_modify(|told| *told += 1);
    }

    /// How many follow.
    pub fn followers(&self) -> usize {
        self.told.receiver_count()
    }

    /// The log has grown up to `last`.
    pub fn found(&self, last: i64) {
        if self.last.swap(last, Ordering::Relaxed) != last {
            self.tell();
        }
    }
}

/// A task that looks for what was added to the log otherwise than by a delivery to this process.
pub fn look(app: Arc<App>) -> Task {
    Task::every("events: look", LOOK_EVERY, move |_| {
        let app = app.clone();
        async move { actions::look(&app).await }
    })
}

/// One who follows the log.
struct Follower {
    app: Arc<App>,
    filter: Filter,
    /// All up to here was told, or is in `waiting`.
    at: i64,
    waiting: VecDeque<Event>,
    arrivals: watch::Receiver<u64>,
    _place: OwnedSemaphorePermit,
}

/// What arrives after the place `at` and fits the filter; it ends when the log cannot be read.
pub fn follow(
    app: Arc<App>,
    filter: Filter,
    at: i64,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Frame> + Send + 'static {
    let follower = Follower {
        arrivals: app.arrivals.told.subscribe(),
        app,
        filter,
        at,
        waiting: VecDeque::new(),
        _place: place,
    };
    stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        let frame = Frame {
            id: Some(event.id.to_string()),
            event: MESSAGE,
            data: serde_json::to_string(&event).ok()?,
        };
        Some((frame, follower))
    })
}

impl Follower {
    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            // What arrives while the page is read wakes it once more.
            self.arrivals.borrow_and_update();
            if !self.read().await? {
                self.arrivals.changed().await.ok()?;
            }
        }
    }

    /// Reads the next page; answers whether there was anything.
    async fn read(&mut self) -> Option<bool> {
        let (filter, at) = (self.filter.clone(), self.at);
        let page = self.app.db.scan(move |tx| rows::arrived(tx, &filter, at, PAGE));
        match page.await {
            Ok((events, upto)) => {
                let any = !events.is_empty();
                self.at = upto;
                self.waiting.extend(events);
                Some(any)
            }
            Err::<_, ::store::Error>(fault) => {
                tracing::warn!(%fault, "the log cannot be read; a stream of it ends");
                None
            }
        }
    }
}
