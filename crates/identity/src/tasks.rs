//! What goes on beside the requests: promised merges, ends of sessions in other processes, mails, and the broom.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use base::RequestId;
use serve::{ACCESS_LIFETIME_MAX, Task};
use wire::Cx;

use crate::actions::{self, Outcome};
use crate::store::merges;
use crate::store::sessions::{self as rows, ENDED_MAX, Sweep};
use crate::{App, Error};

/// How often promised merges are looked for.
const MERGE_EVERY: Duration = Duration::from_secs(5);
/// Merges at once: what is left comes in the next round.
const MERGES_MAX: u32 = 20;
/// The wait after the first try that failed; it doubles from there.
const MERGE_WAIT: Duration = Duration::from_secs(15);
/// The longest wait between two tries.
const MERGE_WAIT_MAX: Duration = Duration::from_secs(600);
/// How often ends of sessions are read: a logout counts everywhere within five seconds.
const ENDS_EVERY: Duration = Duration::from_secs(2);
/// How often mails are looked for that another process left, or that have to be tried again.
const MAILS_EVERY: Duration = Duration::from_secs(5);
/// How often what has had its time is deleted.
const SWEEP_EVERY: Duration = Duration::from_secs(300);
/// Rows of a table that one transaction deletes at most, so that nobody waits long for it.
const SWEEP_BATCH: u32 = 500;
/// Users of an older release that one transaction enters for the search.
const ENTERED_MAX: u32 = 100;

/// The tasks; `after` is the mark up to which ends of sessions are known.
pub(crate) fn all(app: &Arc<App>, after: i64) -> [Task; 5] {
    let (merging, following, sweeping, entering) = (app.clone(), app.clone(), app.clone(), app.clone());
    let mailing = app.clone();
    let mark = Arc::new(AtomicI64::new(after));
    [
        Task::every("identity: merges", MERGE_EVERY, move |_| {
            let app = merging.clone();
            async move { merge_due(&app).await.map(drop) }
        }),
        Task::every("identity: ended sessions", ENDS_EVERY, move |_| {
            let (app, mark) = (following.clone(), mark.clone());
            async move {
                mark.store(follow_ends(&app, mark.load(Relaxed)).await?, Relaxed);
                Ok::<_, Error>(())
            }
        }),
        Task::every("identity: words of users", SWEEP_EVERY, move |_| {
            let app = entering.clone();
            async move { actions::enter_missing(&app, ENTERED_MAX).await.map(drop) }
        }),
        Task::new("identity: mails", move |stop| {
            let app = mailing.clone();
            async move {
                while !stop.is_stopped() {
                    if let Err(fault) = actions::send_due(&app).await {
                        tracing::warn!(%fault, "mails could not be looked for; they will be");
                    }
                    tokio::select! {
                        () = app.wake.notified() => {}
                        () = tokio::time::sleep(MAILS_EVERY) => {}
                        () = stop.stopped() => {}
                    }
                }
            }
        }),
        Task::every("identity: sweep", SWEEP_EVERY, move |_| {
            let app = sweeping.clone();
            async move { sweep(&app).await.map(drop) }
        }),
    ]
}

/// Tries the merges that are due; answers how many were done.
pub(crate) async fn merge_due(app: &App) -> Result<usize, Error> {
    let now = app.clock.now();
    let due = app.db.read(move |tx| merges::merges_due(tx, now, MERGES_MAX)).await?;
    let mut done = 0;
    for merge in due {
        let wait = MERGE_WAIT
            .saturating_mul(1 << merge.tries.clamp(0, 10))
            .min(MERGE_WAIT_MAX);
        let (taken, due_at) = (merge.clone(), now.after(wait));
        if !app.db.write(move |tx| merges::take_merge(tx, &taken, due_at)).await? {
            continue;
        }
        let cx = Cx::new(app.ids.next::<RequestId>(now).to_string(), merge.user.to_string());
        match actions::carry_out_merge(app, &cx, &merge).await {
            Outcome::Done(_) => done += 1,
            Outcome::OrdersLater(_, problem) | Outcome::Later(problem) => {
                let tries = merge.tries + 1;
                tracing::warn!(guest = %merge.guest, user = %merge.user, tries, %problem, "a merge has to wait");
            }
        }
    }
    Ok(done)
}

/// Takes note of sessions that ended after the mark, in whichever process; answers the next mark.
pub(crate) async fn follow_ends(app: &App, mut after: i64) -> Result<i64, Error> {
    loop {
        let from = after;
        let ended = app.db.read(move |tx| rows::ended(tx, from)).await?;
        for (mark, session) in &ended {
            app.keys.revoked().end(*session);
            after = *mark;
        }
        if ended.len() < ENDED_MAX as usize {
            return Ok(after);
        }
    }
}

/// Deletes what has had its time, in small transactions; answers how many there were.
pub(crate) async fn sweep(app: &App) -> Result<usize, Error> {
    let now = app.clock.now();
    let before = Sweep {
        expired: now,
        ended: now.before(ACCESS_LIFETIME_MAX),
        attempts: now.before(app.config.attempt_window),
        tries: now.before(actions::TRY_WINDOW),
    };
    let mut rounds = 0;
    loop {
        rounds += 1;
        if app.db.write(move |tx| rows::sweep(tx, before, SWEEP_BATCH)).await? < u64::from(SWEEP_BATCH) {
            return Ok(rounds);
        }
    }
}
