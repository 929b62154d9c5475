//! The names under which the shop answers, where it was told them: a page elsewhere that had its own name point here
//! (DNS rebinding), or a cache that was led astray, gets nothing.

use axum::extract::Request;
use http::{StatusCode, header, uri::Authority};
use wire::Problem;

use crate::pages::PROBES;

/// Names without port, in small letters; none: every name will do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    pub(crate) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.trim().to_ascii_lowercase()).collect())
    }

    /// The refusal of a request that is for somebody else (RFC 9110 §15.5.20).
    pub(crate) fn refusal(&self, request: &Request) -> Option<Problem> {
        // Balancers ask under the address of the machine.
        if self.0.is_empty() || PROBES.contains(&request.uri().path()) {
            return None;
        }
        // What the address itself names goes before the header (RFC 9112 §3.2.2).
        let header = request.headers().get(header::HOST);
        let told = header.and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
        let host = request.uri().host().or_else(|| told.as_ref().map(Authority::host));
        let known = host.is_some_and(|host| self.0.iter().any(|name| name.eq_ignore_ascii_case(host)));
        let detail = "The shop does not answer under this name.";
        (!known).then(|| Problem::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", detail))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn only_told_names_are_answered() {
        let hosts = Hosts::new(&["Shop.example".to_owned(), "[::1]".to_owned()]);
        let check = |uri: &str, host: &str, answered| {
            let mut request = Request::get(uri);
            if !host.is_empty() {
                request = request.header("host", host);
            }
            let request = request.body(Body::empty()).unwrap();
            assert_eq!(hosts.refusal(&request).is_none(), answered, "{uri} {host}");
            assert!(Hosts::default().refusal(&request).is_none());
        };
        check("/api/products", "shop.example", true);
        check("/api/products", "SHOP.example:8080", true);
        check("/api/products", "[::1]:3000", true);
        check("/api/products", "evil.example", false);
        check("/api/products", "shop.example.evil.example", false);
        check("/api/products", "", false);
        check("http://shop.example/api/products", "evil.example", true);
        check("http://evil.example/api/products", "shop.example", false);
        check("/ready", "10.0.0.7:3000", true);
    }
}
