//! What goes on beside the requests: orders that nobody drives any more are driven on.

use std::sync::Arc;

use serve::Task;

use crate::{App, actions};

/// Orders taken up at once: enough to catch up after a crash, few enough to leave room for customers.
const RESUME_MAX: u32 = 64;

/// Looks for orders that are due: crashed drivers, unknown payments, ended payment windows.
pub(crate) fn resume(app: Arc<App>) -> Task {
    Task::new("orders: resume", move |stop| {
        let app = app.clone();
        async move {
            while !stop.is_stopped() {
                match actions::resume(&app, RESUME_MAX).await {
                    Ok(taken) if taken as u32 == RESUME_MAX => continue, // There may be more.
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "orders that are due could not be looked for"),
                }
                tokio::select! {
                    () = tokio::time::sleep(app.config.sweep_every) => {}
                    () = stop.stopped() => {}
                }
            }
        }
    })
}
