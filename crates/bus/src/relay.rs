//! The relay: reads the outbox in order and posts it to the subscribers, each at its own pace.

use std::time::Duration;

use api::events::{Client, DELIVERY_MAX, Delivery};
use base::{Clock, Ids, RequestId};
use futures_util::future::join_all;
use serve::{Stop, Task};
use store::{Db, Dialect, Error, Stored};
use tokio::time::Instant;
use wire::{Cx, Peer};

use crate::inbox::event_of;

/// How often the outbox is read although nobody said that there is something: another process may have written.
const POLL: Duration = Duration::from_secs(1);
/// How long a commit's events wait for those of the next commits: a busy shop sends forty batches a second instead of
/// a thousand, and nobody waits for an event longer than a glance takes.
const LINGER: Duration = Duration::from_millis(25);
/// A cursor is written at most this often while events flow. After a crash the events since then come again,
/// and end at the consumers' once-table.
const CURSOR_EVERY: Duration = Duration::from_secs(1);
/// The first wait after a delivery that failed; it doubles up to the last.
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A lease is renewed when this part of it is over. Only where several processes share a database.
const RENEW_PART: u32 = 3;
/// What the data of a delivery's events have together at most, in bytes: with their other fields, of some hundred bytes
/// each, they fit a body.
const DELIVERY_BYTES: usize = serve::BODY_MAX / 2;

/// A task that delivers the events of `db` to `subscribers`: name and peer each. When it is told to end, it
/// makes one last pass over the outbox. Where several processes share the database, one delivers, until it has
/// not been heard of for `lease`.
pub fn relay(db: &Db, subscribers: Vec<(&'static str, Peer)>, lease: Duration) -> Task {
    let db = db.clone();
    Task::new("relay", move |stop| {
        let lines: Vec<Line> = subscribers
            .iter()
            .map(|(name, peer)| Line {
                db: db.clone(),
                name,
                peer: Client(peer.clone()),
                holder: holder(db.clock(), db.ids()),
                lease,
                leased: None,
                cursor: None,
                written: None,
            })
            .collect();
        // One loop a subscriber, side by side in this task: a panic in one ends all, and the supervisor starts them
        // again.
        let running = join_all(lines.into_iter().map(|line| line.run(stop.clone())));
        async move {
            running.await;
        }
    })
}

fn holder(clock: &Clock, ids: &Ids) -> String {
    let id: RequestId = ids.next(clock.now());
    id.to_string()
}

/// The way from one outbox to one subscriber.
struct Line {
    db: Db,
    name: &'static str,
    peer: Client,
    /// Who holds the lease, if this does.
    holder: String,
    lease: Duration,
    leased: Option<Instant>,
    /// The last event that the subscriber took in; unknown until read.
    cursor: Option<i64>,
    /// What of it is in the database, and since when.
    written: Option<(i64, Instant)>,
}

/// What became of one round.
enum Round {
    /// A full batch went out: there is probably more.
    More,
    /// Nothing is left, or another process delivers.
    Rest,
    /// The subscriber or the database did not take it.
    Failed(String),
}

impl Line {
    async fn run(mut self, stop: Stop) {
        let mut committed = self.db.committed();
        let mut backoff = BACKOFF;
        loop {
            committed.borrow_and_update();
            let last = stop.is_stopped();
            let wait = match self.round().await {
                Round::More => {
                    backoff = BACKOFF;
                    continue;
                }
                Round::Rest => {
                    backoff = BACKOFF;
                    POLL
                }
                Round::Failed(why) => {
                    let (service, subscriber) = (self.db.service(), self.name);
                    tracing::warn!(
                        service,
                        subscriber,
                        why,
                        "events could not be delivered; they will come again"
                    );
                    let wait = backoff / 2 + Duration::from_micros(self.db.ids().below(backoff.as_micros() as u64 / 2));
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                    self.write_cursor(true).await;
                    if last {
                        break;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = stop.stopped() => {}
                    }
                    continue;
                }
            };
            if last {
                break;
            }
            // What changed the cursor is written before the rest, so that an idle relay has nothing in mind.
            let pause = if self.is_dirty() { CURSOR_EVERY } else { wait };
            tokio::select! {
                changed = committed.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(LINGER) => {}
                        () = stop.stopped() => {}
                    }
                }
                () = tokio::time::sleep(pause) => self.write_cursor(false).await,
                () = stop.stopped() => {}
            }
        }
        self.write_cursor(true).await;
        if self.leased.is_some() {
            let (lease, holder) = (self.lease_name(), self.holder.clone());
            let _ = self.db.write(move |tx| store::release(tx, &lease, &holder)).await;
        }
    }

    async fn round(&mut self) -> Round {
        match self.try_round().await {
            Ok(round) => round,
            Err(fault) => {
                // The cursor may have moved by another hand: it is read anew.
                self.cursor = None;
                Round::Failed(fault.to_string())
            }
        }
    }

    async fn try_round(&mut self) -> Result<Round, Error> {
        if !self.holds_lease().await? {
            self.cursor = None;
            return Ok(Round::Rest);
        }
        let name = self.name;
        let after = match self.cursor {
            Some(seq) => seq,
            None => {
                let seq = self.db.read(move |tx| store::cursor(tx, name)).await?;
                self.written = Some((seq, now()));
                *self.cursor.insert(seq)
            }
        };
        let mut batch = self
            .db
            .scan(move |tx| store::outbox_after(tx, after, DELIVERY_MAX as u32))
            .await?;
        let fits = fitting(&batch);
        let full = batch.len() == DELIVERY_MAX || fits < batch.len();
        batch.truncate(fits);
        let Some(last) = batch.last().map(|stored| stored.seq) else {
            return Ok(Round::Rest);
        };
        let service = self.db.service();
        let events = batch
            .into_iter()
            .map(|stored| event_of(service.to_owned(), stored.event))
            .collect::<Result<_, _>>()?;
        let cx = Cx::new(holder(self.db.clock(), self.db.ids()), format!("service:{service}"));
        match self.peer.deliver(&cx, &Delivery { events }).await {
            Ok(()) => {
                self.cursor = Some(last);
                if self.written.is_none_or(|(_, at)| at.elapsed() >= CURSOR_EVERY) {
                    self.write_cursor(false).await;
                }
                Ok(if full { Round::More } else { Round::Rest })
            }
            Err(problem) => Ok(Round::Failed(problem.to_string())),
        }
    }

    fn is_dirty(&self) -> bool {
        self.cursor.is_some() && self.cursor != self.written.map(|(seq, _)| seq)
    }

    /// Writes the cursor if it moved. That it could not is no harm, only repetition; `anyway` says so at the end.
    async fn write_cursor(&mut self, anyway: bool) {
        let Some(seq) = self.cursor.filter(|_| self.is_dirty()) else {
            return;
        };
        let name = self.name;
        match self.db.write(move |tx| store::move_cursor(tx, name, seq)).await {
            Ok(()) => self.written = Some((seq, now())),
            Err::<(), Error>(fault) if anyway => {
                tracing::warn!(subscriber = name, %fault, "how far events were delivered could not be written");
            }
            Err(_) => {}
        }
    }

    /// On SQLite one process has the file, and nothing is to be leased.
    async fn holds_lease(&mut self) -> Result<bool, Error> {
        if self.db.dialect() == Dialect::Sqlite || self.leased.is_some_and(|at| at.elapsed() < self.lease / RENEW_PART)
        {
            return Ok(true);
        }
        let (lease, holder, now_) = (self.lease_name(), self.holder.clone(), self.db.clock().now());
        let until = now_.after(self.lease);
        let held = self
            .db
            .write(move |tx| store::lease(tx, &lease, &holder, until, now_))
            .await?;
        self.leased = held.then(now);
        Ok(held)
    }

    fn lease_name(&self) -> String {
        format!("relay/{}", self.name)
    }
}

/// How many of the first events fit one delivery; one always does.
fn fitting(batch: &[Stored]) -> usize {
    let mut bytes = 0;
    let fits = |stored: &&Stored| {
        bytes += stored.event.data.len();
        bytes <= DELIVERY_BYTES
    };
    batch.iter().take_while(fits).count().max(1)
}

#[allow(clippy::disallowed_methods)] // Intervals are of the runtime's clock, which tests can pause.
fn now() -> Instant {
    Instant::now()
}
