//! What goes on beside the requests: orders that nobody drives any more are driven on, buyers are written to, and what
//! is old is forgotten.

use std::sync::Arc;
use std::time::Duration;

use serve::{Stop, Task};

use crate::error::Error;
use crate::{App, actions};

/// Orders taken up at once: enough to catch up after a crash, few enough to leave room for customers.
const RESUME_MAX: u32 = 64;

/// How often there is a look for mails to send.
const MAILS_EVERY: Duration = Duration::from_secs(1);
/// How often old rows are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// Looks for orders that are due: crashed drivers, unknown payments, ended payment windows.
pub(crate) fn resume(app: Arc<App>) -> Task {
    Task::every("orders: resume", app.config.sweep_every, move |stop| {
        let app = app.clone();
        async move { resume_due(&app, &stop).await }
    })
}

async fn resume_due(app: &Arc<App>, stop: &Stop) -> Result<(), Error> {
    while !stop.is_stopped() && actions::resume(app, RESUME_MAX).await? == RESUME_MAX as usize {} // There may be more.
    Ok(())
}

/// Notes the mails that events call for, soon after the events. Where several processes do, each mail is
/// noted once all the same.
pub(crate) fn note_mails(app: Arc<App>) -> Task {
    Task::new("orders: note mails", move |stop| {
        let app = app.clone();
        async move {
            let mut reading = actions::Reading::default();
            while !stop.is_stopped() {
                match actions::note_mails(&app, &mut reading).await {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(error) => {
                        reading = actions::Reading::default();
                        tracing::warn!(%error, "events could not be read for mails; they are read again");
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(MAILS_EVERY) => {}
                    () = stop.stopped() => {}
                }
            }
        }
    })
}

/// Sends the mails that are due.
pub(crate) fn send_mails(app: Arc<App>) -> Task {
    Task::every("orders: send mails", MAILS_EVERY, move |stop| {
        let app = app.clone();
        async move {
            while !stop.is_stopped() && actions::send_mails(&app).await? > 0 {}
            Ok::<_, Error>(())
        }
    })
}

/// Forgets what is old.
pub(crate) fn forget(app: Arc<App>) -> Task {
    Task::every("orders: forget", FORGET_EVERY, move |stop| {
        let app = app.clone();
        async move { actions::forget(&app, &stop).await.map(drop) }
    })
}
