//! Declarations of routes: one text that routes the requests, guards them, and becomes the OpenAPI document.
//!
//! A route has one canonical path. Each of its paths answers bare (`/orders`), with the gateway's prefix
//! (`/api/orders`), and with the singular prefix of its service cut in (`/order/orders`,
//! `/api/order/orders`), so that nothing has to be rewritten on the way and a port-forward behaves like the
//! gateway. `/internal/…` answers under its own name only, to services only.

use std::collections::HashMap;
use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use futures_util::future::{Either, Ready, ready};
use http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use tower::Service;
use wire::Problem;

use crate::caller::{Permission, Who};
use crate::tokens::Holder;

/// Who may call. Checked at the door and told in the OpenAPI document; the handler's extractor checks
/// precisely (whose order it is, say).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rights {
    /// Anybody, with or without a token.
    Anyone,
    /// Anybody with a token: guest, customer, staff, administrator.
    User,
    /// The owner of the record, or staff.
    Owner,
    /// Staff and machines with the permission, and administrators.
    May(Permission),
    /// The same, and services.
    MayOrService(Permission),
    /// Administrators.
    Admin,
    /// Services.
    Service,
}

/// Writes a type's schema.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A success that a route answers with.
#[derive(Clone, Debug)]
pub struct Given {
    /// The status code.
    pub status: u16,
    /// The type of the body; empty for none.
    pub content_type: &'static str,
    /// The schema of a JSON body.
    pub schema: Option<SchemaOf>,
}

/// Everything that is known of a route.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The service that answers.
    pub service: &'static str,
    /// The method.
    pub method: Method,
    /// The canonical path, without `/api`.
    pub path: &'static str,
    /// Other methods and paths of the same operation, without `/api`.
    pub also: Vec<(Method, &'static str)>,
    /// The prefix that may be cut in before every path, e.g. `order`.
    pub singular: Option<&'static str>,
    /// Who may call.
    pub rights: Rights,
    /// Whether the door leaves the check of rights to the handler.
    pub unguarded: bool,
    /// The schema of the body.
    pub takes: Option<SchemaOf>,
    /// The type of a body that is no JSON of ours, e.g. `text/csv`; empty for none.
    pub takes_text: &'static str,
    /// The schema of the parameters after the question mark: an object.
    pub query: Option<SchemaOf>,
    /// What the parameters in the path are: name and description.
    pub params: Vec<(&'static str, &'static str)>,
    /// What a success answers; the first one is the usual one.
    pub gives: Vec<Given>,
    /// Refusals of its own: status and code.
    pub refuses: Vec<(u16, &'static str)>,
    /// What it may take until it begins to answer, where that is not [`crate::chassis::REQUEST_TIME`].
    pub time: Option<Duration>,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// What else is to be known.
    pub description: &'static str,
}

impl Declared {
    /// Whether only services may call and no document tells of it.
    pub fn is_internal(&self) -> bool {
        self.path.starts_with("/internal/")
    }
}

/// What a handler can learn of the route it stands at.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The canonical method.
    pub(crate) method: Method,
    /// The canonical path with its `{parameters}`.
    pub(crate) filled_from: &'static str,
}

/// A route, before its service has a state.
pub struct Route<S> {
    declared: Declared,
    on: Box<dyn Fn(MethodFilter) -> MethodRouter<S>>,
    /// Routes that come along with it.
    more: Vec<Route<S>>,
}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// A route that reads.
    pub fn get<H: Handler<T, S>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(Method::GET, path, handler)
    }

    /// A route that creates or acts.
    pub fn post<H: Handler<T, S>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(Method::POST, path, handler)
    }

    /// A route that sets.
    pub fn put<H: Handler<T, S>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(Method::PUT, path, handler)
    }

    /// A route that changes the fields given.
    pub fn patch<H: Handler<T, S>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(Method::PATCH, path, handler)
    }

    /// A route that removes.
    pub fn delete<H: Handler<T, S>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(Method::DELETE, path, handler)
    }

    fn new<H: Handler<T, S>, T: 'static>(method: Method, path: &'static str, handler: H) -> Self {
        let rights = if path.starts_with("/internal/") {
            Rights::Service
        } else {
            Rights::Anyone
        };
        let declared = Declared {
            service: "",
            method,
            path,
            also: Vec::new(),
            singular: None,
            rights,
            unguarded: false,
            takes: None,
            takes_text: "",
            query: None,
            params: Vec::new(),
            gives: Vec::new(),
            refuses: Vec::new(),
            time: None,
            summary: "",
            description: "",
        };
        Self {
            declared,
            on: Box::new(move |filter| axum::routing::on(filter, handler.clone())),
            more: Vec::new(),
        }
    }

    /// Another route that whoever adds this one gets with it.
    pub fn and(mut self, other: Route<S>) -> Self {
        self.more.push(other);
        self
    }

    /// Further paths of the same operation.
    pub fn also(mut self, paths: &[&'static str]) -> Self {
        let method = self.declared.method.clone();
        self.declared
            .also
            .extend(paths.iter().map(|path| (method.clone(), *path)));
        self
    }

    /// The same operation by another method, or under another path with another method.
    pub fn also_as(mut self, method: Method, path: &'static str) -> Self {
        self.declared.also.push((method, path));
        self
    }

    /// Who may call. [`Rights::Anyone`] when not said, [`Rights::Service`] below `/internal`.
    pub fn rights(mut self, rights: Rights) -> Self {
        self.declared.rights = rights;
        self
    }

    /// The handler alone checks the rights; what [`Route::rights`] says is what the document tells.
    pub fn unguarded(mut self) -> Self {
        self.declared.unguarded = true;
        self
    }

    /// The body is a `T`.
    pub fn takes<T: JsonSchema>(mut self) -> Self {
        self.declared.takes = Some(|generator| generator.subschema_for::<T>());
        self
    }

    /// The body is of another type than our JSON, e.g. `text/csv`; the handler reads it.
    pub fn takes_text(mut self, content_type: &'static str) -> Self {
        self.declared.takes_text = content_type;
        self
    }

    /// The parameters after the question mark are the fields of `T`.
    pub fn query<T: JsonSchema>(mut self) -> Self {
        self.declared.query = Some(|generator| generator.subschema_for::<T>());
        self
    }

    /// What a parameter in the path is.
    pub fn param(mut self, name: &'static str, description: &'static str) -> Self {
        self.declared.params.push((name, description));
        self
    }

    /// A success has this status and a `T` as JSON. May be said several times.
    pub fn gives<T: JsonSchema>(mut self, status: u16) -> Self {
        let schema: SchemaOf = |generator| generator.subschema_for::<T>();
        self.declared.gives.push(Given {
            status,
            content_type: "application/json",
            schema: Some(schema),
        });
        self
    }

    /// A success has this status and no body.
    pub fn gives_nothing(mut self, status: u16) -> Self {
        self.declared.gives.push(Given {
            status,
            content_type: "",
            schema: None,
        });
        self
    }

    /// A success has this status and a body of another type, e.g. `text/csv`.
    pub fn gives_text(mut self, status: u16, content_type: &'static str) -> Self {
        self.declared.gives.push(Given {
            status,
            content_type,
            schema: None,
        });
        self
    }

    /// Refusals beyond those that rights, body and parameters imply: status and code.
    pub fn refuses(mut self, refusals: &[(u16, &'static str)]) -> Self {
        self.declared.refuses.extend_from_slice(refusals);
        self
    }

    /// It may take so long until it begins to answer: for what reads a whole file first. A stream of events or a file
    /// that is answered piece by piece begins at once and needs none.
    pub fn within(mut self, time: Duration) -> Self {
        self.declared.time = Some(time);
        self
    }

    /// What it does, in a few words, and what else is to be known (Markdown, may be empty).
    pub fn tells(mut self, summary: &'static str, description: &'static str) -> Self {
        self.declared.summary = summary;
        self.declared.description = description;
        self
    }
}

/// The routes of a service.
pub struct Routes<S> {
    service: &'static str,
    singular: Option<&'static str>,
    routes: Vec<Route<S>>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes yet, of the service called `service`. `singular` is the prefix that the gateway cuts off, if any.
    pub fn new(service: &'static str, singular: Option<&'static str>) -> Self {
        Self {
            service,
            singular,
            routes: Vec::new(),
        }
    }

    /// With a route.
    #[allow(clippy::should_implement_trait)] // Adds a route; nobody takes it for a sum.
    pub fn add(mut self, mut route: Route<S>) -> Self {
        route.declared.service = self.service;
        route.declared.singular = self.singular;
        let more = std::mem::take(&mut route.more);
        self.routes.push(route);
        more.into_iter().fold(self, Self::add)
    }

    /// The router with its state, and what was declared.
    ///
    /// # Panics
    /// When two routes claim one address: a fault of the program that its first start shows.
    pub fn finish(self, app: S) -> (Router, Vec<Declared>) {
        let mut router: Router<S> = Router::new();
        let mut taken: HashMap<(Method, String), &'static str> = HashMap::new();
        let mut declared = Vec::new();
        for route in self.routes {
            let Route { declared: told, on, .. } = route;
            let own = std::iter::once((told.method.clone(), told.path)).chain(told.also.iter().cloned());
            for (method, path) in own {
                let handler = door(on(filter_of(&method)), &told);
                for spelled in spellings(path, self.singular) {
                    match taken.insert((method.clone(), spelled.clone()), told.path) {
                        None => router = router.route(&spelled, handler.clone()),
                        Some(same) if same == told.path => {}
                        Some(other) => panic!("{method} {spelled} is claimed by {other} and by {}", told.path),
                    }
                }
            }
            declared.push(told);
        }
        (router.with_state(app), declared)
    }
}

/// Every address of a path.
pub(crate) fn spellings(path: &str, singular: Option<&str>) -> Vec<String> {
    // Services among themselves, and addresses that a standard fixes (RFC 8615), have one name each.
    if path.starts_with("/internal/") || path.starts_with("/.well-known/") {
        return vec![path.to_owned()];
    }
    let mut all = vec![path.to_owned(), format!("/api{path}")];
    if let Some(prefix) = singular {
        all.push(format!("/{prefix}{path}"));
        all.push(format!("/api/{prefix}{path}"));
    }
    all
}

fn filter_of(method: &Method) -> MethodFilter {
    match *method {
        Method::GET => MethodFilter::GET,
        Method::PUT => MethodFilter::PUT,
        Method::PATCH => MethodFilter::PATCH,
        Method::DELETE => MethodFilter::DELETE,
        _ => MethodFilter::POST,
    }
}

/// Puts the door before a handler. Public reads have none: there is nothing to check, and nothing to tell.
fn door<S: Clone + Send + Sync + 'static>(handler: MethodRouter<S>, told: &Declared) -> MethodRouter<S> {
    let rights = if told.unguarded { Rights::Anyone } else { told.rights };
    if rights == Rights::Anyone && told.method == Method::GET {
        return handler;
    }
    let place = Place {
        method: told.method.clone(),
        filled_from: told.path,
    };
    handler.layer(tower::layer::layer_fn(move |inner| Door {
        inner,
        rights,
        place: place.clone(),
    }))
}

/// Lets in who may call, and tells the handler at which route it stands.
#[derive(Clone)]
struct Door<I> {
    inner: I,
    rights: Rights,
    place: Place,
}

impl<I> Service<Request> for Door<I>
where
    I: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, I::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        if let Err(problem) = admit(self.rights, request.extensions().get::<Who>()) {
            return Either::Left(ready(Ok(problem.into_response())));
        }
        request.extensions_mut().insert(self.place.clone());
        Either::Right(self.inner.call(request))
    }
}

fn admit(rights: Rights, who: Option<&Who>) -> Result<(), Problem> {
    let nobody = Who::default();
    let who = who.unwrap_or(&nobody);
    let by_service = matches!(who.0.as_deref(), Some(Holder::Service(_)));
    match rights {
        Rights::Anyone => Ok(()),
        Rights::User => who.user().map(drop),
        // Services act for owners; the handler says for which.
        Rights::Owner | Rights::MayOrService(_) if by_service => Ok(()),
        Rights::Owner => who.bearer().map(drop),
        Rights::May(permission) | Rights::MayOrService(permission) => who.may(permission).map(drop),
        Rights::Admin => who.admin().map(drop),
        Rights::Service => who.service().map(drop),
    }
}
