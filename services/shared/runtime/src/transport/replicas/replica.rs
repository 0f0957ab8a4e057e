//! One replica: its channel, and the calls in flight.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_util::{io::InspectReader, sync::CancellationToken};
use tonic::{
    Code, Status,
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::ServiceExt as _;

use super::{
    Inner, Upstream,
    health::{Events, Health, now},
};
use crate::{
    timeouts,
    tls::TlsClient,
    transport::{
        connect::{Connection, connect},
        error::CallError,
    },
};

/// A message without fields, as gRPC frames it.
const EMPTY_MESSAGE: &[u8] = &[0; 5];

/// A process at one address, with a channel of its own.
pub(in crate::transport) struct Replica {
    address: SocketAddr,
    channel: Channel,
    health: Arc<Health>,
    /// Whether its silence is noticed. A single replica has no alternative.
    is_monitored: bool,
    in_flight: AtomicUsize,
    removed: CancellationToken,
}

impl Replica {
    /// Connects at the first call.
    pub(super) fn new(
        address: SocketAddr,
        upstream: &Upstream,
        is_monitored: bool,
        events: &Arc<Events>,
    ) -> Self {
        let health = Arc::new(Health::new(events.clone()));
        let interval = if is_monitored { timeouts::REPLICA_KEEPALIVE } else { timeouts::KEEPALIVE };
        let (connector_health, tls) = (health.clone(), upstream.tls.clone());
        let connector =
            move |_| connect_monitored(address, tls.clone(), connector_health.clone(), is_monitored);
        // A host that has failed closes no connection. Without the pings, every call would wait for its deadline.
        let channel = endpoint(address)
            .origin(upstream.origin.clone())
            .http2_keep_alive_interval(interval)
            .keep_alive_timeout(timeouts::KEEPALIVE)
            .keep_alive_while_idle(true)
            .connect_with_connector_lazy(tower::service_fn(connector));
        let (in_flight, removed) = (AtomicUsize::new(0), CancellationToken::new());
        Self { address, channel, health, is_monitored, in_flight, removed }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(in crate::transport) fn is_monitored(&self) -> bool {
        self.is_monitored
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// Fires when the replica gets no new calls, because its address is gone.
    pub(in crate::transport) fn removal(&self) -> CancellationToken {
        self.removed.clone()
    }

    /// Whether it can serve calls, as far as is known.
    pub(super) fn is_responsive(&self, now: u64) -> bool {
        if self.is_monitored { self.health.is_responsive(now) } else { self.health.has_not_failed() }
    }

    /// The same, and it has not failed a call just now.
    pub(super) fn is_available(&self, now: u64) -> bool {
        self.is_responsive(now) && !self.health.is_penalized(now)
    }

    /// Waits until nothing has arrived from it for too long.
    pub(in crate::transport) async fn silent(&self) {
        self.health.silent().await;
    }

    /// Leaves the replica out for a moment after a failed call.
    pub(in crate::transport) fn penalize(&self) {
        self.health.penalize();
    }

    /// Counts a call until the returned value is dropped.
    pub(in crate::transport) fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(self.clone())
    }

    pub(in crate::transport) async fn send(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Body>, CallError> {
        let response =
            self.channel.clone().oneshot(request).await.map_err(|error| CallError::from_error(&error))?;
        // tonic's server also ends a call at its deadline, and reports that as CANCELLED. Services never return it.
        match response.headers().get(Status::GRPC_STATUS) {
            Some(code) if Code::from_bytes(code.as_bytes()) == Code::Cancelled => {
                Err(CallError::DeadlineExceeded)
            }
            _ => Ok(response),
        }
    }

    /// Checks a replica that is down, in the background, unless it has just been checked.
    pub(super) fn check_if_due(self: &Arc<Self>, now: u64, set: &Arc<Inner>) {
        if self.health.claim_check(now) {
            let (replica, set) = (self.clone(), set.clone());
            tokio::spawn(async move {
                let outcome = timeout(timeouts::REPLICA_CHECK, replica.send(health_check())).await;
                let is_up = matches!(outcome, Ok(Ok(_)));
                replica.health.checked(is_up);
                set.checked(replica.address, is_up);
            });
        }
    }
}

/// A call in flight.
pub(in crate::transport) struct InFlight(Arc<Replica>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// The connector adds TLS: the scheme is that of a connection without it.
fn endpoint(address: SocketAddr) -> Endpoint {
    let uri = Uri::builder().scheme("http").authority(address.to_string()).path_and_query("/").build();
    Endpoint::from(uri.unwrap_or_default())
}

type Monitored<F> = TokioIo<InspectReader<Connection, F>>;

async fn connect_monitored(
    address: SocketAddr,
    tls: Option<TlsClient>,
    health: Arc<Health>,
    is_monitored: bool,
) -> Result<Monitored<impl FnMut(&[u8]) + Send + Unpin + 'static>, Box<dyn std::error::Error + Send + Sync>> {
    let started = now();
    // Calls wait for a connection one after the other: those behind a failed one must not wait as long again.
    if is_monitored && !health.may_connect(started) {
        return Err("the last connection has just failed".into());
    }
    match connect(address, tls.as_ref()).await {
        Ok(connection) => {
            let connected = health.connected(started);
            Ok(TokioIo::new(InspectReader::new(connection, move |_: &[u8]| connected.received())))
        }
        Err(error) => {
            health.failed();
            Err(error)
        }
    }
}

/// Any response shows that the process is running; whether its database responds is not asked.
fn health_check() -> Request<Body> {
    let mut request = Request::new(Body::new(Full::new(Bytes::from_static(EMPTY_MESSAGE))));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = Uri::from_static("/grpc.health.v1.Health/Check");
    let headers = request.headers_mut();
    headers.insert("te", http::HeaderValue::from_static("trailers"));
    headers.insert("content-type", http::HeaderValue::from_static("application/grpc"));
    request
}
