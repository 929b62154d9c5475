//! What every request passes at the edge, there and back.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base::{Clock, Id as _, Ids};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serve::{Addresses, BULK_BODY_MAX, Deps, Doorman, Holder, Mode, Slow, Who, chassis};
use tokio::time::Instant;
use wire::{Cx, Problem};

use crate::access;
use crate::caching::Caching;
use crate::client::Proxies;
use crate::compress::{self, Encoded};
use crate::cors::Cors;
use crate::forward::CallerAt;
use crate::hosts::Hosts;
use crate::known::{self, Known};
use crate::limits::{Class, Left, Limits, Whose};
use crate::pages::PROBES;
use crate::sealed::SealKeys;
use crate::sealing;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// Nothing of an answer is to be run or framed; pages bring a policy of their own.
const CSP: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// A year, as browsers' preload lists want it at least.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");
const REFERRER: HeaderValue = HeaderValue::from_static("strict-origin-when-cross-origin");
/// Every method that some address here knows.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// What the edge knows.
pub(crate) struct Edge {
    pub(crate) door: Doorman,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) cors: Cors,
    pub(crate) hosts: Hosts,
    pub(crate) proxies: Proxies,
    pub(crate) limits: Limits,
    pub(crate) routes: Addresses<Known>,
    /// Opens sealed bodies; none: there are no such.
    pub(crate) seal: Option<SealKeys>,
    pub(crate) encoded: Encoded,
    pub(crate) tls: bool,
    pub(crate) mode: Mode,
}

impl Edge {
    pub(crate) fn of(deps: &Deps, cors: Cors, config: &crate::Config, seal: Option<SealKeys>) -> Self {
        Self {
            door: Doorman::new(deps),
            clock: deps.clock.clone(),
            ids: deps.ids.clone(),
            cors,
            hosts: Hosts::new(&config.hosts),
            proxies: config.proxies.clone(),
            limits: Limits::new(config.quotas, deps.clock.clone()),
            routes: known::routes(&config.declared),
            seal,
            encoded: Encoded::default(),
            tls: config.tls,
            mode: deps.mode,
        }
    }
}

/// What is remembered of a request for its answer.
struct About {
    began: Instant,
    origin: Option<HeaderValue>,
    /// Whether it is about secrets: such answers are neither timed, nor compressed, nor kept.
    secret: bool,
    known: Option<Known>,
    client: Option<IpAddr>,
    class: Class,
    slow: Option<Slow>,
    logged: Option<(Method, &'static str)>,
}

/// The way in and out.
pub(crate) async fn pass(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    // 1. Browsers ask before they call; nobody has to be known for that.
    if let Some(answer) = edge.cors.preflight(request.method(), request.headers()) {
        return answer;
    }
    let about = edge.look_at(&request);
    let (response, cx, left) = edge.answer(&about, request, next).await;
    let mut response = chassis::told(response, &cx);
    edge.dress(&about, left, &mut response);
    match about.logged {
        None => response,
        Some((method, path)) => {
            let line = access::Line {
                method,
                path,
                status: response.status().as_u16(),
                request_id: cx.request_id().to_owned(),
                began: about.began,
            };
            access::told(line, response)
        }
    }
}

impl Edge {
    fn look_at(&self, request: &Request) -> About {
        let (method, path) = (request.method(), request.uri().path());
        let known = self.routes.find(method, path).copied();
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        About {
            began: now(),
            origin: request.headers().get(header::ORIGIN).cloned(),
            secret: path.starts_with("/api/auth/") || known.is_some_and(|known| known.secret),
            client: peer.map(|peer| self.proxies.client(peer.0.ip(), request.headers())),
            class: Class::of(method, known.is_some_and(|known| known.sign_in)),
            slow: request.extensions().get::<Slow>().cloned(),
            logged: access::is_on().then(|| (method.clone(), known::logged(known.as_ref(), path))),
            known,
        }
    }

    async fn answer(&self, about: &About, request: Request, next: Next) -> (Response, Cx, Option<Left>) {
        // 2. The address's limit, before anything is done for the caller: a forged token costs a signature.
        let mut left = self.left_at(about, request.uri().path()).await;
        let mut refused = left.and_then(|left| self.refusal(about, left));
        // 3. Who calls, and the context; both go on with the request.
        let mut who = Who::default();
        if refused.is_none() {
            let (method, path) = (request.method(), request.uri().path());
            match self.door.identify(method, path, request.headers()).await {
                Ok(found) => who = found,
                Err(problem) => refused = Some(problem),
            }
        }
        let time = about
            .known
            .and_then(|known| known.time)
            .unwrap_or(chassis::REQUEST_TIME);
        let cx = chassis::context(request.headers(), &who, &self.clock, &self.ids, time);
        // 4. The person's own limit, wherever they call from.
        if refused.is_none()
            && let Some(own) = self.left_of(about, &who).await
        {
            refused = self.refusal(about, own);
            left = Some(own.tighter(left));
        }
        // 5. Refusals that need no service, and sealed bodies.
        if let Some(problem) = refused.or_else(|| self.misfit(about, &request)) {
            return (refuse(problem, request).await, cx, left);
        }
        if *request.method() == Method::OPTIONS && request.uri().path() == "*" {
            return (
                (StatusCode::NO_CONTENT, [(header::ALLOW, METHODS)]).into_response(),
                cx,
                left,
            );
        }
        let opened = match &self.seal {
            Some(keys) if may_come_sealed(about) => sealing::opened(keys, request).await,
            _ => Ok(request),
        };
        let response = match opened {
            Ok(request) => self.hand_on(about, request, who, &cx, next).await,
            Err(problem) => problem.into_response(),
        };
        let slow = about.slow.as_ref().is_some_and(Slow::was);
        (if slow { too_slow() } else { response }, cx, left)
    }

    async fn hand_on(&self, about: &About, mut request: Request, who: Who, cx: &Cx, next: Next) -> Response {
        self.tell(about, &mut request, who, cx);
        let wanted = compress::wanted(request.headers());
        let response = next.run(request).await;
        // 6. Compression stands inside the headers of `dress`, so that these are the same for all answers, and around
        //    what is written into bodies. Sizes of answers that hold secrets stay what they are (BREACH).
        let response = chassis::told(response, cx);
        if about.secret {
            return response;
        }
        compress::run(&self.encoded, wanted, response).await
    }

    async fn left_at(&self, about: &About, path: &str) -> Option<Left> {
        if PROBES.contains(&path) {
            return None;
        }
        Some(self.limits.take(about.class, Whose::at(about.client?)).await)
    }

    async fn left_of(&self, about: &About, who: &Who) -> Option<Left> {
        match who.0.as_deref()? {
            Holder::User(caller) => Some(self.limits.take(about.class, Whose::Person(caller.id.bits())).await),
            Holder::Service(_) => None,
        }
    }

    /// The refusal of somebody who asks too much. A developer's own machine is counted, but not refused.
    fn refusal(&self, about: &About, left: Left) -> Option<Problem> {
        let at_home = self.mode == Mode::Development && about.client.is_none_or(|client| client.is_loopback());
        left.refusal().filter(|_| !at_home)
    }

    fn misfit(&self, about: &About, request: &Request) -> Option<Problem> {
        self.hosts
            .refusal(request)
            .or_else(|| unspoken(request.method()))
            .or_else(|| too_large(about, request))
    }

    /// What goes on with the request: who calls and from where, the context, who may keep the answer.
    fn tell(&self, about: &About, request: &mut Request, who: Who, cx: &Cx) {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let public = about.known.is_some_and(|known| known.public);
        let caching = Caching::of(about.secret, reads, public, who.0.is_some());
        let extensions = request.extensions_mut();
        if let Some(client) = about.client {
            extensions.insert(CallerAt(client));
            let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
            if peer.is_some_and(|peer| peer != client) {
                // Services of this process look at the connection's end.
                extensions.insert(ConnectInfo(SocketAddr::new(client, 0)));
            }
        }
        extensions.insert(caching);
        extensions.insert(who);
        extensions.insert(cx.clone());
    }

    /// What browsers and operators need to know of every answer.
    fn dress(&self, about: &About, left: Option<Left>, response: &mut Response) {
        let out = response.headers_mut();
        out.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        out.insert(header::REFERRER_POLICY, REFERRER);
        out.entry(header::CONTENT_SECURITY_POLICY).or_insert(CSP);
        if self.tls {
            out.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
        }
        if let Some(left) = left {
            self.limits.tell(left, out);
        }
        self.cors.permit(about.origin.as_ref(), out);
        let ms = about.began.elapsed().as_secs_f64() * 1e3;
        if !about.secret
            && let Ok(value) = HeaderValue::try_from(format!("total;dur={ms:.3}"))
        {
            out.insert(SERVER_TIMING, value);
        }
    }
}

/// The refusal, once what the caller still sends has been read, so that they hear it.
async fn refuse(problem: Problem, request: Request) -> Response {
    serve::drain(request).await;
    let mut response = problem.into_response();
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, METHODS);
    }
    response
}

/// TRACE would answer with what proxies added to a request, CONNECT would make one of us.
fn unspoken(method: &Method) -> Option<Problem> {
    let detail = "The shop does not speak this method.";
    let problem = || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
    matches!(*method, Method::TRACE | Method::CONNECT).then(problem)
}

/// Bodies that say that they are larger than any route reads are refused before they are sent. Where a route takes less,
/// what reads it there says so; files stream, however long.
fn too_large(about: &About, request: &Request) -> Option<Problem> {
    let told = request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?;
    let raw = about.known.is_some_and(|known| known.raw);
    (told.parse::<u64>().ok()? > BULK_BODY_MAX as u64 && !raw).then(|| serve::too_large(BULK_BODY_MAX))
}

/// Webhooks of providers are signed over their bytes as they are, and files are no JSON.
fn may_come_sealed(about: &About) -> bool {
    about.known.is_some_and(|known| !known.raw && !known.sealed)
}

fn too_slow() -> Response {
    let detail = "The body came too slowly. Please send it again.";
    let mut response = Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", detail).into_response();
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[allow(clippy::disallowed_methods)] // Durations are of the runtime's clock, which tests can pause.
fn now() -> Instant {
    Instant::now()
}
