//! Networks of addresses, as settings name them: `10.0.0.0/8`, `fd00::/8`, or one address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// Bits of an IPv6 address behind those that name a site.
const SITE_BITS: u32 = 64;

/// All addresses that begin with the same bits (CIDR, RFC 4632).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

/// A text that names no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkFault(pub String);

impl fmt::Display for NetworkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no address and no network such as 10.0.0.0/8", self.0)
    }
}

impl std::error::Error for NetworkFault {}

impl Network {
    /// Whether the address is one of these.
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.address, plain(address)) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let bits = u32::from(own) ^ u32::from(other);
                self.length == 0 || bits >> (32 - u32::from(self.length)) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let bits = u128::from(own) ^ u128::from(other);
                self.length == 0 || bits >> (128 - u32::from(self.length)) == 0
            }
            _ => false,
        }
    }
}

/// An IPv4 address that came as IPv6 (`::ffff:10.0.0.1`) as what it is.
pub fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(long) => long
            .to_ipv4_mapped()
            .map_or(address, |short: Ipv4Addr| IpAddr::V4(short)),
        IpAddr::V4(_) => address,
    }
}

/// The address under which whoever calls from here is counted: an IPv4 address, or the first of all that an IPv6 site
/// has, which are one customer's (RFC 6177) and as many as they like.
pub fn site(address: IpAddr) -> IpAddr {
    match plain(address) {
        IpAddr::V6(long) => IpAddr::V6((u128::from(long) >> SITE_BITS << SITE_BITS).into()),
        short => short,
    }
}

impl FromStr for Network {
    type Err = NetworkFault;

    fn from_str(text: &str) -> Result<Self, NetworkFault> {
        let fault = || NetworkFault(text.to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| fault())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(length) => length
                .trim()
                .parse()
                .ok()
                .filter(|length| *length <= most)
                .ok_or_else(fault)?,
            None => most,
        };
        Ok(Self { address, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_one_caller() {
        let check = |address: &str, counted: &str| {
            let site = site(address.parse().unwrap());
            assert_eq!(site, counted.parse::<IpAddr>().unwrap(), "{address}");
        };
        check("203.0.113.7", "203.0.113.7");
        check("::ffff:203.0.113.7", "203.0.113.7");
        check("2001:db8::1", "2001:db8::");
        check("2001:db8::ffff:1:2:3", "2001:db8::");
        check("2001:db8:0:1::1", "2001:db8:0:1::");
    }

    #[test]
    fn a_network_holds_what_begins_like_it() {
        let check = |network: &str, address: &str, holds| {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.holds(address.parse().unwrap()), holds, "{network:?} {address}");
        };
        check("10.0.0.0/8", "10.255.1.2", true);
        check("10.0.0.0/8", "11.0.0.0", false);
        check("10.0.0.0/8", "::ffff:10.1.1.1", true);
        check("192.168.1.7", "192.168.1.7", true);
        check("192.168.1.7", "192.168.1.8", false);
        check("0.0.0.0/0", "8.8.8.8", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("fd00::/8", "fdab::1", true);
        check("::/0", "2001:db8::1", true);
        check("10.3.0.0/15", "10.2.255.1", true);
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/x",
            "ten",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/-1",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
