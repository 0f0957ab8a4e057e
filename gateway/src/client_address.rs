//! The address of a client: that of its connection, or the one that trusted proxies report.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use http::{
    HeaderMap, HeaderName,
    header::{FORWARDED, HeaderValue},
};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of a request's client, an extension of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// The networks of the proxies whose `X-Forwarded-For` and `Forwarded` (RFC 7239) are trusted.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

/// Reads networks and addresses, separated by commas; none from an empty text.
impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = |text: &str| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        let networks = texts.map(|text| {
            network(text).map_err(|_| format!("{text:?} must be an address, or a network such as 10.0.0.0/8"))
        });
        networks.collect::<Result<_, _>>().map(Self)
    }
}

impl TrustedProxies {
    /// Whether the address is that of a proxy.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Returns the rightmost address that is not a trusted proxy's: each proxy appends the address of its client, and what is
    /// further left may be forged. An address that cannot be read ends the search at the proxy that has sent it.
    pub(crate) fn client(&self, connection: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let connection = connection.to_canonical();
        if !self.contains(connection) {
            return ClientAddress(connection);
        }
        let client = |name, address: fn(&str) -> Option<IpAddr>| {
            let mut client = connection;
            for hop in hops(headers, name) {
                let Some(address) = address(hop) else { break };
                client = address;
                if !self.contains(client) {
                    break;
                }
            }
            client
        };
        let by_x_forwarded_for = client(X_FORWARDED_FOR, address);
        if !headers.contains_key(FORWARDED) {
            return ClientAddress(by_x_forwarded_for);
        }
        let by_forwarded = client(FORWARDED, forwarded_for);
        if !headers.contains_key(X_FORWARDED_FOR) || by_forwarded == by_x_forwarded_for {
            return ClientAddress(by_forwarded);
        }
        // Proxies write one of them and pass on the other one as the client has sent it.
        ClientAddress(connection)
    }
}

/// Returns the items of a list header, the last one first. An item that a proxy has appended contains no comma.
fn hops(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().rev();
    values.flat_map(|value: &HeaderValue| value.to_str().unwrap_or_default().rsplit(','))
}

/// Reads an address with or without a port: `203.0.113.7:80`, `[2001:db8::7]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let address: Option<IpAddr> = text.parse().ok().or_else(in_brackets).or_else(with_port);
    address.map(|address| address.to_canonical())
}

/// Reads the `for` of an item of `Forwarded`.
fn forwarded_for(item: &str) -> Option<IpAddr> {
    let node = item.split(';').find_map(|pair| {
        let (name, node) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(node.trim())
    })?;
    address(node.strip_prefix('"').and_then(|node| node.strip_suffix('"')).unwrap_or(node))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";
    const CLIENT: &str = "203.0.113.7";

    /// The client of a connection from `connection` with these headers, behind the proxies 10.0.0.0/8 and 2001:db8:f::/48.
    fn client(connection: &str, headers: &[(HeaderName, &str)]) -> String {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        let headers = headers.fold(HeaderMap::new(), |mut headers, (name, value): (_, HeaderValue)| {
            headers.append(name, value);
            headers
        });
        let proxies: TrustedProxies = "10.0.0.0/8, 2001:db8:f::/48".parse().unwrap();
        proxies.client(connection.parse().unwrap(), &headers).0.to_string()
    }

    #[test]
    fn accepts_networks_and_addresses() {
        let proxies: TrustedProxies = "10.0.0.0/8, 2001:db8::/32,203.0.113.7,".parse().unwrap();
        let texts: Vec<_> = proxies.0.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["10.0.0.0/8", "2001:db8::/32", "203.0.113.7/32"]);
        assert!("".parse::<TrustedProxies>().unwrap().0.is_empty());
        for text in ["10.0.0.0/33", "proxy.example", "*"] {
            assert!(text.parse::<TrustedProxies>().is_err(), "{text}");
        }
    }

    #[test]
    fn without_a_trusted_proxy_it_is_the_address_of_the_connection() {
        let headers = [(X_FORWARDED_FOR, "198.51.100.1"), (FORWARDED, "for=198.51.100.1")];
        assert_eq!(client(CLIENT, &headers), CLIENT);
        assert_eq!(client("::ffff:203.0.113.7", &headers), CLIENT);
        assert_eq!(client(PROXY, &[]), PROXY);
    }

    #[test]
    fn it_is_the_rightmost_address_that_is_not_a_proxys() {
        for list in [
            "203.0.113.7",
            "203.0.113.7:4711",
            " 198.51.100.1 , 203.0.113.7, 10.9.9.9",
            "198.51.100.1, ::ffff:203.0.113.7, [2001:db8:f::1]:80, 2001:db8:f::2",
            "not an address, 203.0.113.7",
        ] {
            assert_eq!(client(PROXY, &[(X_FORWARDED_FOR, list)]), CLIENT, "{list}");
            assert_eq!(client("::ffff:10.0.0.1", &[(X_FORWARDED_FOR, list)]), CLIENT, "{list}");
        }
        let lines = [(X_FORWARDED_FOR, "198.51.100.1"), (X_FORWARDED_FOR, CLIENT), (X_FORWARDED_FOR, PROXY)];
        assert_eq!(client(PROXY, &lines), CLIENT, "lines are one list");
        assert_eq!(client(PROXY, &[(X_FORWARDED_FOR, "10.1.1.1, 10.2.2.2")]), "10.1.1.1", "all are proxies");
    }

    #[test]
    fn an_unreadable_address_ends_the_search_at_the_proxy_that_has_sent_it() {
        for list in ["203.0.113.7, unknown", "203.0.113.7,", "", "203.0.113.7, 1.2.3"] {
            assert_eq!(client(PROXY, &[(X_FORWARDED_FOR, list)]), PROXY, "{list}");
        }
        assert_eq!(client(PROXY, &[(X_FORWARDED_FOR, "203.0.113.7, unknown, 10.2.2.2")]), "10.2.2.2");
    }

    #[test]
    fn reads_the_standard_header() {
        for (list, expected) in [
            ("for=203.0.113.7", CLIENT),
            ("For=\"203.0.113.7:80\";proto=https;by=10.0.0.1", CLIENT),
            ("for=198.51.100.1, proto=http; for=203.0.113.7, for=10.2.2.2", CLIENT),
            ("for=\"[2001:db8:1::7]:4711\"", "2001:db8:1::7"),
            ("for=\"[2001:db8:1::7]\"", "2001:db8:1::7"),
            ("for=\"198.51.100.1, for=203.0.113.7", CLIENT),
            ("for=203.0.113.7, for=_hidden", PROXY),
            ("for=203.0.113.7, by=10.0.0.1", PROXY),
        ] {
            assert_eq!(client(PROXY, &[(FORWARDED, list)]), expected, "{list}");
        }
    }

    #[test]
    fn headers_that_contradict_each_other_are_ignored() {
        let both = |other| [(X_FORWARDED_FOR, CLIENT), (FORWARDED, other)];
        assert_eq!(client(PROXY, &both("for=203.0.113.7")), CLIENT);
        assert_eq!(client(PROXY, &both("for=198.51.100.1")), PROXY);
    }
}
