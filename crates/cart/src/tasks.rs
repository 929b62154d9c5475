//! What goes on beside the requests: guests' carts that were left behind are forgotten.

use std::sync::Arc;
use std::time::Duration;

use serve::{Stop, Task};

use crate::{App, actions};

/// How often there is a sweep. Carts lie for weeks; an hour more is nothing.
const EVERY: Duration = Duration::from_secs(3600);

/// Forgets guests' carts that were left behind, and merges that nobody asks about any more.
pub fn forget(app: Arc<App>) -> Task {
    Task::new("forget", move |stop: Stop| {
        let app = app.clone();
        async move {
            while !stop.is_stopped() {
                if let Err(fault) = actions::sweep(&app, &stop).await {
                    tracing::warn!(%fault, "carts that were left behind could not be swept");
                }
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = stop.stopped() => {}
                }
            }
        }
    })
}
