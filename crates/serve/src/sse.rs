//! Answers that go on: Server-Sent Events (HTML Living Standard, section 9.2).
//!
//! A stream has no deadline; it ends by itself, with the process, and with the token that opened it: expired, revoked,
//! or its session ended. The last frame says why, and a reader comes back with `Last-Event-ID`. Comments in between
//! keep connections open that somebody on the way would close.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use base::Clock;
use futures_util::Stream;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::time::Instant;

use crate::caller::Who;
use crate::part::{Deps, Stop};
use crate::tokens::{Holder, Keys};

/// The type of such an answer.
pub const EVENT_STREAM: &str = "text/event-stream";
/// How often it is looked whether the token still counts.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How long nothing is said at the most: proxies close silent connections after half a minute or so.
const BEAT_EVERY: Duration = Duration::from_secs(15);
/// How long a browser waits before it comes back.
const RETRY_MS: u32 = 2_000;
/// The longest `Last-Event-ID` that is believed: ours are shorter.
const LAST_ID_MAX: usize = 128;

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What a reader says to go on behind it; none for what need not be resumed from.
    pub id: Option<String>,
    /// The kind.
    pub event: &'static str,
    /// What belongs to it: JSON.
    pub data: String,
}

impl Frame {
    fn text(&self) -> String {
        let mut text = String::with_capacity(self.data.len() + 64);
        if let Some(id) = &self.id {
            line(&mut text, "id", id);
        }
        line(&mut text, "event", self.event);
        for part in self.data.split(['\n', '\r']) {
            line(&mut text, "data", part);
        }
        text.push('\n');
        text
    }
}

fn line(text: &mut String, field: &str, value: &str) {
    text.push_str(field);
    text.push_str(": ");
    text.extend(value.chars().filter(|c| !matches!(c, '\n' | '\r' | '\0')));
    text.push('\n');
}

/// What a reader had last, as `Last-Event-ID` says it.
pub fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get("last-event-id")?.to_str().ok()?;
    (!id.is_empty() && id.len() <= LAST_ID_MAX).then_some(id)
}

/// The answer that sends `frames` until they end, the process stops, or the token of `who` no longer counts. Its last
/// event is `end`, with the reason: `done`, `stopping` or `token`.
pub fn event_stream(deps: &Deps, who: &Who, frames: impl Stream<Item = Frame> + Send + 'static) -> Response {
    let open = Open {
        frames: Box::pin(frames),
        keys: deps.keys.clone(),
        clock: deps.clock.clone(),
        stop: deps.stop.clone(),
        who: who.clone(),
        said: now(),
        state: State::New,
    };
    let body = Body::from_stream(futures_util::stream::unfold(open, |mut open| async move {
        let text = open.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), open))
    }));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx and others hold answers back until they are whole, unless told.
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}

/// An answer of another process; if it is a stream, it ends when this process does, of which its source knows nothing.
pub fn until_stopped(stop: &Stop, response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != EVENT_STREAM) {
        return response;
    }
    let stop = stop.clone();
    let stopped = Box::pin(async move { stop.stopped().await });
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(stopped)))
}

enum State {
    New,
    Running,
    Ended,
}

struct Open {
    frames: Pin<Box<dyn Stream<Item = Frame> + Send>>,
    keys: Keys,
    clock: Clock,
    stop: Stop,
    who: Who,
    /// When something was said last.
    said: Instant,
    state: State,
}

impl Open {
    /// The next piece of text; none after the end.
    async fn next(&mut self) -> Option<String> {
        match self.state {
            State::Ended => return None,
            State::New => {
                self.state = State::Running;
                return Some(format!("retry: {RETRY_MS}\n\n"));
            }
            State::Running => {}
        }
        loop {
            if self.stop.is_stopped() {
                return self.end("stopping");
            }
            if !self.counts() {
                return self.end("token");
            }
            tokio::select! {
                biased;
                () = self.stop.stopped() => {}
                frame = self.frames.next() => {
                    self.said = now();
                    // It may have been waited for longer than the token lasted.
                    if !self.counts() {
                        return self.end("token");
                    }
                    return match frame {
                        Some(frame) => Some(frame.text()),
                        None => self.end("done"),
                    };
                }
                () = tokio::time::sleep(CHECK_EVERY) => {
                    if self.said.elapsed() >= BEAT_EVERY {
                        self.said = now();
                        return Some(":\n\n".to_owned());
                    }
                }
            }
        }
    }

    fn end(&mut self, reason: &str) -> Option<String> {
        self.state = State::Ended;
        let data = format!("{{\"reason\":\"{reason}\"}}");
        let frame = Frame {
            id: None,
            event: "end",
            data,
        };
        Some(frame.text())
    }

    fn counts(&self) -> bool {
        let Some(holder) = self.who.0.as_deref() else {
            return true;
        };
        let expired = matches!(holder, Holder::User(caller) if self.clock.now() >= caller.expires);
        !expired && self.keys.still_counts(holder).is_ok()
    }
}

#[allow(clippy::disallowed_methods)] // Intervals are of the runtime's clock, which tests can pause.
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_of_another_process_ends_with_this_one() {
        let stop = Stop::new();
        let endless = futures_util::stream::once(async { Ok::<_, Infallible>(Bytes::from("data: 1\n\n")) })
            .chain(futures_util::stream::pending());
        let answer = ([(header::CONTENT_TYPE, EVENT_STREAM)], Body::from_stream(endless)).into_response();
        let mut body = until_stopped(&stop, answer).into_body().into_data_stream();
        assert!(body.next().await.is_some());
        stop.stop();
        assert!(body.next().await.is_none());
    }

    #[test]
    fn a_frame_stays_one_frame() {
        let frame = Frame {
            id: Some("7\nevent: evil".into()),
            event: "order",
            data: "{\"a\":1}\ndata of two lines".into(),
        };
        assert_eq!(
            frame.text(),
            "id: 7event: evil\nevent: order\ndata: {\"a\":1}\ndata: data of two lines\n\n"
        );
    }
}
