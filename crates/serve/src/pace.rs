//! Bodies of requests that must keep coming: a sender that trickles holds a connection, a task and a handler.
//!
//! Only what the service waited for counts. While it does not read, because it is busy itself, no time runs.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// What a body may be waited for altogether, however little it brings: a lost packet or two on a phone.
const PATIENCE: Duration = Duration::from_secs(20);
/// What each second beyond that must have brought: a tenth of the slowest telephone networks.
const BYTES_PER_SECOND_MIN: u64 = 1_024;

/// Tells whether the body of a request came too slowly; an extension of every request with a body.
#[derive(Clone, Debug, Default)]
pub struct Slow(Arc<AtomicBool>);

impl Slow {
    /// Whether it was given up.
    pub fn was(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The fault with which a body ends that came too slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body came too slowly")
    }
}

impl std::error::Error for TooSlow {}

/// A body that is given up when it comes too slowly.
pub(crate) struct Paced<B> {
    body: B,
    received: u64,
    waited: Duration,
    /// Since when it is waited for, and until when at the most.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    slow: Slow,
}

impl<B> Paced<B> {
    pub(crate) fn new(body: B, slow: Slow) -> Self {
        Self {
            body,
            received: 0,
            waited: Duration::ZERO,
            waiting: None,
            slow,
        }
    }

    fn patience(&self) -> Duration {
        PATIENCE + Duration::from_secs(self.received / BYTES_PER_SECOND_MIN)
    }
}

impl<B> Body for Paced<B>
where
    B: Body<Data = Bytes, Error: Into<axum::BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            if let Some((since, _)) = this.waiting.take() {
                this.waited += now().saturating_duration_since(since);
            }
            if let Some(Ok(frame)) = &frame {
                this.received += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let left = this.patience().saturating_sub(this.waited);
        let (_, end) = this.waiting.get_or_insert_with(|| {
            let since = now();
            (since, Box::pin(tokio::time::sleep_until(since + left)))
        });
        ready!(end.as_mut().poll(cx));
        this.slow.0.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[allow(clippy::disallowed_methods)] // Durations are of the runtime's clock, which tests can pause.
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    /// A body of `pieces` of so many bytes, each a second after the one before.
    fn trickle(pieces: usize, bytes: usize) -> impl Body<Data = Bytes, Error: Into<axum::BoxError>> + Unpin {
        let second = tokio::time::interval(Duration::from_secs(1));
        let frames = futures_util::stream::unfold((second, pieces), move |(mut second, left)| async move {
            let left = left.checked_sub(1)?;
            second.tick().await;
            let frame = Frame::data(Bytes::from(vec![b' '; bytes]));
            Some((Ok::<_, std::convert::Infallible>(frame), (second, left)))
        });
        StreamBody::new(Box::pin(frames))
    }

    async fn read(pieces: usize, bytes: usize) -> (Option<usize>, bool) {
        let slow = Slow::default();
        let whole = Paced::new(trickle(pieces, bytes), slow.clone()).collect().await;
        (whole.ok().map(|whole| whole.to_bytes().len()), slow.was())
    }

    #[tokio::test(start_paused = true)]
    async fn what_trickles_is_given_up() {
        assert_eq!(read(15, 1).await, (Some(15), false), "slow, but soon done");
        assert_eq!(read(100, 1).await, (None, true));
        assert_eq!(read(100, 2_048).await, (Some(204_800), false), "long, but steady");
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_reader_is_nobodys_fault() {
        let slow = Slow::default();
        let mut body = Paced::new(trickle(3, 1), slow.clone());
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            read += frame.unwrap().data_ref().map_or(0, Bytes::len);
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        assert_eq!((read, slow.was()), (3, false));
    }
}
