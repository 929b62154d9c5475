//! Where a caller is: the other end of the connection, or whom a trusted proxy there names.
//!
//! Proxies append to the list, so it is read from the right: each proxy of ours vouches for the entry before it, and
//! the first address that is no proxy of ours is the caller. What stands left of it anybody could have written.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use serve::{Network, plain};

/// `X-Forwarded-For`, as most proxies write it.
pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Proxies that are believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Their networks; none: nobody is believed.
    pub trusted: Vec<Network>,
    /// Whether they write `Forwarded` (RFC 7239) instead of `X-Forwarded-For`. Only the one header that they write
    /// counts: the other one goes through them as the caller wrote it.
    pub write_forwarded: bool,
}

impl Proxies {
    /// Where the caller is whose connection comes from `peer`.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut known = plain(peer);
        let is_proxy = |address: IpAddr| self.trusted.iter().any(|network| network.holds(address));
        if self.trusted.is_empty() || !is_proxy(known) {
            return known;
        }
        let name = if self.write_forwarded {
            header::FORWARDED
        } else {
            FORWARDED_FOR
        };
        // The caller may have begun the line with any bytes: they must not hide what our proxy wrote behind them.
        let lines = headers.get_all(name).iter().rev();
        let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for entry in entries {
            let entry = std::str::from_utf8(entry).ok();
            let entry = if self.write_forwarded {
                entry.and_then(named)
            } else {
                entry
            };
            // What nobody can read ends the chain: the last proxy that is known stands for who is behind it.
            let Some(address) = entry.and_then(address) else { break };
            known = plain(address);
            if !is_proxy(known) {
                break;
            }
        }
        known
    }
}

/// The `for=` of an element of `Forwarded`.
fn named(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("for")
            .then(|| value.trim().trim_matches('"'))
    })
}

/// An address with or without a port, in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse()
        .ok()
        .or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check<L: AsRef<[u8]> + std::fmt::Debug>(write_forwarded: bool, peer: &str, lines: &[L], client: &str) {
        let proxies = Proxies {
            trusted: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            write_forwarded,
        };
        let mut headers = HeaderMap::new();
        let name = if write_forwarded {
            header::FORWARDED
        } else {
            FORWARDED_FOR
        };
        for line in lines {
            headers.append(name.clone(), HeaderValue::from_bytes(line.as_ref()).unwrap());
        }
        let found = proxies.client(peer.parse().unwrap(), &headers);
        assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
    }

    #[test]
    fn the_rightmost_stranger_is_the_caller() {
        check(false, "10.0.0.1", &["203.0.113.7"], "203.0.113.7");
        check(false, "10.0.0.1", &["1.1.1.1, 203.0.113.7, 10.0.0.2"], "203.0.113.7");
        check(false, "10.0.0.1", &["1.1.1.1", "203.0.113.7"], "203.0.113.7");
        check(false, "10.0.0.1", &["203.0.113.7:4711"], "203.0.113.7");
        check(false, "fd00::1", &["[2001:db8::1]:80"], "2001:db8::1");
        check(false, "::ffff:10.0.0.1", &["::ffff:203.0.113.7"], "203.0.113.7");
        check(false, "10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check::<&str>(false, "10.0.0.1", &[], "10.0.0.1");
        check(false, "10.0.0.1", &["203.0.113.7, rubbish"], "10.0.0.1");
        check(false, "10.0.0.1", &["203.0.113.7, rubbish, 10.0.0.2"], "10.0.0.2");
    }

    #[test]
    fn no_bytes_of_a_caller_hide_what_a_proxy_wrote_behind_them() {
        let check = |lines: &[&[u8]], client| check(false, "10.0.0.1", lines, client);
        check(&[b"\xff, 203.0.113.7"], "203.0.113.7");
        check(&[b"1.1.1.1", b"\xff, 203.0.113.7"], "203.0.113.7");
        check(&[b"1.1.1.1", b"\xff"], "10.0.0.1");
        check(&[b"1.1.1.1, \xff, 10.0.0.2"], "10.0.0.2");
    }

    #[test]
    fn strangers_tell_nothing() {
        check(false, "203.0.113.9", &["1.1.1.1"], "203.0.113.9");
        check(true, "203.0.113.9", &["for=1.1.1.1"], "203.0.113.9");
    }

    #[test]
    fn the_standard_header_is_read_when_proxies_write_it() {
        check(
            true,
            "10.0.0.1",
            &["for=203.0.113.7;proto=https;by=10.0.0.1"],
            "203.0.113.7",
        );
        check(
            true,
            "10.0.0.1",
            &["for=1.1.1.1, proto=https; For=\"[2001:db8::1]:4711\""],
            "2001:db8::1",
        );
        check(true, "10.0.0.1", &["for=unknown"], "10.0.0.1");
        check(true, "10.0.0.1", &["for=1.1.1.1, for=_hidden"], "10.0.0.1");
    }
}
