//! Who waits for an order to change: streams wait here, and one task of the process looks for all of them at once.
//!
//! The rows are what is asked, since any process may have changed them; a change in this one is only a reason to look
//! sooner.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::OrderId;
use serve::{Stop, Task};
use tokio::sync::{Notify, watch};

use crate::error::Error;
use crate::{App, store};

/// Streams at once in a process; each costs a connection and a few hundred bytes.
const WATCHING_MAX: usize = 10_000;
/// How often the rows are asked although nobody said that something changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a first change waits for the next ones, which often follow at once.
const LINGER: Duration = Duration::from_millis(25);
/// Orders asked for in one statement.
const ASKED_MAX: usize = 500;

/// The orders that somebody waits for. Cheap to clone; clones share it.
#[derive(Clone, Default)]
pub struct Watched(Arc<Inner>);

#[derive(Default)]
struct Inner {
    orders: Mutex<HashMap<OrderId, watch::Sender<i64>>>,
    woken: Notify,
}

/// Waits for one order, until it is dropped.
pub struct Watching {
    watched: Watched,
    id: OrderId,
    version: Option<watch::Receiver<i64>>,
}

impl Watched {
    /// Begins to wait for an order; none when too many wait already.
    pub fn begin(&self, id: OrderId) -> Option<Watching> {
        let mut orders = self.0.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if orders.values().map(watch::Sender::receiver_count).sum::<usize>() >= WATCHING_MAX {
            return None;
        }
        let version = orders.entry(id).or_insert_with(|| watch::Sender::new(0)).subscribe();
        Some(Watching {
            watched: self.clone(),
            id,
            version: Some(version),
        })
    }

    /// Something changed in this process: a reason to look now.
    pub fn wake(&self) {
        self.0.woken.notify_one();
    }

    fn ids(&self) -> Vec<OrderId> {
        let orders = self.0.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.keys().copied().collect()
    }

    fn tell(&self, versions: Vec<(OrderId, i64)>) {
        let orders = self.0.orders.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, version) in versions {
            if let Some(waiting) = orders.get(&id) {
                waiting.send_if_modified(|known| std::mem::replace(known, version) != version);
            }
        }
    }
}

impl Watching {
    /// Waits until the order has another version than was seen last. May answer once too often, never too seldom.
    pub async fn changed(&mut self) {
        if let Some(version) = &mut self.version {
            // The sender stays while somebody waits.
            let _ = version.changed().await;
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut orders = self.watched.0.orders.lock().unwrap_or_else(PoisonError::into_inner);
        self.version = None;
        if orders
            .get(&self.id)
            .is_some_and(|waiting| waiting.receiver_count() == 0)
        {
            orders.remove(&self.id);
        }
    }
}

/// Looks for changes of the orders that somebody waits for.
pub fn look(app: Arc<App>) -> Task {
    Task::new("orders: watch", move |stop: Stop| {
        let app = app.clone();
        async move {
            let mut committed = app.db.committed();
            while !stop.is_stopped() {
                if let Err(error) = look_once(&app).await {
                    tracing::warn!(%error, "it could not be looked whether orders changed");
                }
                tokio::select! {
                    () = app.watched.0.woken.notified() => tokio::time::sleep(LINGER).await,
                    _ = committed.changed() => tokio::time::sleep(LINGER).await,
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = stop.stopped() => {}
                }
                committed.borrow_and_update();
            }
        }
    })
}

async fn look_once(app: &App) -> Result<(), Error> {
    for ids in app.watched.ids().chunks(ASKED_MAX) {
        let ids = ids.to_vec();
        let versions = app.db.read(move |tx| store::versions(tx, &ids)).await?;
        app.watched.tell(versions);
    }
    Ok(())
}
