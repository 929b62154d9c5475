//! What goes on beside the requests: orders that nobody drives any more are driven on.

use std::sync::Arc;

use serve::{Stop, Task};

use crate::error::Error;
use crate::{App, actions};

/// Orders taken up at once: enough to catch up after a crash, few enough to leave room for customers.
const RESUME_MAX: u32 = 64;

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
