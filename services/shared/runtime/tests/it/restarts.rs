//! An upstream that restarts under load, and connections that die.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::Router;
use bodega_proto::cart::v1::{
    AddItemRequest, GetSnapshotRequest, cart_service_client::CartServiceClient,
    checkout_service_client::CheckoutServiceClient,
};
use bodega_runtime::{
    auth::{ServiceToken, Verifier},
    server::{AuthLayer, Service},
    transport::Transport,
};
use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Full};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{Status, service::Routes};

use crate::{
    harness::{Identity, unreachable_database},
    scripted_upstream::{
        Action, EMPTY_MESSAGE, ScriptedUpstream, ok_trailers, transport_to, unused_address, with_deadline_in,
    },
};

/// Concurrent callers.
const CALLERS: usize = 8;

/// A service that can be restarted. It responds to every call after a few milliseconds.
#[derive(Clone)]
struct RestartableService {
    address: SocketAddr,
    auth: AuthLayer,
    served: Arc<AtomicUsize>,
}

impl RestartableService {
    async fn new() -> Self {
        let verifier = Verifier::new(Identity::new().transport());
        let auth = AuthLayer { service_token: ServiceToken::random(), verifier };
        Self { address: unused_address().await, auth, served: Arc::default() }
    }

    fn transport(&self) -> Transport {
        Transport::remote(
            "restarted",
            format!("http://{}", self.address).parse().unwrap(),
            &self.auth.service_token,
        )
    }

    /// Serves until the shutdown, and finishes open calls.
    async fn serve(&self, shutdown: CancellationToken) {
        let served = self.served.clone();
        let handler = async move || {
            sleep(Duration::from_millis(5)).await;
            served.fetch_add(1, Ordering::Relaxed);
            let body = Full::from(EMPTY_MESSAGE).with_trailers(async { Some(Ok(ok_trailers())) });
            ([("content-type", "application/grpc")], axum::body::Body::new(body))
        };
        let routes = Routes::from(Router::new().fallback(handler));
        let service = Service::new("restarted", routes, unreachable_database(), shutdown).await;
        service.serve(&self.auth, TcpListener::bind(self.address).await.unwrap()).await.unwrap();
    }

    /// Serves in a tokio runtime of its own: dropping it is like killing a process.
    fn run(&self) -> tokio::runtime::Runtime {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let service = self.clone();
        runtime.spawn(async move { service.serve(CancellationToken::new()).await });
        runtime
    }
}

/// Calls repeatedly until `stop`. Returns the number of responses.
async fn load<F: Future<Output = Result<(), Status>>>(
    call: impl Fn() -> F,
    stop: &CancellationToken,
) -> Result<usize, Status> {
    let mut responses = 0;
    while !stop.is_cancelled() {
        with_deadline_in(Duration::from_secs(10)).scope(call()).await?;
        responses += 1;
    }
    Ok(responses)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_survive_kills_of_the_upstream() {
    let upstream = RestartableService::new().await;
    let transport = upstream.transport();
    let read = || {
        let mut client = CheckoutServiceClient::new(transport.clone());
        async move { client.get_snapshot(GetSnapshotRequest::default()).await.map(drop) }
    };
    let stop = CancellationToken::new();
    let restarts = async {
        for _ in 0..3 {
            let process = upstream.run();
            sleep(Duration::from_millis(300)).await;
            process.shutdown_background();
            sleep(Duration::from_millis(150)).await;
        }
        let process = upstream.run();
        sleep(Duration::from_millis(300)).await;
        stop.cancel();
        process
    };
    let (results, process) = tokio::join!(join_all((0..CALLERS).map(|_| load(read, &stop))), restarts);
    process.shutdown_background();
    let responses: usize = results.into_iter().map(Result::unwrap).sum();
    assert!(responses > 25 * CALLERS, "{responses}");
}

/// Also calls that must not be retried. No call is served twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_calls_survive_graceful_restarts_of_the_upstream() {
    let upstream = RestartableService::new().await;
    let transport = upstream.transport();
    let add = || {
        let mut client = CartServiceClient::new(transport.clone());
        async move { client.add_item(AddItemRequest::default()).await.map(drop) }
    };
    let stop = CancellationToken::new();
    let restarts = async {
        for _ in 0..10 {
            let shutdown = CancellationToken::new();
            let later = async {
                sleep(Duration::from_millis(150)).await;
                shutdown.cancel();
            };
            tokio::join!(upstream.serve(shutdown.clone()), later);
        }
        let shutdown = CancellationToken::new();
        let later = async {
            sleep(Duration::from_millis(150)).await;
            stop.cancel();
            // Time for the last calls.
            sleep(Duration::from_millis(150)).await;
            shutdown.cancel();
        };
        tokio::join!(upstream.serve(shutdown.clone()), later);
    };
    let (results, ()) = tokio::join!(join_all((0..CALLERS).map(|_| load(add, &stop))), restarts);
    let responses: usize = results.into_iter().map(Result::unwrap).sum();
    assert!(responses > 50 * CALLERS, "{responses}");
    assert_eq!(responses, upstream.served.load(Ordering::Relaxed));
}

/// Clients wait for the settings at each connection.
#[tokio::test]
async fn the_server_sends_its_settings_first() {
    let upstream = RestartableService::new().await;
    let shutdown = CancellationToken::new();
    let peeked = async {
        let started = std::time::Instant::now();
        let connection = loop {
            assert!(started.elapsed() < Duration::from_secs(30), "no connection");
            match TcpStream::connect(upstream.address).await {
                Ok(connection) => break connection,
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        };
        let peeked = timeout(Duration::from_secs(10), connection.peek(&mut [0])).await;
        shutdown.cancel();
        peeked
    };
    let (peeked, ()) = tokio::join!(peeked, upstream.serve(shutdown.clone()));
    assert_eq!(peeked.unwrap().unwrap(), 1);
}

/// A frozen process is such a server: its kernel still accepts connections.
#[tokio::test]
async fn a_server_that_never_sends_its_settings_delays_a_call_to_its_deadline_at_most() {
    let frozen = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = CheckoutServiceClient::new(transport_to(frozen.local_addr().unwrap()));
    let started = std::time::Instant::now();
    let call = client.get_snapshot(GetSnapshotRequest::default());
    with_deadline_in(Duration::from_millis(600)).scope(call).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// Simulates a failed host: nothing arrives, and no connection is closed.
#[tokio::test]
async fn replaces_a_dead_connection() {
    let upstream = ScriptedUpstream::start([Action::Respond]).await;
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = CheckoutServiceClient::new(transport_to(proxy.local_addr().unwrap()));
    let (address, dead) = (upstream.address, CancellationToken::new());
    let first = dead.clone();
    tokio::spawn(async move {
        forward(proxy.accept().await.unwrap().0, address, first).await;
        let (second, _) = proxy.accept().await.unwrap();
        forward(second, address, CancellationToken::new()).await;
    });
    let mut read =
        async |time| with_deadline_in(time).scope(client.get_snapshot(GetSnapshotRequest::default())).await;
    read(Duration::from_secs(10)).await.unwrap();

    dead.cancel();
    read(Duration::from_millis(200)).await.unwrap_err();
    // Waits until the keepalive notices the dead connection, and is retried then.
    read(Duration::from_secs(20)).await.unwrap();
}

/// Forwards the connection until it is dead, and keeps it open even then.
async fn forward(mut from: TcpStream, to: SocketAddr, dead: CancellationToken) {
    tokio::spawn(async move {
        let mut to = TcpStream::connect(to).await.unwrap();
        let forwarding = tokio::io::copy_bidirectional(&mut from, &mut to);
        if dead.run_until_cancelled(forwarding).await.is_none() {
            std::future::pending().await
        }
    });
}
