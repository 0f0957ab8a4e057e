//! From the URL of a service to the addresses of its replicas.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use http::Uri;

/// Returns the addresses of the replicas of a service. Cheap to clone.
#[derive(Clone)]
pub struct Resolver(Kind);

#[derive(Clone)]
enum Kind {
    Fixed(SocketAddr),
    Lookup(Arc<dyn Fn() -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>),
}

impl Resolver {
    /// Creates a resolver that calls `lookup` for the current addresses.
    pub fn new<F>(lookup: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        Self(Kind::Lookup(Arc::new(move || Box::pin(lookup()))))
    }

    /// Creates the resolver of a URL, whose host is an address, or a name that the system resolves.
    pub(crate) fn of(uri: &Uri) -> Self {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        if let Ok(address) = host.parse::<IpAddr>() {
            return Self(Kind::Fixed((address, port).into()));
        }
        Self::new(move || {
            let host = host.clone();
            async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }
        })
    }

    /// Returns the address if there is only one, which never changes.
    pub(super) fn fixed(&self) -> Option<SocketAddr> {
        match self.0 {
            Kind::Fixed(address) => Some(address),
            Kind::Lookup(_) => None,
        }
    }

    pub(super) async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        match &self.0 {
            Kind::Fixed(address) => Ok(vec![*address]),
            Kind::Lookup(lookup) => lookup().await,
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_not_looked_up() {
        let fixed = |uri: &'static str| Resolver::of(&Uri::from_static(uri)).fixed().map(|it| it.to_string());
        assert_eq!(fixed("http://127.0.0.1:7001"), Some("127.0.0.1:7001".to_owned()));
        assert_eq!(fixed("http://[::1]:7001"), Some("[::1]:7001".to_owned()));
        assert_eq!(fixed("https://127.0.0.1"), Some("127.0.0.1:443".to_owned()));
        assert_eq!(fixed("http://localhost:7001"), None);
    }
}
