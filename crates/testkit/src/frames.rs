//! Streams of events, as a browser's `EventSource` reads them.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::StreamExt as _;
use http::HeaderMap;
use serde_json::Value;

/// Longer than anything takes; a bound for what never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open stream of events.
pub struct Frames {
    /// The status of the answer.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    body: BodyDataStream,
    text: Vec<u8>,
}

/// One event of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// What to come back with; empty for none.
    pub id: String,
    /// The kind; empty for none.
    pub event: String,
    /// What belongs to it; null when it is no JSON.
    pub data: Value,
}

impl Frames {
    /// Of an answer whose body is still to come.
    pub(crate) fn new(answer: http::Response<Body>) -> Self {
        let (parts, body) = answer.into_parts();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.into_data_stream(),
            text: Vec::new(),
        }
    }

    /// The next event that has data; none when the stream has ended, or broke off.
    ///
    /// # Panics
    /// When nothing comes for a minute.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let value = block.lines().find_map(|line| line.strip_prefix(name));
                value.unwrap_or_default().trim().to_owned()
            };
            let data = field("data:");
            if !data.is_empty() {
                return Some(Frame {
                    id: field("id:"),
                    event: field("event:"),
                    data: serde_json::from_str(&data).unwrap_or(Value::Null),
                });
            }
        }
    }

    /// The next block of lines, comments included.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&block).into_owned());
            }
            let more = tokio::time::timeout(PATIENCE, self.body.next()).await;
            let chunk: Bytes = more.expect("a stream goes on, or ends")?.ok()?;
            self.text.extend_from_slice(&chunk);
        }
    }
}
