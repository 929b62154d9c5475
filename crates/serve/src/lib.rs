//! The chassis of every service: routes that document themselves, extractors that are rights, tokens,
//! answers, and the supervisor that runs the built parts.
//!
//! A service declares [`Route`]s, gives them its state ([`Routes::finish`]), and becomes a [`Part`]. What every
//! request passes on its way to a handler is told in [`chassis`], top to bottom. Nothing here knows what is
//! sold, and no rule of the shop is decided here.

mod addresses;
mod answers;
mod body;
mod caller;
pub mod chassis;
mod doorman;
mod errors;
mod extract;
mod faults;
mod jws;
mod listen;
mod network;
pub mod openapi;
mod pace;
mod part;
mod revoked;
mod ring;
mod routes;
mod sessions;
mod spawn;
mod sse;
mod stall;
mod streams;
mod supervisor;
mod tls;
pub mod tokens;

#[cfg(test)]
mod tests;

pub use addresses::Addresses;
pub use answers::{Created, REPLAYED, Reply, listed, listed_page, no_content, not_modified};
pub use axum::Json;
pub use body::{BODY_MAX, BULK_BODY_MAX, Body, Keyed, Write, bytes_of, drain, is_json, parse, too_large};
pub use caller::{
    Admin, Area, Bearer, CATALOG_READ, CATALOG_WRITE, CUSTOMERS_READ, CUSTOMERS_WRITE, Caller, CatalogRead,
    CatalogWrite, CustomersRead, CustomersWrite, In, May, MayOrService, MaybeUser, ORDERS_READ, ORDERS_WRITE,
    OrdersRead, OrdersWrite, PAYMENTS_READ, PAYMENTS_WRITE, PaymentsRead, PaymentsWrite, Permission, Permissions,
    Permit, Remote, Role, SETTINGS_READ, SETTINGS_WRITE, Service, SettingsRead, SettingsWrite, User, Who, session_of,
};
pub use doorman::{API_KEY_PREFIX, Doorman, digest_of};
pub use errors::{no_mail, of_store};
pub use extract::{Known, Many, Path, Query, page};
pub use listen::{CONNECTIONS_MAX, Guard};
pub use mail::Mailer;
pub use network::{Network, NetworkFault, plain, site};
pub use pace::{Slow, TooSlow};
pub use part::{Deps, Mode, Part, Peers, Shop, Stop, Task};
pub use revoked::{ACCESS_LIFETIME_MAX, Revoked};
pub use routes::{Declared, Given, Rights, Route, Routes, SchemaOf};
pub use sessions::follow_ended_sessions;
pub use spawn::spawn;
pub use sse::{EVENT_STREAM, Frame, event_stream, last_event_id, until_stopped};
pub use supervisor::{BindFault, Bound, bind, run};
pub use tls::{Tls, TlsFault};
pub use tokens::{Claims, Holder, Keys, Secret, Signer, TokenFault};
