//! Where a service is: a router in this process, or an address behind a pool of connections.

use std::fmt;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::ServiceExt;

use crate::{Call, Cx, Problem};

/// Idle connections kept to a remote peer: enough for a busy process, few enough for its sockets.
const IDLE_CONNECTIONS_MAX: usize = 256;
/// An idle connection is closed before the other side closes it: our own servers wait 30 seconds for a request's head.
const IDLE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(20);
/// A peer that takes longer than this to accept a connection counts as down.
const CONNECT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

/// Gives the service token with which calls are made, renewed when needed.
pub type Badge = Arc<dyn Fn() -> Arc<str> + Send + Sync>;

/// A router that is set after the peers that call it are built. Services know each other in a circle.
#[derive(Clone, Default)]
pub struct Late(Arc<OnceLock<Router>>);

impl Late {
    /// A place for a router.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts the router there. The first one stays.
    pub fn set(&self, router: Router) {
        let _ = self.0.set(router);
    }
}

/// Another service, as this one sees it.
#[derive(Clone)]
pub struct Peer {
    name: &'static str,
    place: Place,
    badge: Option<Badge>,
}

#[derive(Clone)]
enum Place {
    Absent,
    Local(Late),
    Remote {
        client: Client<HttpConnector, Body>,
        authority: Authority,
    },
}

impl Peer {
    /// A service in this process.
    pub fn local(name: &'static str, router: Late) -> Self {
        Self {
            name,
            place: Place::Local(router),
            badge: None,
        }
    }

    /// A service at `http://host:port`. Errors: not such an address.
    pub fn remote(name: &'static str, url: &str) -> Result<Self, String> {
        let uri: Uri = url
            .trim_end_matches('/')
            .parse()
            .map_err(|_| format!("{url:?} is not an address such as http://127.0.0.1:4002"))?;
        let plain = uri.scheme() == Some(&Scheme::HTTP) && matches!(uri.path(), "" | "/");
        let authority = uri
            .authority()
            .filter(|_| plain)
            .ok_or_else(|| format!("{url:?} must be http://host:port without a path"))?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Self {
            name,
            place: Place::Remote {
                client,
                authority: authority.clone(),
            },
            badge: None,
        })
    }

    /// A service that is nowhere: every call is a 503.
    pub fn absent(name: &'static str) -> Self {
        Self {
            name,
            place: Place::Absent,
            badge: None,
        }
    }

    /// The peer, spoken to with this service's token.
    pub fn speaking(mut self, badge: Badge) -> Self {
        self.badge = Some(badge);
        self
    }

    /// The service's name, e.g. `catalog`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the service runs in this process.
    pub fn is_local(&self) -> bool {
        matches!(self.place, Place::Local(_))
    }

    pub(crate) fn badge(&self) -> Option<Arc<str>> {
        self.badge.as_ref().map(|badge| badge())
    }

    /// A call in the context `cx`; send it with one of [`Call`]'s last methods.
    pub fn call<'a>(&'a self, cx: &'a Cx, method: http::Method, path: impl Into<String>) -> Call<'a> {
        Call::new(self, cx, method, path.into())
    }

    /// Passes a request on as it is, streaming both bodies. Errors: 503 when the peer cannot be reached, 400 when the
    /// request's own body breaks off.
    pub async fn forward(&self, mut request: Request<Body>) -> Result<Response<Body>, Problem> {
        match &self.place {
            Place::Absent => Err(self.down("is not part of this process and no address is configured for it")),
            Place::Local(late) => {
                let router = late.0.get().ok_or_else(|| self.down("is still starting"))?.clone();
                router.oneshot(request).await.map_err(|never| match never {})
            }
            Place::Remote { client, authority } => {
                let path = request
                    .uri()
                    .path_and_query()
                    .cloned()
                    .unwrap_or(PathAndQuery::from_static("/"));
                let uri = Uri::builder()
                    .scheme(Scheme::HTTP)
                    .authority(authority.clone())
                    .path_and_query(path)
                    .build();
                *request.uri_mut() =
                    uri.map_err(|_| Problem::invalid("the address of the request cannot be passed on"))?;
                *request.version_mut() = http::Version::HTTP_11;
                match client.request(request).await {
                    Ok(answer) => Ok(answer.map(Body::new)),
                    // What we pass on ended before its end; the peer has nothing to do with it.
                    Err(fault) if is_of_request(&fault) => Err(Problem::broke_off()),
                    Err(fault) => Err(self.down(&reason(&fault))),
                }
            }
        }
    }

    fn down(&self, why: &str) -> Problem {
        tracing::warn!(peer = self.name, why, "a peer cannot be reached");
        Problem::unavailable(format!(
            "The {} service cannot be reached just now. Please try again.",
            self.name
        ))
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.place {
            Place::Absent => "nowhere",
            Place::Local(_) => "this process",
            Place::Remote { authority, .. } => authority.as_str(),
        };
        write!(f, "{} at {place}", self.name)
    }
}

fn is_of_request(fault: &dyn std::error::Error) -> bool {
    let cause = fault.source().and_then(|cause| cause.downcast_ref::<hyper::Error>());
    cause.is_some_and(hyper::Error::is_user)
}

fn reason(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}
