//! What goes on beside the requests: attempts and refunds that lost their driver, and webhooks that nobody needs.

use std::sync::Arc;
use std::time::Duration;

use ::store::Tx;
use serve::{Stop, Task};

use crate::{App, Error, actions, store};

/// How often old webhooks are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// Rows that one transaction deletes at most, so that nobody waits long for it.
const SWEEP_BATCH: u32 = 500;
/// A webhook that did its work is remembered this long. Providers repeat one for three days or so; a later repeat
/// would be taken once more, which changes nothing.
const KEEP_MATCHED: Duration = Duration::from_secs(7 * 24 * 3600);
/// A webhook whose subject never came is kept this long, for people to look at: rows follow within seconds.
const KEEP_WAITING: Duration = Duration::from_secs(30 * 24 * 3600);

/// Takes up what nobody drives any more: after a crash, a caller's deadline, or an outage of the provider.
pub(crate) fn resume(app: Arc<App>) -> Task {
    Task::every("payments: resume", app.config.resume_every, move |_| {
        let app = app.clone();
        async move { actions::resume(&app).await.map(drop) }
    })
}

/// Forgets old webhooks.
pub(crate) fn sweep(app: Arc<App>) -> Task {
    Task::every("payments: sweep", SWEEP_EVERY, move |stop| {
        let app = app.clone();
        async move { forget(&app, &stop).await.map(drop) }
    })
}

/// Deletes webhooks that have had their time, in small transactions; answers how many there were.
pub(crate) async fn forget(app: &App, stop: &Stop) -> Result<u64, Error> {
    let now = app.clock.now();
    let (matched, waiting) = (now.before(KEEP_MATCHED), now.before(KEEP_WAITING));
    let mut forgotten = 0;
    while !stop.is_stopped() {
        let sweep = move |tx: &mut Tx<'_>| store::sweep_inbox(tx, matched, waiting, SWEEP_BATCH);
        let gone = app.db.write(sweep).await?;
        forgotten += gone.iter().sum::<u64>();
        if gone.iter().all(|count| *count < u64::from(SWEEP_BATCH)) {
            break;
        }
    }
    Ok(forgotten)
}
