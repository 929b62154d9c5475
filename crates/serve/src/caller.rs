//! Who calls: rights as types. A handler that needs a permission takes [`May`], and cannot be written without.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;

use api::identity::Machine;
use axum::extract::{ConnectInfo, FromRequestParts};
use base::{Id as _, KeyId, SessionId, Time, UserId};
use http::request::Parts;
use wire::{ANONYMOUS, Cx, Problem};

pub use api::identity::Role;
pub use api::rights::{Area, Permission, Permissions};

use crate::tokens::Holder;

/// A person with a token that counts, or a machine with an API key.
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
    /// What they may do in the areas of the shop.
    pub permissions: Permissions,
    /// A machine's key; none for people. The other ids of a machine are made of the key's and belong to nobody.
    pub key: Option<KeyId>,
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

    /// The machine that an API key belongs to. It is ended like a session, under [`session_of`] its key.
    pub fn machine(machine: &Machine, expires: Time) -> Self {
        Self {
            id: UserId::from_bits(machine.id.bits()),
            role: Role::Staff,
            session: session_of(machine.id),
            expires,
            permissions: machine.permissions,
            key: Some(machine.id),
        }
    }

    /// Whether they have a permission. Administrators have all.
    pub fn may(&self, permission: Permission) -> bool {
        self.is_admin() || self.is_staff() && self.permissions.has(permission)
    }

    /// Whether what belongs to `owner` is open to this caller: their own things, and any to staff with the permission.
    pub fn may_see(&self, owner: UserId, permission: Permission) -> bool {
        self.id == owner || self.may(permission)
    }

    /// How ledgers, histories and events name this caller.
    pub fn actor(&self) -> String {
        match self.key {
            Some(key) => key.to_string(),
            None => self.id.to_string(),
        }
    }
}

/// The session under which an API key ends, so that a revoked key travels the way of an ended session.
pub fn session_of(key: KeyId) -> SessionId {
    SessionId::from_bits(key.bits())
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

    /// The person who calls. Errors: 401 for nobody, 403 for a machine or a service.
    pub fn user(&self) -> Result<Caller, Problem> {
        match self.bearer()? {
            caller if caller.key.is_some() => Err(Problem::forbidden("This call is for people, not for API keys.")),
            caller => Ok(caller),
        }
    }

    /// The person or the machine who calls. Errors: 401 for nobody, 403 for a service.
    pub fn bearer(&self) -> Result<Caller, Problem> {
        match self.0.as_deref() {
            Some(Holder::User(caller)) => Ok(*caller),
            Some(Holder::Service(_)) => Err(Problem::forbidden("This call is for people, not for services.")),
            None => Err(nobody()),
        }
    }

    /// The clerk or the machine who calls and has the permission. Errors: 401 for nobody, 403 for anybody else.
    pub fn may(&self, permission: Permission) -> Result<Caller, Problem> {
        let caller = self.staff()?;
        if caller.may(permission) {
            Ok(caller)
        } else {
            let detail = format!("This call needs the permission {permission}. An administrator can give it.");
            Err(Problem::forbidden(detail))
        }
    }

    /// The clerk who calls. Errors: 401 for nobody, 403 for anybody else.
    fn staff(&self) -> Result<Caller, Problem> {
        let caller = self.bearer()?;
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

/// Anybody with a token or an API key; for what an owner may see, and staff with a permission
/// ([`Caller::may_see`]).
#[derive(Clone, Copy, Debug)]
pub struct Bearer(pub Caller);

/// A clerk, an administrator or a machine with the permission `P`, e.g. `May<CatalogWrite>`.
#[derive(Clone, Copy, Debug)]
pub struct May<P>(pub Caller, PhantomData<P>);

/// A permission as a type, so that a handler cannot be written without the right one.
pub trait Permit: Send + Sync + 'static {
    /// The permission.
    const PERMISSION: Permission;
}

impl<P: Permit, S: Send + Sync> FromRequestParts<S> for May<P> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        who(parts).may(P::PERMISSION).map(|caller| May(caller, PhantomData))
    }
}

/// A clerk, an administrator or a machine with the permission `P`, or a service.
#[derive(Clone, Copy, Debug)]
pub struct MayOrService<P>(PhantomData<P>);

impl<P: Permit, S: Send + Sync> FromRequestParts<S> for MayOrService<P> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let who = who(parts);
        match who.service() {
            Ok(_) => Ok(MayOrService(PhantomData)),
            Err(_) => who.may(P::PERMISSION).map(|_| MayOrService(PhantomData)),
        }
    }
}

macro_rules! permits {
    ($($name:ident, $constant:ident = $right:ident $area:ident;)*) => {$(
        #[doc = concat!("The permission to ", stringify!($right), ": ", stringify!($area), ".")]
        pub const $constant: Permission = Permission::$right(Area::$area);

        #[doc = concat!("[`", stringify!($constant), "`] as a type.")]
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Permit for $name {
            const PERMISSION: Permission = $constant;
        }
    )*};
}

permits! {
    CatalogRead, CATALOG_READ = read Catalog;
    CatalogWrite, CATALOG_WRITE = write Catalog;
    OrdersRead, ORDERS_READ = read Orders;
    OrdersWrite, ORDERS_WRITE = write Orders;
    PaymentsRead, PAYMENTS_READ = read Payments;
    PaymentsWrite, PAYMENTS_WRITE = write Payments;
    CustomersRead, CUSTOMERS_READ = read Customers;
    CustomersWrite, CUSTOMERS_WRITE = write Customers;
    SettingsRead, SETTINGS_READ = read Settings;
    SettingsWrite, SETTINGS_WRITE = write Settings;
}

/// An administrator.
#[derive(Clone, Copy, Debug)]
pub struct Admin(pub Caller);

/// Another service of the shop, by name.
#[derive(Clone, Debug)]
pub struct Service(pub String);

/// A person or a machine, if there is one; for calls that need no token but do more with one.
#[derive(Clone, Copy, Debug)]
pub struct MaybeUser(pub Option<Caller>);

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
    Admin: |parts| who(parts).admin().map(Admin);
    Service: |parts| who(parts).service().map(|name| Service(name.to_owned()));
    Bearer: |parts| who(parts).bearer().map(Bearer);
    MaybeUser: |parts| Ok(MaybeUser(who(parts).bearer().ok()));
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
