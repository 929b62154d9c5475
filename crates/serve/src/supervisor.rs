//! Runs parts: binds, serves, keeps tasks alive, and ends it all in order.
//!
//! The end, each step bounded: no new connections; the requests under way are answered and detached work is
//! done; the tasks end, the relay with a last pass over the outbox; the stores close.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::net::TcpListener;

use crate::chassis::text_of;
use crate::listen::{Guard, listen};
use crate::part::{Part, Stop, Task};
use crate::spawn::idle;

/// The first wait before a task that panicked starts again; doubles up to the last.
const RESTART_WAIT: Duration = Duration::from_millis(100);
const RESTART_WAIT_MAX: Duration = Duration::from_secs(10);

/// An address that could not be listened on.
#[derive(Debug)]
pub struct BindFault {
    /// For which service.
    pub service: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// What the system says.
    pub reason: std::io::Error,
}

impl fmt::Display for BindFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            service,
            address,
            reason,
        } = self;
        let port = address.port();
        if reason.kind() == std::io::ErrorKind::AddrInUse {
            let variable = service.to_uppercase();
            return write!(
                f,
                "port {port} on {} is in use by another program; end that one, or give {service} another port \
                 with `ports.{service}` in the configuration (IRONMONGER_PORTS_{variable})",
                address.ip()
            );
        }
        write!(f, "{service} cannot listen on {address} (`ports.{service}`): {reason}")
    }
}

impl std::error::Error for BindFault {}

/// A service that listens, but does not answer yet.
#[derive(Debug)]
pub struct Bound {
    /// The service.
    pub service: &'static str,
    /// Where, with the port that was found when 0 was asked for.
    pub address: SocketAddr,
    listener: TcpListener,
    guard: Guard,
}

impl Bound {
    /// With this before it, in place of the usual bounds without TLS.
    #[must_use]
    pub fn guarded(self, guard: Guard) -> Self {
        Self { guard, ..self }
    }
}

/// Listens on every address, before anything else is begun.
///
/// # Errors
/// The first address that cannot be had.
pub async fn bind(listen: &[(&'static str, SocketAddr)]) -> Result<Vec<Bound>, BindFault> {
    let mut bound = Vec::with_capacity(listen.len());
    for &(service, address) in listen {
        let fault = |reason| BindFault {
            service,
            address,
            reason,
        };
        let listener = TcpListener::bind(address).await.map_err(fault)?;
        let address = listener.local_addr().map_err(fault)?;
        bound.push(Bound {
            service,
            address,
            listener,
            guard: Guard::default(),
        });
    }
    Ok(bound)
}

/// Serves the parts on what was bound until `stop`, then ends within about three times `grace`. A part without
/// an address is reached through its peers only.
pub async fn run(parts: Vec<Part>, bound: Vec<Bound>, stop: Stop, grace: Duration) {
    let routers: HashMap<&str, Router> = parts.iter().map(|part| (part.name, part.router.clone())).collect();
    let listeners = bound.into_iter().filter_map(|bound| {
        let router = routers.get(bound.service)?.clone();
        Some(spawn_uncounted(listen(
            bound.listener,
            bound.guard,
            router,
            stop.clone(),
            grace,
        )))
    });
    let listeners: Vec<_> = listeners.collect();
    let end = Stop::new();
    let tasks = parts.iter().flat_map(|part| part.tasks.clone());
    let tasks: Vec<_> = tasks
        .map(|task| spawn_uncounted(supervise(task, end.clone())))
        .collect();
    stop.stopped().await;
    tracing::info!("stopping: no new connections, answering what was asked");
    join_all(listeners).await;
    if tokio::time::timeout(grace, idle()).await.is_err() {
        tracing::warn!("some requests were not done in time; what they began is resumed at the next start");
    }
    end.stop();
    if tokio::time::timeout(grace, join_all(tasks)).await.is_err() {
        tracing::warn!("some tasks did not end in time");
    }
    let closing = parts.into_iter().filter_map(|part| part.db).map(|db| db.close());
    if tokio::time::timeout(grace, join_all(closing)).await.is_err() {
        tracing::warn!("some stores did not close in time; nothing that was acknowledged is lost");
    }
}

/// Listeners and tasks are waited for by themselves, not among the work that they start.
#[allow(clippy::disallowed_methods)] // The supervisor is the other one that may.
fn spawn_uncounted(work: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(work)
}

/// Runs a task until it ends, again after each panic, with growing waits.
async fn supervise(task: Task, end: Stop) {
    let mut wait = RESTART_WAIT;
    loop {
        let outcome = AssertUnwindSafe(task.run(end.clone())).catch_unwind().await;
        let Err(panic) = outcome else { return };
        tracing::error!(
            task = task.name,
            panic = text_of(&*panic),
            "a task panicked and is started again"
        );
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = end.stopped() => return,
        }
        wait = (wait * 2).min(RESTART_WAIT_MAX);
    }
}
