//! Calls to the replicas of a service: their shares, and what happens when one of them fails.

mod balancing;
mod failures;
mod streams;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bodega_proto::cart::v1::{
    AddItemRequest, GetSnapshotRequest, cart_service_client::CartServiceClient,
    checkout_service_client::CheckoutServiceClient,
};
use bodega_runtime::{
    auth::ServiceToken,
    transport::{Resolver, Transport},
};
use tokio::time::{Instant, sleep};
use tonic::Status;

use crate::scripted_upstream::{Action, ScriptedUpstream, with_deadline_in};

/// Interval of the lookups.
const LOOKUP_INTERVAL: Duration = Duration::from_millis(100);

/// The addresses that the name of a service resolves to.
#[derive(Clone, Default)]
struct Name {
    /// `None` fails the lookup.
    addresses: Arc<Mutex<Option<Vec<SocketAddr>>>>,
    lookups: Arc<AtomicUsize>,
}

impl Name {
    fn of<'a>(upstreams: impl IntoIterator<Item = &'a ScriptedUpstream>) -> Self {
        let name = Self::default();
        name.set(upstreams);
        name
    }

    fn set<'a>(&self, upstreams: impl IntoIterator<Item = &'a ScriptedUpstream>) {
        *self.addresses.lock().unwrap() = Some(upstreams.into_iter().map(|it| it.address).collect());
    }

    fn lookups(&self) -> usize {
        self.lookups.load(Ordering::Relaxed)
    }

    fn transport(&self) -> Transport {
        self.transport_with(LOOKUP_INTERVAL)
    }

    fn transport_with(&self, interval: Duration) -> Transport {
        let name = self.clone();
        let resolver = Resolver::new(move || {
            name.lookups.fetch_add(1, Ordering::Relaxed);
            let addresses = name.addresses.lock().unwrap().clone();
            async move { addresses.ok_or_else(|| io::Error::other("no name server")) }
        });
        let uri = "http://replicated".parse().unwrap();
        Transport::remote_with("replicated", uri, &ServiceToken::random(), resolver, interval)
    }
}

async fn start<const N: usize>(action: Action) -> [ScriptedUpstream; N] {
    let mut upstreams = Vec::new();
    for _ in 0..N {
        upstreams.push(ScriptedUpstream::start([action]).await);
    }
    upstreams.try_into().unwrap_or_else(|_| unreachable!("N were pushed"))
}

/// A call without side effects, with the deadline of calls that services make in order to serve another one.
async fn read(transport: Transport) -> Result<(), Status> {
    let mut client = CheckoutServiceClient::new(transport);
    let call = async move { client.get_snapshot(GetSnapshotRequest::default()).await.map(drop) };
    with_deadline_in(bodega_runtime::timeouts::UPSTREAM_CALL).scope(call).await
}

/// A call that is not idempotent.
async fn add(transport: Transport) -> Result<(), Status> {
    let mut client = CartServiceClient::new(transport);
    let call = async move { client.add_item(AddItemRequest::default()).await.map(drop) };
    with_deadline_in(bodega_runtime::timeouts::UPSTREAM_CALL).scope(call).await
}

/// Waits until the condition holds.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Calls until each of these upstreams has been called.
async fn warm_up<'a>(transport: &Transport, upstreams: impl IntoIterator<Item = &'a ScriptedUpstream>) {
    for upstream in upstreams {
        let (calls, deadline) = (upstream.calls(), Instant::now() + Duration::from_secs(30));
        while upstream.calls() == calls {
            read(transport.clone()).await.unwrap();
            assert!(Instant::now() < deadline, "{} gets no calls", upstream.address);
        }
    }
}

/// Asserts that each upstream has served an equal share of the calls, within 20 %.
#[track_caller]
fn assert_equal_shares(calls: &[usize]) {
    let mean = calls.iter().sum::<usize>() / calls.len();
    let accepted = mean - mean / 5..=mean + mean / 5;
    assert!(calls.iter().all(|calls| accepted.contains(calls)), "{calls:?}");
}
