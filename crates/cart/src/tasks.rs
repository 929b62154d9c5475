//! What goes on beside the requests: carts that were left behind are forgotten.

use std::sync::Arc;
use std::time::Duration;

use serve::Task;

use crate::{App, actions};

/// How often there is a sweep. Carts lie for weeks; an hour more is nothing.
const EVERY: Duration = Duration::from_secs(3600);

/// Forgets carts that were left behind, and merges that nobody asks about any more.
pub fn forget(app: Arc<App>) -> Task {
    Task::every("cart: forget", EVERY, move |stop| {
        let app = app.clone();
        async move { actions::sweep(&app, &stop).await }
    })
}
