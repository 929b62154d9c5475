//! What the edge knows of a request's route before anybody answers it.

use std::time::Duration;

use http::Method;
use serve::{Addresses, Declared, Rights};

use crate::pages::{PATHS, PROBES};
use crate::sealing;
use crate::table::service_of;

/// What is logged for an address that no route has: it may hold anything.
const UNKNOWN: &str = "(unknown)";

/// A route, as far as the edge goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// Its canonical path with `{parameters}`, without `/api`.
    pub(crate) path: &'static str,
    /// Whether it is read without a token, the same for all.
    pub(crate) public: bool,
    /// Whether it answers with secrets, under whichever of its addresses.
    pub(crate) secret: bool,
    /// Whether passwords are tried or accounts are made here.
    pub(crate) sign_in: bool,
    /// Whether its body is a file or somebody else's text, which goes on as it is, however long.
    pub(crate) raw: bool,
    /// Whether it takes sealed texts itself, so that none is opened on its way there.
    pub(crate) sealed: bool,
    /// What it may take, where that is not the usual.
    pub(crate) time: Option<Duration>,
}

/// The routes that can be reached from outside.
pub(crate) fn routes(declared: &[Declared]) -> Addresses<Known> {
    let reached = |route: &Declared, path: &str| service_of(path) == Some(route.service);
    Addresses::new(declared, reached, |route| (!route.is_internal()).then(|| of(route)))
}

fn of(route: &Declared) -> Known {
    Known {
        path: route.path,
        public: route.method == Method::GET && route.rights == Rights::Anyone,
        secret: route.path.starts_with("/auth/"),
        sign_in: is_sign_in(route),
        raw: !route.takes_text.is_empty(),
        sealed: route.path == sealing::DECRYPT,
        time: route.time,
    }
}

/// Every call below `/auth` that somebody without a token can try again and again; those that only go on with a
/// session, or begin one that nobody has to prove anything for, are writes like others.
fn is_sign_in(route: &Declared) -> bool {
    let last = route.path.rsplit('/').next().unwrap_or_default();
    let goes_on = matches!(last, "refresh" | "logout" | "guest");
    route.path.starts_with("/auth/") && route.method != Method::GET && route.rights == Rights::Anyone && !goes_on
}

/// What the log calls an address: its route, so that no id, name or e-mail address gets there.
pub(crate) fn logged(known: Option<&Known>, path: &str) -> &'static str {
    let own = || PATHS.iter().chain(&PROBES).copied().find(|own| *own == path);
    known.map(|known| known.path).or_else(own).unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_knows_the_shops_addresses_and_nobody_elses() {
        for own in ["/", "/ready", "/docs/app.js", "/.well-known/jwks.json"] {
            assert_eq!(logged(None, own), own);
        }
        assert_eq!(logged(None, "/api/users/ada@example.com/none"), UNKNOWN);
    }
}
