//! The addresses of clients: the gateway determines the address, and every call forwards it.

use std::{fmt, net::IpAddr};

use http::{HeaderMap, HeaderValue};

/// Metadata with the address of the client. Services accept it only together with the service token.
pub const CLIENT_ADDRESS: &str = "bodega-client-address";

/// The network that counts as one client for limits: an IPv4 address, or the /64 of an IPv6 address, of which a single
/// host usually has all addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientNetwork(IpAddr);

impl ClientNetwork {
    /// Length of the prefix of an IPv6 network.
    const V6_PREFIX: u32 = 64;

    /// The first address of the network.
    pub fn address(self) -> IpAddr {
        self.0
    }
}

impl From<IpAddr> for ClientNetwork {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let host_bits = u128::BITS - Self::V6_PREFIX;
                IpAddr::from((address.to_bits() >> host_bits << host_bits).to_be_bytes())
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// In the form of `inet` in Postgres: `203.0.113.7` or `2001:db8:1:2::/64`.
impl fmt::Display for ClientNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => write!(f, "{address}/{}", Self::V6_PREFIX),
        }
    }
}

pub(crate) fn read(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get(CLIENT_ADDRESS)?.to_str().ok()?.parse().ok()
}

pub(crate) fn write(headers: &mut HeaderMap, address: Option<IpAddr>) {
    match address.and_then(|address| HeaderValue::try_from(address.to_string()).ok()) {
        Some(value) => headers.insert(CLIENT_ADDRESS, value),
        None => headers.remove(CLIENT_ADDRESS),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> String {
        ClientNetwork::from(address.parse::<IpAddr>().unwrap()).to_string()
    }

    #[test]
    fn an_ipv4_address_is_a_network_of_its_own() {
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7");
    }

    #[test]
    fn ipv6_addresses_with_the_same_first_64_bits_are_one_network() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2:ffff::"), network("2001:db8:1:2::1"));
        assert_ne!(network("2001:db8:1:3::1"), network("2001:db8:1:2::1"));
        assert_eq!(network("::1"), "::/64");
    }

    #[test]
    fn is_forwarded_as_text() {
        let mut headers = HeaderMap::new();
        for address in ["203.0.113.7", "2001:db8::7"] {
            write(&mut headers, Some(address.parse().unwrap()));
            assert_eq!(read(&headers).unwrap().to_string(), address);
        }
        write(&mut headers, None);
        assert_eq!(read(&headers), None);
        headers.insert(CLIENT_ADDRESS, HeaderValue::from_static("unknown"));
        assert_eq!(read(&headers), None);
    }
}
