//! An order as a stream: how it stands, then each change, until it has come to its end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use api::Ref;
use api::orders::OrderStatus;
use base::OrderId;
use futures_util::{Stream, stream};
use serve::{Caller, Frame};

use crate::App;
use crate::domain::Order;
use crate::error::Error;
use crate::view;
use crate::watch::Watching;

/// The wait after a read that failed.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// What a reader has seen of an order: its version, and how many states of its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The version.
    pub version: i64,
    /// The states.
    pub states: usize,
}

impl Seen {
    fn of(order: &Order) -> Self {
        Self {
            version: order.version,
            states: order.history.len(),
        }
    }

    /// Reads what an event's id says; none for what no event of ours has.
    pub fn read(id: &str) -> Option<Self> {
        let (version, states) = id.split_once('-')?;
        Some(Self {
            version: version.parse().ok()?,
            states: states.parse().ok()?,
        })
    }

    fn id(self) -> String {
        format!("{}-{}", self.version, self.states)
    }
}

/// What is to be told of an order to somebody who has seen that much. Each state of its history is told once, as a
/// `change`; the `order` after them is how it stands.
pub fn news(seen: Option<Seen>, order: &Order) -> Vec<Frame> {
    let now = Seen::of(order);
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    let mut frames = Vec::new();
    if let Some(seen) = seen {
        if seen == now {
            return frames;
        }
        for (place, change) in order.history.iter().enumerate().skip(seen.states) {
            let so_far = Seen {
                version: seen.version,
                states: place + 1,
            };
            frames.push(Frame {
                id: Some(so_far.id()),
                event: "change",
                data: json(serde_json::to_string(&view::change(change.clone()))),
            });
        }
    }
    frames.push(Frame {
        id: Some(now.id()),
        event: "order",
        data: json(serde_json::to_string(&view::order(order.clone()))),
    });
    frames
}

/// Whether nothing will change any more by itself: it arrived, or what it held is given back.
pub fn is_final(order: &Order) -> bool {
    match order.status {
        OrderStatus::Delivered => true,
        OrderStatus::Cancelled | OrderStatus::Failed => order.resume_at.is_none(),
        _ => false,
    }
}

/// What a reader is answered with.
pub enum Follow<S> {
    /// Events.
    Frames(S),
    /// They have seen it all, and nothing will follow: they need not come back.
    Over,
}

/// Follows an order that the caller may see, from what they saw last.
pub async fn follow(
    app: &Arc<App>,
    caller: &Caller,
    order: Ref,
    last: Option<&str>,
) -> Result<Follow<impl Stream<Item = Frame> + Send + 'static>, Error> {
    let id = super::get(app, caller, order).await?.id;
    let watching = app.watched.begin(id).ok_or(Error::TooManyStreams)?;
    // Read after the wait began: no change falls in between.
    let order = read(app, id).await?.ok_or(Error::NoSuchOrder)?;
    let seen = last.and_then(Seen::read);
    if is_final(&order) && seen == Some(Seen::of(&order)) {
        return Ok(Follow::Over);
    }
    let reader = Reader {
        app: app.clone(),
        id,
        watching,
        seen: Some(Seen::of(&order)),
        waiting: news(seen, &order).into(),
        is_over: is_final(&order),
    };
    Ok(Follow::Frames(stream::unfold(reader, |mut reader| async move {
        let frame = reader.next().await?;
        Some((frame, reader))
    })))
}

struct Reader {
    app: Arc<App>,
    id: OrderId,
    watching: Watching,
    seen: Option<Seen>,
    waiting: VecDeque<Frame>,
    is_over: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.waiting.pop_front() {
                return Some(frame);
            }
            if self.is_over {
                return None;
            }
            self.watching.changed().await;
            let order = self.read().await?;
            self.waiting = news(self.seen, &order).into();
            self.seen = Some(Seen::of(&order));
            self.is_over = is_final(&order);
        }
    }

    /// The order as it is, however long the database is away; none when it is gone.
    async fn read(&self) -> Option<Order> {
        loop {
            match read(&self.app, self.id).await {
                Ok(order) => return order,
                Err(error) => {
                    tracing::warn!(order = %self.id, %error, "a followed order could not be read; it is read again");
                    tokio::time::sleep(READ_AGAIN).await;
                }
            }
        }
    }
}

async fn read(app: &App, id: OrderId) -> Result<Option<Order>, Error> {
    app.db.read(move |tx| crate::store::by_id(tx, id)).await
}
