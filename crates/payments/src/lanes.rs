//! One driver per order and process: who comes second waits and reads, instead of asking the provider the same
//! thing again. Between processes nothing is shared; the provider honours keys, so there a twin costs a call only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base::OrderId;
use tokio::sync::OwnedMutexGuard;

/// The orders that are being driven.
#[derive(Clone, Default)]
pub struct Lanes(Arc<Mutex<HashMap<OrderId, Arc<tokio::sync::Mutex<()>>>>>);

/// The right to drive an order, until it is dropped.
pub struct Lane {
    lanes: Lanes,
    order: OrderId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Lanes {
    /// Waits for the lane of an order.
    pub async fn enter(&self, order: OrderId) -> Lane {
        let lock = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(order)
            .or_default()
            .clone();
        // Made before the wait, so that a caller who gives up waiting tidies up as well.
        let mut lane = Lane {
            lanes: self.clone(),
            order,
            guard: None,
        };
        lane.guard = Some(lock.lock_owned().await);
        lane
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.guard = None;
        let mut lanes = self.lanes.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Clones are made under this lock only: a count of one means that nobody drives or waits.
        if lanes.get(&self.order).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            lanes.remove(&self.order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Waker};

    use base::{Ids, Time};

    fn waits(lane: &mut Pin<Box<impl Future<Output = Lane>>>) -> bool {
        lane.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn a_lane_holds_one_and_leaves_nothing_behind() {
        let lanes = Lanes::default();
        let order = Ids::seeded(1).next(Time::default());
        let first = lanes.enter(order).await;
        let mut second = Box::pin(lanes.enter(order));
        assert!(waits(&mut second));
        let other = lanes.enter(Ids::seeded(2).next(Time::default())).await;
        drop((first, other));
        let second = second.await;
        assert_eq!(lanes.len(), 1);

        let mut impatient = Box::pin(lanes.enter(order));
        assert!(waits(&mut impatient));
        drop(impatient);
        drop(second);
        assert_eq!(lanes.len(), 0);
    }
}
