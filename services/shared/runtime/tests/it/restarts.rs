//! A neighbour that goes away amid a load, and comes back: what its callers see of it.

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
    neighbour::{Act, EMPTY_MESSAGE, Neighbour, nobody, ok, to, within},
    world::{Identity, no_database},
};

/// How many call at once.
const CALLERS: usize = 8;

/// The service that goes and comes. It answers every call, in a while.
#[derive(Clone)]
struct Restarted {
    address: SocketAddr,
    guard: AuthLayer,
    served: Arc<AtomicUsize>,
}

impl Restarted {
    async fn new() -> Self {
        let verifier = Verifier::new(Identity::new().transport());
        let guard = AuthLayer { service_token: ServiceToken::random(), verifier };
        Self { address: nobody().await, guard, served: Arc::default() }
    }

    fn transport(&self) -> Transport {
        Transport::remote(format!("http://{}", self.address).parse().unwrap(), &self.guard.service_token)
    }

    /// Serves until the shutdown, and lets what is open finish.
    async fn serve(&self, shutdown: CancellationToken) {
        let served = self.served.clone();
        let answer = async move || {
            sleep(Duration::from_millis(5)).await;
            served.fetch_add(1, Ordering::Relaxed);
            let body = Full::from(EMPTY_MESSAGE).with_trailers(async { Some(Ok(ok())) });
            ([("content-type", "application/grpc")], axum::body::Body::new(body))
        };
        let routes = Routes::from(Router::new().fallback(answer));
        let service = Service::new("restarted", routes, no_database(), shutdown).await;
        service.serve(&self.guard, TcpListener::bind(self.address).await.unwrap()).await.unwrap();
    }

    /// Serves in a process of its own, as far as its callers can tell, until that is killed.
    fn run(&self) -> tokio::runtime::Runtime {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let service = self.clone();
        runtime.spawn(async move { service.serve(CancellationToken::new()).await });
        runtime
    }
}

/// Calls one time after the other until told to stop: how often it was answered.
async fn load<F: Future<Output = Result<(), Status>>>(
    call: impl Fn() -> F,
    stop: &CancellationToken,
) -> Result<usize, Status> {
    let mut answered = 0;
    while !stop.is_cancelled() {
        within(Duration::from_secs(10)).scope(call()).await?;
        answered += 1;
    }
    Ok(answered)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_is_killed_and_comes_back_loses_no_call_that_only_looks() {
    let neighbour = Restarted::new().await;
    let transport = neighbour.transport();
    let look = || {
        let mut client = CheckoutServiceClient::new(transport.clone());
        async move { client.get_snapshot(GetSnapshotRequest::default()).await.map(drop) }
    };
    let stop = CancellationToken::new();
    let restarts = async {
        for _ in 0..3 {
            let process = neighbour.run();
            sleep(Duration::from_millis(300)).await;
            process.shutdown_background();
            sleep(Duration::from_millis(150)).await;
        }
        let process = neighbour.run();
        sleep(Duration::from_millis(300)).await;
        stop.cancel();
        process
    };
    let (answers, process) = tokio::join!(join_all((0..CALLERS).map(|_| load(look, &stop))), restarts);
    process.shutdown_background();
    let answered: usize = answers.into_iter().map(Result::unwrap).sum();
    assert!(answered > 25 * CALLERS, "{answered}");
}

/// Not even one that must not be repeated; and none is served twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_shuts_down_and_comes_back_loses_no_call() {
    let neighbour = Restarted::new().await;
    let transport = neighbour.transport();
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
            tokio::join!(neighbour.serve(shutdown.clone()), later);
        }
        let shutdown = CancellationToken::new();
        let later = async {
            sleep(Duration::from_millis(150)).await;
            stop.cancel();
            // The callers' last calls.
            sleep(Duration::from_millis(150)).await;
            shutdown.cancel();
        };
        tokio::join!(neighbour.serve(shutdown.clone()), later);
    };
    let (answers, ()) = tokio::join!(join_all((0..CALLERS).map(|_| load(add, &stop))), restarts);
    let answered: usize = answers.into_iter().map(Result::unwrap).sum();
    assert!(answered > 50 * CALLERS, "{answered}");
    assert_eq!(answered, neighbour.served.load(Ordering::Relaxed));
}

/// Else whoever connects would wait in vain for that, each time.
#[tokio::test]
async fn a_service_of_ours_speaks_first() {
    let neighbour = Restarted::new().await;
    let shutdown = CancellationToken::new();
    let heard = async {
        let connection = loop {
            match TcpStream::connect(neighbour.address).await {
                Ok(connection) => break connection,
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        };
        let heard = timeout(Duration::from_secs(10), connection.peek(&mut [0])).await;
        shutdown.cancel();
        heard
    };
    let (heard, ()) = tokio::join!(heard, neighbour.serve(shutdown.clone()));
    assert_eq!(heard.unwrap().unwrap(), 1);
}

/// A frozen process: its system goes on to take connections.
#[tokio::test]
async fn a_neighbour_that_never_speaks_costs_no_more_than_the_deadline() {
    let frozen = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = CheckoutServiceClient::new(to(frozen.local_addr().unwrap()));
    let started = std::time::Instant::now();
    let call = client.get_snapshot(GetSnapshotRequest::default());
    within(Duration::from_millis(600)).scope(call).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// Nothing comes through any more, and nothing says so.
#[tokio::test]
async fn a_connection_that_has_died_is_given_up_for_a_new_one() {
    let neighbour = Neighbour::start([Act::Answer]).await;
    let gate = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = CheckoutServiceClient::new(to(gate.local_addr().unwrap()));
    let (address, dead) = (neighbour.address, CancellationToken::new());
    let first = dead.clone();
    tokio::spawn(async move {
        pass(gate.accept().await.unwrap().0, address, first).await;
        let (second, _) = gate.accept().await.unwrap();
        pass(second, address, CancellationToken::new()).await;
    });
    let mut look = async |time| within(time).scope(client.get_snapshot(GetSnapshotRequest::default())).await;
    look(Duration::from_secs(10)).await.unwrap();

    dead.cancel();
    look(Duration::from_millis(200)).await.unwrap_err();
    // Waits for the dead connection until that is noticed, and is repeated then.
    look(Duration::from_secs(20)).await.unwrap();
}

/// Passes on what comes, until the connection is dead; and holds it even then.
async fn pass(mut from: TcpStream, to: SocketAddr, dead: CancellationToken) {
    tokio::spawn(async move {
        let mut to = TcpStream::connect(to).await.unwrap();
        let passing = tokio::io::copy_bidirectional(&mut from, &mut to);
        if dead.run_until_cancelled(passing).await.is_none() {
            std::future::pending().await
        }
    });
}
