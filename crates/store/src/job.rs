//! A closure on its way to a connection, with the place where its answer goes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use crate::{Error, Tx};

/// What a thread that owns a connection can run.
pub(crate) trait Job: Send {
    /// Runs once and keeps the result; `true` when that is a success. May be called again after a rollback.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Puts an error in the place of the kept result.
    fn fail(&mut self, error: Error);
    /// Sends the kept result to whoever waits.
    fn answer(self: Box<Self>);
    /// Whether [`Job::split`] has parts to give.
    fn is_batch(&self) -> bool {
        false
    }
    /// The parts to be tried one by one when the whole did not succeed; empty when there are none.
    fn split(&mut self) -> Vec<Box<dyn Job>> {
        Vec::new()
    }
}

/// Tells the caller of a job that will never run.
pub(crate) fn give_up(mut job: Box<dyn Job>) {
    job.fail(Error::Down("its thread ended".into()));
    job.answer();
}

/// One closure of one caller.
pub(crate) struct Closure<F, T, E> {
    act: F,
    kept: Option<Result<T, E>>,
    caller: Option<oneshot::Sender<Result<T, E>>>,
}

impl<F, T, E> Closure<F, T, E>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    pub(crate) fn waiting(act: F) -> (Box<dyn Job>, oneshot::Receiver<Result<T, E>>) {
        let (caller, answer) = oneshot::channel();
        (
            Box::new(Self {
                act,
                kept: None,
                caller: Some(caller),
            }),
            answer,
        )
    }
}

impl<F, T, E> Job for Closure<F, T, E>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let result = guarded(tx, &mut self.act);
        let good = result.is_ok();
        self.kept = Some(result);
        good
    }

    fn fail(&mut self, error: Error) {
        self.kept = Some(Err(E::from(error)));
    }

    fn answer(mut self: Box<Self>) {
        if let (Some(caller), Some(kept)) = (self.caller.take(), self.kept.take()) {
            // Nobody waits any more when the caller was dropped; the work stands all the same.
            let _ = caller.send(kept);
        }
    }
}

/// Runs a closure so that neither its panic nor a statement error that it swallowed gets past.
pub(crate) fn guarded<T, E: From<Error>>(
    tx: &mut Tx<'_>,
    act: &mut impl FnMut(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    match catch_unwind(AssertUnwindSafe(|| act(tx))) {
        Ok(Ok(value)) => match tx.fault() {
            Some(fault) => Err(E::from(fault)),
            None => Ok(value),
        },
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => {
            tx.panicked();
            Err(E::from(Error::Panicked))
        }
    }
}
