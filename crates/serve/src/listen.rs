//! Connections of a listening address: accepted, counted, made safe, and answered from a router.
//!
//! Bounded in every direction: connections altogether and from one address, the time of a handshake and of a
//! request's head, the size of that head, the pace of a body, the time until an answer is taken, streams of an HTTP/2
//! connection.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse as _, Response};
use http::{Request, StatusCode, Version, header};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;
use wire::Problem;

use crate::network::{Network, plain, site};
use crate::pace::{Paced, Slow};
use crate::part::Stop;
use crate::stall::Taken;
use crate::streams;
use crate::tls::Tls;

/// Connections at the same time when nothing else is said: some 30 KiB each, so 300 MiB at the worst.
pub const CONNECTIONS_MAX: usize = 10_000;
/// A connection must send a request's head within this time, and may rest so long between two: slow senders do not
/// hold sockets. Callers of ours give an idle connection up sooner (20 s).
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(30);
/// The time of a TLS handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// The bytes of a request's head; more are 431. Twice what browsers and balancers send at the most.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Headers of a request; more are 431.
const HEADERS_MAX: usize = 100;
/// What a connection buffers at the most while it reads, and how much of a head is read to say why it is refused. Longer
/// heads, and more than twice as many headers, are refused without a word.
pub(crate) const BUFFER_MAX: usize = 64 * 1024;
/// The wait after an accept that failed for want of sockets.
const ACCEPT_WAIT: Duration = Duration::from_millis(50);

/// What stands before a listening address.
#[derive(Clone, Debug)]
pub struct Guard {
    /// The certificate of an address that speaks TLS; such a one speaks nothing else.
    pub tls: Option<Tls>,
    /// Connections at the same time. Further ones wait in the system's queue until one ends.
    pub connections_max: usize,
    /// Of these from one address, or one site of IPv6; further ones are closed. Loopback and `proxies` have no such bound.
    pub connections_per_address_max: usize,
    /// Networks of proxies, from which many callers come.
    pub proxies: Vec<Network>,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            tls: None,
            connections_max: CONNECTIONS_MAX,
            connections_per_address_max: usize::MAX,
            proxies: Vec::new(),
        }
    }
}

/// Accepts connections until `stop`, then waits for the open ones, at most `grace`.
pub(crate) async fn listen(listener: TcpListener, guard: Guard, router: Router, stop: Stop, grace: Duration) {
    let connections = tokio_util::task::TaskTracker::new();
    let places = Arc::new(Semaphore::new(guard.connections_max.min(Semaphore::MAX_PERMITS)));
    let seats = Seats::default();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stop.stopped() => break,
        };
        match accepted {
            Ok((place, stream, address)) => {
                let Some(seat) = seats.take(&guard, plain(address.ip())) else {
                    continue;
                };
                let held = (place, seat);
                let served = connection(stream, address, guard.tls.clone(), router.clone(), stop.clone());
                connections.spawn(async move {
                    served.await;
                    drop(held);
                });
            }
            Err(fault) => {
                tracing::warn!(%fault, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_WAIT).await;
            }
        }
    }
    drop(listener);
    connections.close();
    let _ = tokio::time::timeout(grace, connections.wait()).await;
}

type Place = tokio::sync::OwnedSemaphorePermit;

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> std::io::Result<(Place, TcpStream, SocketAddr)> {
    let place = places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((place, stream, address))
}

/// How many connections each address, or site, has.
#[derive(Clone, Default)]
struct Seats(Arc<Mutex<HashMap<IpAddr, usize>>>);

struct Seat {
    of: Option<(Seats, IpAddr)>,
}

impl Seats {
    fn take(&self, guard: &Guard, address: IpAddr) -> Option<Seat> {
        let free = guard.connections_per_address_max == usize::MAX
            || address.is_loopback()
            || guard.proxies.iter().any(|network| network.holds(address));
        if free {
            return Some(Seat { of: None });
        }
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let address = site(address);
        let count = taken.entry(address).or_default();
        if *count >= guard.connections_per_address_max {
            return None;
        }
        *count += 1;
        Some(Seat {
            of: Some((self.clone(), address)),
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((seats, address)) = self.of.take() else { return };
        let mut taken = seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&address);
            }
        }
    }
}

async fn connection(stream: TcpStream, address: SocketAddr, tls: Option<Tls>, router: Router, stop: Stop) {
    let _ = stream.set_nodelay(true);
    let stream = Taken::new(stream);
    let Some(tls) = tls else {
        return speak(stream, address, router, stop).await;
    };
    // Who does not finish the handshake, or speaks something else, is let go without a word.
    let safe = tokio::time::timeout(HANDSHAKE_TIME, tls.acceptor().accept(stream)).await;
    let Ok(Ok(stream)) = safe else { return };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let answer = move |request| answer(request, address, router.clone());
        streams::speak(stream, answer, stop).await;
    } else {
        speak(stream, address, router, stop).await;
    }
}

/// Serves a connection of HTTP/1.1.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    address: SocketAddr,
    router: Router,
    stop: Stop,
) {
    let answer = hyper::service::service_fn(move |request| {
        let answer = answer(request, address, router.clone());
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(BUFFER_MAX)
        .max_header_size(BUFFER_MAX)
        .max_headers(2 * HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), answer);
    let mut served = std::pin::pin!(served);
    // Faults here are the other side's: it went away, or it does not speak HTTP.
    tokio::select! {
        _ = served.as_mut() => return,
        () = stop.stopped() => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}

async fn answer(request: Request<Incoming>, address: SocketAddr, router: Router) -> Response {
    if !names_one_host(&request) {
        let detail = "A request of HTTP/1.1 must name the host in one header Host.";
        return Problem::new(StatusCode::BAD_REQUEST, "bad_host", detail).into_response();
    }
    if bytes_of_head(&request) > HEAD_BYTES_MAX || request.headers().len() > HEADERS_MAX {
        let detail = format!("Address and headers must have at most {HEAD_BYTES_MAX} bytes in {HEADERS_MAX} headers.");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Problem::new(status, "headers_too_large", detail).into_response();
    }
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(ConnectInfo(address));
    let body = if body.is_end_stream() {
        Body::empty()
    } else {
        let slow = Slow::default();
        parts.extensions.insert(slow.clone());
        Body::new(Paced::new(body, slow))
    };
    let Ok(response) = router.oneshot(Request::from_parts(parts, body)).await;
    response
}

/// RFC 9112 §3.2: none, or several, are refused, since two readers could take them for two different hosts.
fn names_one_host(request: &Request<Incoming>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), None) => true,
        (None, _) => request.version() != Version::HTTP_11,
        (Some(_), Some(_)) => false,
    }
}

fn bytes_of_head(request: &Request<Incoming>) -> usize {
    let headers = request.headers().iter();
    let address = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    address
        + headers
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_takes_so_many_seats() {
        let guard = Guard {
            connections_per_address_max: 2,
            proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..Guard::default()
        };
        let seats = Seats::default();
        let take = |address: &str| seats.take(&guard, address.parse().unwrap());
        let (first, _second) = (take("203.0.113.1").unwrap(), take("203.0.113.1").unwrap());
        assert!(take("203.0.113.1").is_none());
        assert!(take("203.0.113.2").is_some(), "others have their own");
        let _site = (take("2001:db8::1").unwrap(), take("2001:db8::2").unwrap());
        assert!(
            take("2001:db8::3").is_none(),
            "a site has more addresses than we have places"
        );
        drop(first);
        let held = take("203.0.113.1");
        assert!(held.is_some(), "a place is free again");
        for free in ["127.0.0.1", "10.1.2.3"] {
            let many: Vec<_> = (0..10).map(|_| take(free)).collect();
            assert!(many.iter().all(Option::is_some), "{free}");
        }
        drop((held, _second, _site));
        assert!(seats.0.lock().unwrap().is_empty(), "who left is forgotten");
    }
}
