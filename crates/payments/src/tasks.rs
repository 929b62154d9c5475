//! What goes on beside the requests: attempts and refunds that lost their driver.

use std::sync::Arc;

use crate::{App, actions};

/// Takes up what nobody drives any more: after a crash, a caller's deadline, or an outage of the provider.
pub(crate) fn resume(app: Arc<App>) -> serve::Task {
    serve::Task::new("payments: resume", move |stop| {
        let app = app.clone();
        async move {
            while !stop.is_stopped() {
                if let Err(fault) = actions::resume(&app).await {
                    tracing::warn!(%fault, "unfinished payments could not be looked for; trying again");
                }
                tokio::select! {
                    () = stop.stopped() => {}
                    () = tokio::time::sleep(app.config.resume_every) => {}
                }
            }
        }
    })
}
