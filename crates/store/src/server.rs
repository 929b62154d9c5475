//! A database on a PostgreSQL server: one thread that writes, a few that read.
//!
//! Always holds: the writer's closures share one transaction without savepoints; one that fails after it wrote
//! makes the transaction roll back and runs again alone, so that nobody is hurt by a neighbour; an answer leaves
//! only after the commit was confirmed. Whatever goes wrong before COMMIT is sent had no effect and is tried
//! again on a new connection; a COMMIT without an answer may have happened, and is reported as such.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::file::spawn;
use crate::job::{Job, give_up};
use crate::postgres::{Begin, Session};
use crate::queue::Queue;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::tx::{Link, Tx};
use crate::{Error, outbox};

/// How often a closure runs at most when others stand in its way, itself included.
const RUNS_MAX: u32 = 6;
/// The wait before run n is random below n times this.
const PAUSE_MICROS: u64 = 2_000;

/// A transaction of the writer: each statement sees what was committed before it, and guards do the rest.
///
/// All it runs are look-ups by key, in statements that are planned once and kept: left to itself the server plans each
/// that takes an array anew, at ten times what running it costs. A kept plan from when a table was nearly empty would
/// read all of it for ever after. So it is told to go by the index always, and to join in the order that is written.
const WRITE: Begin = Begin {
    plans: "SET plan_cache_mode = force_generic_plan; SET join_collapse_limit = 1; SET random_page_cost = 1.1;
        SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off;
        SET jit = off",
    fresh: "BEGIN ISOLATION LEVEL READ COMMITTED",
    anew: "COMMIT;BEGIN ISOLATION LEVEL READ COMMITTED",
};
/// A transaction of a reader: all statements see one moment. Planned like the writer's, but for the few that read at
/// length and may join as they like.
const READ: Begin = Begin {
    plans: "SET plan_cache_mode = force_generic_plan; SET join_collapse_limit = 1; SET random_page_cost = 1.1;
        SET enable_seqscan = off; SET jit = off",
    fresh: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    anew: "COMMIT;BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
};

/// The queue of the readers; writer and readers are threads.
pub(crate) struct Server {
    reads: Arc<Queue<Box<dyn Job>>>,
}

impl Server {
    /// Connects the writer and starts the threads; readers connect when they are first needed.
    pub(crate) async fn open(
        url: &str,
        settings: &Settings,
        shared: &Arc<Shared>,
        writes: &Arc<Queue<Box<dyn Job>>>,
    ) -> Result<(Self, Vec<JoinHandle<()>>), Error> {
        let mut threads = Vec::new();
        let (ready, connected) = oneshot::channel();
        threads.push(spawn(shared.service, "write", {
            let session = Session::new(url, &format!("ironmonger-{}", shared.service), WRITE)?;
            let mut writer = Writer {
                session,
                shared: shared.clone(),
            };
            let (queue, most) = (writes.clone(), settings.group);
            move || {
                let first = writer.session.connect();
                let good = first.is_ok();
                if ready.send(first).is_err() || !good {
                    return;
                }
                let _guard = queue.guard(give_up);
                let mut jobs = Vec::new();
                while queue.take(most, &mut jobs) {
                    writer.group(std::mem::take(&mut jobs));
                }
            }
        })?);
        connected.await.map_err(|_| Error::Down("its thread ended".into()))??;

        let reads = Arc::new(Queue::new(settings.queue));
        for _ in 0..settings.readers.max(1) {
            let session = Session::new(url, &format!("ironmonger-{}", shared.service), READ)?;
            let (shared, queue) = (shared.clone(), reads.clone());
            threads.push(spawn(shared.clone().service, "read", move || {
                read(session, &shared, &queue)
            })?);
        }
        Ok((Self { reads }, threads))
    }

    /// Lets a closure wait for a reader.
    pub(crate) fn read(&self, job: Box<dyn Job>) -> Result<(), Error> {
        self.reads.push(job)
    }

    /// Lets the readers end when their queue is empty.
    pub(crate) fn close(&self) {
        self.reads.close();
    }
}

fn read(mut session: Session, shared: &Shared, queue: &Queue<Box<dyn Job>>) {
    let _guard = queue.guard(give_up);
    let mut jobs = Vec::new();
    loop {
        // A read leaves its transaction open until the next one comes or nobody is there: nobody waits for the end.
        if !queue.take_now(1, &mut jobs) {
            session.rollback();
            if !queue.take(1, &mut jobs) {
                return;
            }
        }
        for mut job in jobs.drain(..) {
            // It only reads, so a lost connection is a reason to try another one.
            for _ in 0..2 {
                if let Err(error) = session.connect() {
                    job.fail(error);
                    break;
                }
                let mut tx = Tx::new(Link::Postgres(&mut session), shared, false);
                tx.begin_closure();
                job.run(&mut tx);
                if !session.is_lost() {
                    session.leave();
                    break;
                }
            }
            job.answer();
        }
    }
}

struct Writer {
    session: Session,
    shared: Arc<Shared>,
}

/// How an attempt to run closures in one transaction ended. In all cases but the first nothing was kept.
enum Attempt {
    /// All is committed.
    Committed,
    /// This closure failed after it wrote, or spoiled the transaction, or wants to run again.
    Stopped { at: usize, again: bool },
    /// The last statement or the commit itself was refused.
    Refused { error: Error, again: bool },
    /// The connection went away before the commit was sent.
    Lost(Error),
    /// The connection went away while the commit was on its way: it may have happened.
    Unknown(Error),
}

impl Writer {
    /// Runs closures together as far as they go together, and answers them all.
    fn group(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let mut lost_before = false;
        while !jobs.is_empty() {
            match self.attempt(&mut jobs) {
                Attempt::Committed => return answer(jobs),
                Attempt::Stopped { at, again } => {
                    let rest = jobs.split_off(at + 1);
                    let culprit = jobs.split_off(at);
                    // The first one of a group had the transaction to itself: its refusal stands.
                    let decided = at == 0 && !again;
                    self.neighbours(jobs);
                    for job in culprit {
                        if decided {
                            self.decided(job)
                        } else {
                            self.alone(job, again)
                        }
                    }
                    jobs = rest;
                }
                Attempt::Refused { .. } => {
                    return jobs.into_iter().for_each(|job| self.alone(job, false));
                }
                Attempt::Lost(error) if lost_before => return fail(jobs, &error),
                Attempt::Lost(_) => lost_before = true,
                Attempt::Unknown(error) => return fail(jobs, &error),
            }
        }
    }

    /// Runs closures again that went well together before one behind them stopped the group.
    fn neighbours(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        if jobs.is_empty() {
            return;
        }
        match self.attempt(&mut jobs) {
            Attempt::Committed => answer(jobs),
            Attempt::Unknown(error) => fail(jobs, &error),
            _ => jobs.into_iter().for_each(|job| self.alone(job, false)),
        }
    }

    /// Runs one closure in its own transaction, again while others stand in its way; `again` when they did before.
    fn alone(&mut self, job: Box<dyn Job>, mut again: bool) {
        let mut jobs = vec![job];
        for run in 1..=RUNS_MAX {
            if again {
                self.shared.counts.rerun();
                let pause = self.shared.ids.below(PAUSE_MICROS * u64::from(run));
                self.session.pause(Duration::from_micros(pause));
            }
            again = match self.attempt(&mut jobs) {
                Attempt::Committed => return answer(jobs),
                Attempt::Unknown(error) => return fail(jobs, &error),
                // The result is kept already.
                Attempt::Stopped { again, .. } => again,
                Attempt::Refused { error, again } => {
                    jobs[0].fail(error);
                    again
                }
                Attempt::Lost(error) => {
                    jobs[0].fail(error);
                    run < 2
                }
            };
            if !again {
                break;
            }
        }
        jobs.into_iter().for_each(|job| self.decided(job));
    }

    /// Answers a closure that did not succeed; the items of a batch get their chance one by one.
    fn decided(&mut self, mut job: Box<dyn Job>) {
        let parts = job.split();
        if parts.is_empty() {
            return job.answer();
        }
        parts.into_iter().for_each(|part| self.alone(part, false));
    }

    fn attempt(&mut self, jobs: &mut [Box<dyn Job>]) -> Attempt {
        if let Err(error) = self.session.connect() {
            return Attempt::Lost(error);
        }
        let mut wrote = false;
        let mut stopped = None;
        let mut tx = Tx::new(Link::Postgres(&mut self.session), &self.shared, true);
        for (at, job) in jobs.iter_mut().enumerate() {
            tx.begin_closure();
            let good = job.run(&mut tx);
            // A refusal before anything was written leaves the transaction as it was.
            let harmless = !tx.wrote() && tx.fault().is_none_or(|fault| fault == Error::Panicked) && !tx.again();
            if !good && (!harmless || job.is_batch()) {
                stopped = Some((at, tx.again(), tx.fault()));
                break;
            }
            wrote |= good && tx.wrote();
        }
        let events = tx.take_events();
        if let Some((at, again, fault)) = stopped {
            if self.session.is_lost() {
                return Attempt::Lost(fault.unwrap_or(Error::Down("the connection was lost".into())));
            }
            self.session.rollback();
            return Attempt::Stopped { at, again };
        }
        self.commit(jobs.len(), wrote, events)
    }

    fn commit(&mut self, closures: usize, wrote: bool, events: Vec<crate::Outgoing>) -> Attempt {
        let told = events.len();
        if told == 0 && !wrote {
            // Nothing to keep: the rollback is as good, and the next transaction need not wait for it.
            self.session.rollback();
            self.shared.commit(closures, false, 0);
            return Attempt::Committed;
        }
        let done = if told == 0 {
            self.session.commit(None)
        } else {
            let columns = outbox::columns(events);
            self.session
                .commit(Some((&self.shared.own.emit, &columns, told as u64)))
        };
        match done {
            Ok(()) => {
                self.shared.commit(closures, wrote, told);
                Attempt::Committed
            }
            Err(fault) if self.session.is_lost() => {
                let words = format!("it is not known whether the commit happened: {}", fault.error);
                tracing::error!(service = self.shared.service, error = %fault.error, "a commit's answer was lost");
                Attempt::Unknown(Error::Down(words))
            }
            Err(fault) => {
                self.session.rollback();
                Attempt::Refused {
                    error: fault.error,
                    again: fault.again,
                }
            }
        }
    }
}

fn answer(jobs: Vec<Box<dyn Job>>) {
    jobs.into_iter().for_each(Job::answer);
}

fn fail(jobs: Vec<Box<dyn Job>>, error: &Error) {
    for mut job in jobs {
        job.fail(error.clone());
        job.answer();
    }
}
