//! What a service is built from, and what it becomes.

use std::collections::HashMap;
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use base::{Clock, Currency, Ids};
use tokio::sync::watch;
use wire::Peer;

use crate::chassis;
use crate::routes::Declared;
use crate::tokens::Keys;

/// How strict the shop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// On a developer's machine.
    Development,
    /// In front of customers.
    Production,
}

/// What all services know of the shop.
#[derive(Clone, Debug)]
pub struct Shop {
    /// Its name, for people.
    pub name: String,
    /// The currency of prices that name none.
    pub currency: Currency,
}

/// The other services, each spoken to with this one's token.
#[derive(Clone, Default)]
pub struct Peers {
    known: Arc<HashMap<&'static str, Peer>>,
    badge: Option<wire::Badge>,
}

impl Peers {
    /// The services that can be reached.
    pub fn new(known: impl IntoIterator<Item = Peer>) -> Self {
        let known = known.into_iter().map(|peer| (peer.name(), peer)).collect();
        Self {
            known: Arc::new(known),
            badge: None,
        }
    }

    /// The same, spoken to as `service`.
    pub fn speaking_as(&self, service: &'static str, keys: &Keys) -> Self {
        Self {
            known: self.known.clone(),
            badge: Some(keys.badge(service)),
        }
    }

    /// A service; one that is nowhere answers every call with 503.
    pub fn peer(&self, name: &'static str) -> Peer {
        let peer = self.known.get(name).cloned().unwrap_or_else(|| Peer::absent(name));
        match &self.badge {
            Some(badge) => peer.speaking(badge.clone()),
            None => peer,
        }
    }

    /// Every service that can be reached, as it is known: without a token.
    pub fn all(&self) -> impl Iterator<Item = &Peer> {
        self.known.values()
    }
}

/// What a service is built from.
#[derive(Clone)]
pub struct Deps {
    /// Where the time comes from.
    pub clock: Clock,
    /// Where ids come from.
    pub ids: Ids,
    /// What signs and verifies tokens.
    pub keys: Keys,
    /// How strict the shop is.
    pub mode: Mode,
    /// What all services know of the shop.
    pub shop: Shop,
    /// The other services.
    pub peers: Peers,
    /// What writes to people.
    pub mail: mail::Mailer,
    /// Ends the process, cleanly.
    pub stop: Stop,
}

impl Deps {
    /// The same for the service called `name`: its calls carry its own token.
    pub fn of(&self, name: &'static str) -> Self {
        Self {
            peers: self.peers.speaking_as(name, &self.keys),
            ..self.clone()
        }
    }
}

/// A signal that is given once.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// A signal that was not given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the signal.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Whether the signal was given.
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for the signal.
    pub async fn stopped(&self) {
        // The sender lives in `self`, so the wait can only end by the signal.
        let _ = self.0.subscribe().wait_for(|stopped| *stopped).await;
    }
}

type Run = Arc<dyn Fn(Stop) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Work that goes on beside the requests. The supervisor runs it, starts it again after a panic, and gives it
/// the signal to end when the last request has been answered.
#[derive(Clone)]
pub struct Task {
    /// What it is called in the log.
    pub name: &'static str,
    run: Run,
}

impl Task {
    /// A task. `run` is called at the start and after a panic; its future ends soon after the signal.
    pub fn new<F>(name: &'static str, run: impl Fn(Stop) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self {
            name,
            run: Arc::new(move |stop| Box::pin(run(stop))),
        }
    }

    /// A task that acts at the start and again `span` after each time, until the signal. A fault is told, and the
    /// next time tries again. What acts for long looks at the signal itself.
    pub fn every<F, E>(name: &'static str, span: Duration, act: impl Fn(Stop) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send,
    {
        let act = Arc::new(act);
        Self::new(name, move |stop| {
            let act = act.clone();
            async move {
                while !stop.is_stopped() {
                    if let Err(fault) = act(stop.clone()).await {
                        tracing::warn!(task = name, %fault, "a task could not do its work; it tries again");
                    }
                    tokio::select! {
                        () = tokio::time::sleep(span) => {}
                        () = stop.stopped() => {}
                    }
                }
            }
        })
    }

    /// One run of the task, until it is told to end. The supervisor calls this, and tests that have none.
    pub fn run(&self, stop: Stop) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        (self.run)(stop)
    }
}

/// A service, built. [`Part::new`] is the only way to one, so that none goes without its chassis.
#[must_use]
#[non_exhaustive]
pub struct Part {
    /// The service's name.
    pub name: &'static str,
    /// Its routes behind the chassis.
    pub router: Router,
    /// What its routes are.
    pub declared: Vec<Declared>,
    /// Its database.
    pub db: Option<store::Db>,
    /// What goes on beside the requests.
    pub tasks: Vec<Task>,
}

impl Part {
    /// A service of these routes ([`crate::Routes::finish`]), put behind the chassis, with `/health`, `/healthz`
    /// and `/ready`, which asks the database.
    pub fn new(
        name: &'static str,
        deps: &Deps,
        (router, declared): (Router, Vec<Declared>),
        db: Option<store::Db>,
    ) -> Self {
        let router = chassis::mount(name, deps, router, &declared, db.clone());
        Self {
            name,
            router,
            declared,
            db,
            tasks: Vec::new(),
        }
    }

    /// A part that is its own chassis. The gateway is; services are not.
    pub fn bare(name: &'static str, router: Router, declared: Vec<Declared>) -> Self {
        Self {
            name,
            router,
            declared,
            db: None,
            tasks: Vec::new(),
        }
    }

    /// With a task.
    pub fn task(mut self, task: Task) -> Self {
        self.tasks.push(task);
        self
    }
}
