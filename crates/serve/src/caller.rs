//! Who calls: rights as types. A handler that needs a clerk takes [`Staff`], and cannot be written without.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use base::{SessionId, Time, UserId};
use http::request::Parts;
use wire::{ANONYMOUS, Cx, Problem};

pub use api::identity::Role;

use crate::tokens::Holder;

/// A person with a token that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub id: UserId,
    /// What they may do.
    pub role: Role,
    /// The session of the token.
    pub session: SessionId,
    /// When the token expires.
    pub expires: Time,
}

impl Caller {
    /// Whether this is a clerk or an administrator.
    pub fn is_staff(&self) -> bool {
        self.role >= Role::Staff
    }

    /// Whether this is an administrator.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// Whether what belongs to `owner` may be shown to this caller: their own things, or any to staff.
    pub fn may_see(&self, owner: UserId) -> bool {
        self.id == owner || self.is_staff()
    }

    /// How ledgers, histories and events name this caller.
    pub fn actor(&self) -> String {
        self.id.to_string()
    }
}

/// Who the chassis found to be calling; put into every request by it. A request cannot bring one along
/// from outside, since extensions do not travel: inside the process it saves a second verification.
#[derive(Clone, Debug, Default)]
pub struct Who(pub Option<Arc<Holder>>);

impl Who {
    /// How events name the caller.
    pub fn actor(&self) -> String {
        match self.0.as_deref() {
            Some(Holder::User(caller)) => caller.actor(),
            Some(Holder::Service(name)) => format!("service:{name}"),
            None => ANONYMOUS.to_owned(),
        }
    }

    /// The person who calls. Errors: 401 for nobody, 403 for a service.
    pub fn user(&self) -> Result<Caller, Problem> {
        match self.0.as_deref() {
            Some(Holder::User(caller)) => Ok(*caller),
            Some(Holder::Service(_)) => Err(Problem::forbidden("This call is for people, not for services.")),
            None => Err(nobody()),
        }
    }

    /// The clerk who calls. Errors: 401 for nobody, 403 for anybody else.
    pub fn staff(&self) -> Result<Caller, Problem> {
        let caller = self.user()?;
        if caller.is_staff() {
            Ok(caller)
        } else {
            Err(Problem::forbidden("This call is for staff."))
        }
    }

    /// The administrator who calls. Errors: 401 for nobody, 403 for anybody else.
    pub fn admin(&self) -> Result<Caller, Problem> {
        let caller = self.user()?;
        if caller.is_admin() {
            Ok(caller)
        } else {
            Err(Problem::forbidden("This call is for administrators."))
        }
    }

    /// The service that calls. Errors: 401 for nobody, 403 for people.
    pub fn service(&self) -> Result<&str, Problem> {
        match self.0.as_deref() {
            Some(Holder::Service(name)) => Ok(name),
            Some(Holder::User(_)) => Err(Problem::forbidden("This call is for the shop's own services.")),
            None => Err(nobody()),
        }
    }
}

fn nobody() -> Problem {
    Problem::unauthorized("Please sign in: this call needs a token in the header `Authorization: Bearer …`.")
}

fn who(parts: &Parts) -> Who {
    parts.extensions.get::<Who>().cloned().unwrap_or_default()
}

/// Anybody with a token: guest, customer, staff or administrator.
#[derive(Clone, Copy, Debug)]
pub struct User(pub Caller);

/// A clerk or an administrator.
#[derive(Clone, Copy, Debug)]
pub struct Staff(pub Caller);

/// An administrator.
#[derive(Clone, Copy, Debug)]
pub struct Admin(pub Caller);

/// Another service of the shop, by name.
#[derive(Clone, Debug)]
pub struct Service(pub String);

/// A person, if there is one; for calls that need no token but do more with one.
#[derive(Clone, Copy, Debug)]
pub struct MaybeUser(pub Option<Caller>);

/// A clerk, an administrator or a service.
#[derive(Clone, Debug)]
pub enum StaffOrService {
    /// A clerk or an administrator.
    Staff(Caller),
    /// A service, by name.
    Service(String),
}

/// The context of the call: request id, trace, deadline, actor.
#[derive(Clone, Debug)]
pub struct In(pub Cx);

/// The address at the other end of the connection; none when the call came from inside the process
/// without one.
#[derive(Clone, Copy, Debug)]
pub struct Remote(pub Option<SocketAddr>);

macro_rules! extractors {
    ($($name:ty: |$parts:ident| $extract:expr;)*) => {$(
        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;
            async fn from_request_parts($parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                $extract
            }
        }
    )*};
}

extractors! {
    User: |parts| who(parts).user().map(User);
    Staff: |parts| who(parts).staff().map(Staff);
    Admin: |parts| who(parts).admin().map(Admin);
    Service: |parts| who(parts).service().map(|name| Service(name.to_owned()));
    MaybeUser: |parts| Ok(MaybeUser(who(parts).user().ok()));
    StaffOrService: |parts| match who(parts).service() {
        Ok(name) => Ok(StaffOrService::Service(name.to_owned())),
        Err(_) => who(parts).staff().map(StaffOrService::Staff),
    };
    Who: |parts| Ok(who(parts));
    In: |parts| Ok(In(context(parts)));
    Remote: |parts| Ok(Remote(parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0)));
}

/// The context that the chassis gave the request. Without a chassis (a handler called by hand) a blank one.
pub(crate) fn context(parts: &Parts) -> Cx {
    parts
        .extensions
        .get::<Cx>()
        .cloned()
        .unwrap_or_else(|| Cx::new("none", ANONYMOUS))
}
