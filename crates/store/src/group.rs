//! Group commit on SQLite: closures share one outer transaction, each with a savepoint of its own.
//!
//! Always holds: an answer leaves only after the outer commit; a closure that is refused, errs or panics takes
//! back what it wrote and nothing else; when the outer transaction fails, its closures run again one by one.

use std::collections::VecDeque;

use crate::job::Job;
use crate::shared::Shared;
use crate::sqlite::Conn;
use crate::tx::{Link, Tx};
use crate::{Error, outbox};

/// How often a closure runs at most when it meets conflicts; on SQLite they end with the first run almost always.
const RUNS_MAX: usize = 3;

/// Runs the closures, commits, answers them all.
pub(crate) fn run(conn: &Conn, shared: &Shared, jobs: Vec<Box<dyn Job>>) {
    // A transaction that a panic left open outside of any closure would be ours otherwise.
    conn.rollback();
    let mut jobs = jobs;
    if let Err((error, _)) = conn.control("BEGIN IMMEDIATE") {
        // Another process holds the file, or it is gone: nobody here has a better chance alone.
        tracing::warn!(service = shared.service, %error, "no transaction can begin");
        return fail(&mut jobs, &error);
    }
    let Err((mut jobs, error)) = together(conn, shared, jobs) else {
        return;
    };
    if jobs.len() == 1 {
        tracing::error!(service = shared.service, %error, "a transaction could not be committed");
        return fail(&mut jobs, &error);
    }
    tracing::warn!(service = shared.service, %error, jobs = jobs.len(), "a group could not be committed; one by one");
    for job in jobs {
        let mut alone = vec![job];
        let begun = conn.control("BEGIN IMMEDIATE").map_err(|(error, _)| error);
        match begun.map(|()| together(conn, shared, std::mem::take(&mut alone))) {
            Ok(Ok(())) => {}
            Ok(Err((mut alone, error))) => fail(&mut alone, &error),
            Err(error) => fail(&mut alone, &error),
        }
    }
}

fn fail(jobs: &mut Vec<Box<dyn Job>>, error: &Error) {
    for mut job in jobs.drain(..) {
        job.fail(error.clone());
        job.answer();
    }
}

type Failed = (Vec<Box<dyn Job>>, Error);

/// Runs the closures in the transaction that was begun, commits it, answers them.
fn together(conn: &Conn, shared: &Shared, jobs: Vec<Box<dyn Job>>) -> Result<(), Failed> {
    let mut tx = Tx::new(Link::Sqlite(conn), shared, true);
    let mut wrote = false;
    let mut done = Vec::with_capacity(jobs.len());
    let mut todo = VecDeque::from(jobs);
    while let Some(mut job) = todo.pop_front() {
        let good = closure(conn, &mut tx, job.as_mut());
        wrote |= good && tx.wrote();
        if conn.db.is_autocommit() {
            // A full disk and the like make SQLite end the outer transaction by itself: all is undone.
            let error = tx
                .fault()
                .unwrap_or_else(|| Error::Down("the transaction was ended".into()));
            done.push(job);
            done.extend(todo);
            conn.rollback();
            return Err((done, error));
        }
        let parts = if good { Vec::new() } else { job.split() };
        if parts.is_empty() {
            done.push(job);
        } else {
            parts.into_iter().rev().for_each(|part| todo.push_front(part));
        }
    }
    let events = tx.events().len();
    let flushed = outbox::flush(conn, shared, tx.events());
    if let Err((error, _)) = flushed.and_then(|()| conn.control("COMMIT")) {
        conn.rollback();
        return Err((done, error));
    }
    shared.commit(done.len(), wrote, events);
    done.into_iter().for_each(Job::answer);
    Ok(())
}

/// Runs one closure in its savepoint; `true` when what it wrote stays.
fn closure(conn: &Conn, tx: &mut Tx<'_>, job: &mut dyn Job) -> bool {
    for run in 0..RUNS_MAX {
        if run > 0 {
            tx.shared().counts.rerun();
        }
        tx.begin_closure();
        let good = job.run(tx);
        if !good {
            tx.drop_events();
        }
        if let Err((error, _)) = conn.end_savepoint(good) {
            // The savepoint went with its transaction; the caller sees that and starts over.
            job.fail(error);
            tx.drop_events();
            conn.rollback();
            return false;
        }
        if good || !tx.again() {
            return good;
        }
    }
    false
}
