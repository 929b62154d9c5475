//! The bounded queue in front of a thread that owns a connection.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::Error;

/// First in, first out, never longer than its limit, closed once.
pub(crate) struct Queue<J> {
    state: Mutex<State<J>>,
    wake: Condvar,
    limit: usize,
}

struct State<J> {
    jobs: VecDeque<J>,
    /// Threads that sleep until a job comes; nobody is woken in vain.
    asleep: usize,
    closed: bool,
}

impl<J> Queue<J> {
    pub(crate) fn new(limit: usize) -> Self {
        let state = State {
            jobs: VecDeque::new(),
            asleep: 0,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
            limit,
        }
    }

    /// Appends a job.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full, [`Error::Down`] when it is closed.
    pub(crate) fn push(&self, job: J) -> Result<(), Error> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Down("it is being closed".into()));
        }
        if state.jobs.len() >= self.limit {
            return Err(Error::Busy);
        }
        state.jobs.push_back(job);
        self.rouse(state);
        Ok(())
    }

    /// Appends the continuation of a job that was let in already: neither full nor closed stands in its way.
    pub(crate) fn push_more(&self, job: J) {
        let mut state = self.lock();
        state.jobs.push_back(job);
        self.rouse(state);
    }

    /// Waits for a job and takes up to `most`; `false` when closed and empty.
    pub(crate) fn take(&self, most: usize, into: &mut Vec<J>) -> bool {
        let mut state = self.lock();
        while state.jobs.is_empty() {
            if state.closed {
                return false;
            }
            state.asleep += 1;
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.asleep -= 1;
        }
        let count = most.min(state.jobs.len());
        into.extend(state.jobs.drain(..count));
        true
    }

    /// Takes up to `most` of what is there, without waiting; `false` when that is nothing.
    pub(crate) fn take_now(&self, most: usize, into: &mut Vec<J>) -> bool {
        let mut state = self.lock();
        let count = most.min(state.jobs.len());
        into.extend(state.jobs.drain(..count));
        count > 0
    }

    /// Lets nothing more in; what is there is still taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    /// Closes it when the thread that empties it ends, whatever made it end.
    pub(crate) fn guard(&self, drop_job: fn(J)) -> impl Drop + '_ {
        struct Guard<'a, J>(&'a Queue<J>, fn(J));
        impl<J> Drop for Guard<'_, J> {
            fn drop(&mut self) {
                self.0.close();
                let mut left = Vec::new();
                while self.0.take_now(usize::MAX, &mut left) {
                    left.drain(..).for_each(self.1);
                }
            }
        }
        Guard(self, drop_job)
    }

    fn rouse(&self, state: MutexGuard<'_, State<J>>) {
        let sleeper = state.asleep > 0;
        drop(state);
        if sleeper {
            self.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
