//! Connections of HTTP/2: streams that are counted, and none that nobody takes.
//!
//! The window of a stream belongs to the other side: one that opens none holds an answer in our memory while its
//! connection lives and answers pings. Always holds: an answer that is not taken is given up, and so is a connection on
//! which nothing goes on, from its first byte.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::Sleep;

use crate::listen::{BUFFER_MAX, HEAD_TIME};
use crate::part::Stop;
use crate::stall::TAKE_TIME;

/// Requests at the same time on one connection.
const STREAMS_MAX: u32 = 100;
/// Pieces in which bodies are handed out: what has been handed out cannot be given up before its connection is.
const PIECE_MAX: usize = 16 << 10;

/// Serves a connection. One whose other side is gone is noticed by pings.
pub(crate) async fn speak<A, F>(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, answer: A, stop: Stop)
where
    A: Fn(http::Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let streams = Streams(watch::Sender::new(0));
    let (mut first, mut last) = (streams.0.subscribe(), streams.0.subscribe());
    let answer = hyper::service::service_fn(move |request| {
        let answer = answer(request);
        async move { Ok::<_, std::convert::Infallible>(offered(answer.await)) }
    });
    let served = http2::Builder::new(streams)
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD_TIME)
        .max_header_list_size(BUFFER_MAX as u32)
        .max_concurrent_streams(STREAMS_MAX)
        .serve_connection(TokioIo::new(stream), answer);
    let mut served = pin!(served);
    tokio::select! {
        _ = served.as_mut() => return,
        () = at_rest(&mut first) => {}
        () = stop.stopped() => {}
    }
    // Requests that were sent before the other side hears of it are answered still.
    served.as_mut().graceful_shutdown();
    tokio::select! {
        _ = served => {}
        () = at_rest(&mut last) => {}
    }
}

/// Once nothing has been under way for as long as a connection of HTTP/1.1 may rest.
async fn at_rest(streams: &mut watch::Receiver<usize>) {
    loop {
        let begun = async {
            // The connection holds the sender, so that this ends by the count.
            let _ = streams.wait_for(|under_way| *under_way == 0).await;
            let _ = tokio::time::timeout(HEAD_TIME, streams.changed()).await.ok()?;
            Some(())
        };
        if begun.await.is_none() {
            return;
        }
    }
}

/// Runs the streams of a connection, and knows how many there are.
#[derive(Clone)]
struct Streams(watch::Sender<usize>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    #[allow(clippy::disallowed_methods)] // As hyper's own does: a stream is not waited for, its connection is.
    fn execute(&self, work: F) {
        let stream = Stream {
            work: Box::pin(work),
            offers: Offers::default(),
            stalled: None,
            _counted: Counted::among(&self.0),
        };
        tokio::spawn(stream);
    }
}

struct Counted(watch::Sender<usize>);

impl Counted {
    fn among(streams: &watch::Sender<usize>) -> Self {
        streams.send_modify(|under_way| *under_way += 1);
        Self(streams.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|under_way| *under_way -= 1);
    }
}

/// How often an answer changed hands. Odd: something was handed out, or is ready to be, and nobody has come for more.
#[derive(Clone, Default)]
struct Offers(Arc<AtomicU64>);

impl Offers {
    fn offer(&self) {
        self.0.fetch_or(1, Ordering::Relaxed);
    }

    fn taken(&self) {
        if is_open(self.now()) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn is_open(offer: u64) -> bool {
    offer & 1 == 1
}

tokio::task_local! {
    static OFFERS: Offers;
}

/// A stream at work; it ends when its answer is not taken.
struct Stream<F> {
    work: Pin<Box<F>>,
    offers: Offers,
    /// Which offer is not taken, and until when it may be.
    stalled: Option<(u64, Pin<Box<Sleep>>)>,
    _counted: Counted,
}

impl<F: Future<Output = ()>> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let offers = this.offers.clone();
        if OFFERS.sync_scope(offers, || this.work.as_mut().poll(cx)).is_ready() {
            return Poll::Ready(());
        }
        let offer = this.offers.now();
        if !is_open(offer) {
            this.stalled = None;
            return Poll::Pending;
        }
        let stalled = this.stalled.take().filter(|(known, _)| *known == offer);
        let (_, end) = this
            .stalled
            .insert(stalled.unwrap_or_else(|| (offer, Box::pin(tokio::time::sleep(TAKE_TIME)))));
        end.as_mut().poll(cx)
    }
}

/// The answer, with a body that tells when it is asked for more.
fn offered(response: Response) -> Response {
    let Ok(offers) = OFFERS.try_with(Offers::clone) else {
        return response;
    };
    offers.offer();
    response.map(|body| {
        Body::new(Offered {
            body,
            rest: Bytes::new(),
            offers,
        })
    })
}

struct Offered {
    body: Body,
    /// What is left of a frame.
    rest: Bytes,
    offers: Offers,
}

impl HttpBody for Offered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        this.offers.taken();
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => this.rest = bytes,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return Poll::Ready(other),
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE_MAX));
        this.offers.offer();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + rest);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::{StreamExt as _, stream};
    use http::Request;
    use http_body_util::BodyExt as _;
    use hyper::client::conn::http2::SendRequest;
    use hyper_util::rt::TokioExecutor;
    use tokio::io::DuplexStream;
    use tokio::sync::mpsc;

    use super::*;
    use crate::spawn;

    /// Longer than anything here may take; the clock is paused.
    const LONG: Duration = Duration::from_secs(3_600);

    /// A connection whose answers are endless, and what tells of each that it was given up.
    fn endless() -> (DuplexStream, tokio::task::JoinHandle<()>, mpsc::UnboundedReceiver<()>) {
        let (here, there) = tokio::io::duplex(1 << 20);
        let (gone, given_up) = mpsc::unbounded_channel();
        let answer = move |request: Request<Incoming>| {
            let kept = Kept(gone.clone());
            async move {
                // A stream of events says something now and then.
                let ms = if request.uri().path() == "/events" { 15_000 } else { 1 };
                let pause = tokio::time::interval(Duration::from_millis(ms));
                let frames = stream::unfold((pause, kept), |(mut pause, kept)| async move {
                    pause.tick().await;
                    let frame = Ok::<_, std::convert::Infallible>(Bytes::from(vec![0; 1 << 15]));
                    Some((frame, (pause, kept)))
                });
                Response::new(Body::from_stream(frames))
            }
        };
        let served = spawn(speak(there, answer, Stop::new()));
        (here, served, given_up)
    }

    struct Kept(mpsc::UnboundedSender<()>);

    impl Drop for Kept {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }

    async fn greet(here: DuplexStream) -> SendRequest<Body> {
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(here))
            .await
            .unwrap();
        drop(spawn(connection));
        sender
    }

    async fn get(sender: &mut SendRequest<Body>, path: &str) -> Response<Incoming> {
        let request = Request::get(format!("http://localhost{path}")).body(Body::empty());
        sender.send_request(request.unwrap()).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_let_go() {
        let (_here, served, _) = endless();
        tokio::time::timeout(LONG, served).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_nothing_goes_on_is_let_go() {
        let (here, served, _) = endless();
        let _sender = greet(here).await;
        tokio::time::timeout(LONG, served).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_is_given_up_and_others_go_on() {
        let (here, served, mut given_up) = endless();
        let mut sender = greet(here).await;
        let mut events = get(&mut sender, "/events").await.into_body();
        let untaken = get(&mut sender, "/").await;
        let gone = async {
            tokio::select! {
                gone = given_up.recv() => gone.unwrap(),
                () = async { while events.frame().await.unwrap().is_ok() {} } => panic!("the other one ended"),
            }
        };
        tokio::time::timeout(LONG, gone).await.expect("it is given up");
        let mut left = untaken.into_body().into_data_stream();
        while let Some(Ok(_)) = left.next().await {}
        for _ in 0..100 {
            assert!(events.frame().await.unwrap().is_ok(), "who reads is served on");
        }
        drop(events);
        tokio::time::timeout(LONG, served).await.unwrap().unwrap();
    }
}
