//! The access log: a line for each request, written when its answer has gone out, without personal data.
//!
//! No query, no address of a caller, no id: of the path only the route. `bytes` are those of the body as sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http::Method;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

/// Whether anybody reads the lines. They have a target of their own, `access`.
pub(crate) fn is_on() -> bool {
    tracing::enabled!(target: "access", tracing::Level::INFO)
}

/// What a line says.
pub(crate) struct Line {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) status: u16,
    pub(crate) request_id: String,
    pub(crate) began: Instant,
}

/// The same answer; its line is written when its body has been sent, or nobody waits for it any more.
pub(crate) fn told(line: Line, response: Response) -> Response {
    response.map(|body| Body::new(Counted { body, bytes: 0, line }))
}

struct Counted {
    body: Body,
    bytes: u64,
    line: Line,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Line {
            method,
            path,
            status,
            request_id,
            began,
        } = &self.line;
        let (ms, bytes) = (began.elapsed().as_secs_f64() * 1e3, self.bytes);
        tracing::info!(target: "access", %method, path, status, ms = format_args!("{ms:.3}"), bytes, request_id, "answered");
    }
}
