//! A faulty way to a service: a chosen call fails, loses its answer, or arrives twice.
//!
//! A layer before a service's routes, as its peers in the same process see it. The product knows nothing of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use wire::Problem;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not arrive: 503 before anything is done.
    FailsBefore,
    /// It is done, and its answer is lost: 503 all the same.
    AnswerLost,
    /// It arrives twice, one after the other.
    Repeated,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 3] = [Fault::FailsBefore, Fault::AnswerLost, Fault::Repeated];
}

/// What is to happen to which calls, shared by the layers of all services.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Default)]
struct Plan {
    next: Option<Planned>,
    happened: usize,
}

struct Planned {
    service: &'static str,
    path: &'static str,
    fault: Fault,
    times: usize,
}

impl Faults {
    /// The next `times` calls of a service's path meet this fault. A path may end in `*`.
    pub fn plan(&self, service: &'static str, path: &'static str, fault: Fault, times: usize) {
        let next = Some(Planned {
            service,
            path,
            fault,
            times,
        });
        *self.state() = Plan { next, happened: 0 };
    }

    /// How often it happened since it was planned.
    pub fn happened(&self) -> usize {
        self.state().happened
    }

    /// A service's routes with the faults before them.
    pub fn before(&self, service: &'static str, routes: Router) -> Router {
        routes.layer(middleware::from_fn_with_state((self.clone(), service), meet))
    }

    fn state(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, service: &str, path: &str) -> Option<Fault> {
        let mut plan = self.state();
        let planned = plan.next.as_mut()?;
        let fits = match planned.path.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => path == planned.path,
        };
        if planned.service != service || !fits || planned.times == 0 {
            return None;
        }
        planned.times -= 1;
        let fault = planned.fault;
        plan.happened += 1;
        Some(fault)
    }
}

async fn meet(State((faults, service)): State<(Faults, &'static str)>, request: Request, next: Next) -> Response {
    let lost = || Problem::unavailable("The call was lost on its way.").into_response();
    match faults.take(service, request.uri().path()) {
        None => next.run(request).await,
        Some(Fault::FailsBefore) => lost(),
        Some(Fault::AnswerLost) => {
            next.run(request).await;
            lost()
        }
        Some(Fault::Repeated) => {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
                return lost();
            };
            let first = Request::from_parts(head.clone(), Body::from(body.clone()));
            next.clone().run(first).await;
            next.run(Request::from_parts(head, Body::from(body))).await
        }
    }
}
