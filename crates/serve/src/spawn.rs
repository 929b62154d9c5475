//! The one place that starts asynchronous work beside its caller.
//!
//! What runs here is counted, so that a shutdown can wait until nobody writes any more before it closes
//! the stores.

use std::future::Future;
use std::sync::LazyLock;

use tokio::sync::watch;
use tokio::task::JoinHandle;

static RUNNING: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// Takes itself off the count, also when its work panics or is thrown away.
struct Counted;

impl Counted {
    fn new() -> Self {
        RUNNING.send_modify(|running| *running += 1);
        Counted
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        RUNNING.send_modify(|running| *running -= 1);
    }
}

/// Starts work that goes on when its caller goes away.
#[allow(clippy::disallowed_methods)] // This is the replacement that the lint names.
pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let counted = Counted::new();
    tokio::spawn(async move {
        let _counted = counted;
        work.await
    })
}

/// Waits until nothing that [`spawn`] started runs.
pub(crate) async fn idle() {
    // The sender is static: the wait ends only by the count.
    let _ = RUNNING.subscribe().wait_for(|running| *running == 0).await;
}
