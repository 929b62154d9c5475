//! Hot actions over slices: what arrives while one batch commits is the next batch.
//!
//! There is no timer. An idle shop has batches of one and no added wait; a busy one answers many calls with one
//! commit, and a product that everybody wants costs what any other does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::job::{Job, guarded};
use crate::{Db, Error, Tx};

/// Items in one batch at most; more made the wait longer and the throughput no higher.
const BATCH_MAX: usize = 256;
/// Items that may wait; beyond it callers hear `Busy` at once.
const PENDING_MAX: usize = 4_096;

/// Runs one action for many callers at once. Cheap to clone; clones share the batches.
pub struct Combiner<I, O, E>(Arc<Shared<I, O, E>>);

impl<I, O, E> Clone for Combiner<I, O, E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// The action: one result per item, in order. `Err` on the outside fails the batch, which is then run again or
/// item by item; a refused item must not have written anything.
type Act<I, O, E> = dyn FnMut(&mut Tx<'_>, &[I]) -> Result<Vec<Result<O, E>>, Error> + Send;

struct Shared<I, O, E> {
    db: Db,
    // Only the writer's thread runs it, so nobody ever waits for this lock.
    act: Mutex<Box<Act<I, O, E>>>,
    pending: Mutex<Pending<I, O, E>>,
}

struct Pending<I, O, E> {
    calls: VecDeque<Call<I, O, E>>,
    /// Whether a batch is on its way that will take them.
    queued: bool,
}

struct Call<I, O, E> {
    item: I,
    caller: oneshot::Sender<Result<O, E>>,
}

impl<I, O, E> Combiner<I, O, E>
where
    I: Send + 'static,
    O: Send + 'static,
    E: From<Error> + Send + 'static,
{
    /// A combiner whose batches run on `db`. `act` answers one result per item, in order.
    pub fn new(
        db: &Db,
        act: impl FnMut(&mut Tx<'_>, &[I]) -> Result<Vec<Result<O, E>>, Error> + Send + 'static,
    ) -> Self {
        Self(Arc::new(Shared {
            db: db.clone(),
            act: Mutex::new(Box::new(act)),
            pending: Mutex::new(Pending {
                calls: VecDeque::new(),
                queued: false,
            }),
        }))
    }

    /// Lets an item take part in the next batch and waits for its result. The work is done even if nobody waits.
    ///
    /// # Errors
    /// What the action refuses; [`Error::Busy`] when too many wait already; [`Error::Down`].
    pub async fn call(&self, item: I) -> Result<O, E> {
        let (caller, answer) = oneshot::channel();
        {
            let mut pending = self.0.lock();
            if pending.calls.len() >= PENDING_MAX {
                return Err(E::from(Error::Busy));
            }
            if !pending.queued {
                // Under the lock, so that nobody relies on a batch that was not let in.
                self.0.db.enqueue(Box::new(Batch::next(&self.0)))?;
                pending.queued = true;
            }
            pending.calls.push_back(Call { item, caller });
        }
        self.0.db.drive();
        answer
            .await
            .unwrap_or_else(|_| Err(E::from(Error::Down("it was closed".into()))))
    }
}

impl<I, O, E> Shared<I, O, E> {
    fn lock(&self) -> MutexGuard<'_, Pending<I, O, E>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The items that are decided together.
struct Batch<I, O, E> {
    shared: Arc<Shared<I, O, E>>,
    /// Whether the items were taken from those that wait; done when it first runs, as late as can be.
    drawn: bool,
    items: Vec<I>,
    callers: Vec<oneshot::Sender<Result<O, E>>>,
    kept: Kept<O, E>,
}

enum Kept<O, E> {
    Results(Vec<Result<O, E>>),
    /// The whole batch failed.
    Failed(Error),
}

impl<I, O, E> Batch<I, O, E>
where
    I: Send + 'static,
    O: Send + 'static,
    E: From<Error> + Send + 'static,
{
    fn next(shared: &Arc<Shared<I, O, E>>) -> Self {
        Self {
            shared: shared.clone(),
            drawn: false,
            items: Vec::new(),
            callers: Vec::new(),
            kept: Kept::Results(Vec::new()),
        }
    }

    fn draw(&mut self) {
        self.drawn = true;
        let mut pending = self.shared.lock();
        let count = pending.calls.len().min(BATCH_MAX);
        for call in pending.calls.drain(..count) {
            self.items.push(call.item);
            self.callers.push(call.caller);
        }
        pending.queued = !pending.calls.is_empty();
        if pending.queued {
            self.shared.db.enqueue_more(Box::new(Batch::next(&self.shared)));
        }
        drop(pending);
        self.shared.db.shared().counts.batch(self.items.len());
    }
}

impl<I, O, E> Job for Batch<I, O, E>
where
    I: Send + 'static,
    O: Send + 'static,
    E: From<Error> + Send + 'static,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        if !self.drawn {
            self.draw();
        }
        let mut act = self.shared.act.lock().unwrap_or_else(PoisonError::into_inner);
        let items = &self.items;
        let result: Result<_, Error> = guarded(tx, &mut |tx| {
            let results = act(tx, items)?;
            if results.len() != items.len() {
                let words = format!("{} results for {} items of a batch", results.len(), items.len());
                return Err(Error::Corrupt(words));
            }
            Ok(results)
        });
        drop(act);
        let good = result.is_ok();
        self.kept = result.map_or_else(Kept::Failed, Kept::Results);
        good
    }

    fn fail(&mut self, error: Error) {
        if !self.drawn {
            // It never ran; those who wait for it fail with it.
            self.draw();
        }
        self.kept = Kept::Failed(error);
    }

    fn answer(self: Box<Self>) {
        match self.kept {
            Kept::Results(results) => {
                for (caller, result) in self.callers.into_iter().zip(results) {
                    // Nobody waits any more when the caller was dropped.
                    let _ = caller.send(result);
                }
            }
            Kept::Failed(error) => {
                for caller in self.callers {
                    let _ = caller.send(Err(E::from(error.clone())));
                }
            }
        }
    }

    fn is_batch(&self) -> bool {
        self.items.len() > 1
    }

    fn split(&mut self) -> Vec<Box<dyn Job>> {
        if !self.is_batch() {
            return Vec::new();
        }
        let calls = self.items.drain(..).zip(self.callers.drain(..));
        calls
            .map(|(item, caller)| {
                let mut alone = Batch::next(&self.shared);
                alone.drawn = true;
                alone.items.push(item);
                alone.callers.push(caller);
                Box::new(alone) as Box<dyn Job>
            })
            .collect()
    }
}
