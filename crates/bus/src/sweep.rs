//! Forgetting: answered calls, taken events and delivered outbox rows, when nobody can ask for them any more.

use std::time::Duration;

use serve::{Stop, Task};
use store::{Db, Error, SWEEP_MAX};

/// Keys of calls and ids of events are kept longer than anybody repeats them: calls for a day, events for as long
/// as an outbox may send them again.
pub const KEEP_CALLS: Duration = Duration::from_secs(8 * 24 * 3600);
/// Events stay in the outbox this long after everybody has them, so that they can be sent again.
pub const KEEP_EVENTS: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often there is a sweep.
const EVERY: Duration = Duration::from_secs(3600);

/// A task that sweeps the tables of `db`. `subscribers` are those of its relay: what one of them does not have
/// yet stays.
pub fn sweep(db: &Db, subscribers: &[&'static str]) -> Task {
    let (db, subscribers) = (db.clone(), subscribers.to_vec());
    Task::every("sweep", EVERY, move |stop| {
        let (db, subscribers) = (db.clone(), subscribers.clone());
        async move { once(&db, &subscribers, &stop).await }
    })
}

/// One sweep in small transactions, so that the writer is never held for long.
pub(crate) async fn once(db: &Db, subscribers: &[&'static str], stop: &Stop) -> Result<(), Error> {
    let now = db.clock().now();
    let (calls, events) = (now.before(KEEP_CALLS), now.before(KEEP_EVENTS));
    let names = subscribers.to_vec();
    let delivered = db
        .read(move |tx| {
            let last = store::outbox_last(tx)?;
            names
                .iter()
                .try_fold(last, |least, name| Ok::<_, Error>(least.min(store::cursor(tx, name)?)))
        })
        .await?;
    let full = u64::from(SWEEP_MAX);
    while !stop.is_stopped() && db.write(move |tx| store::sweep_once(tx, calls, SWEEP_MAX)).await? == full {}
    while !stop.is_stopped()
        && db
            .write(move |tx| store::sweep_outbox(tx, delivered, events, SWEEP_MAX))
            .await?
            == full
    {}
    Ok(())
}
