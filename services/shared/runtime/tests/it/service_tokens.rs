//! Replacing the service token without a rejected call.

use bodega_proto::cart::v1::{
    GetSnapshotRequest, checkout_service_client::CheckoutServiceClient,
    checkout_service_server::CheckoutServiceServer,
};
use bodega_runtime::{
    auth::{ServiceToken, Verifier},
    server::{AuthLayer, Service},
    status,
    transport::Transport,
};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Status, service::Routes};

use crate::harness::{Identity, RecordingService, unreachable_database};

/// A process with a token, which serves and calls others; stopped when dropped.
struct Process {
    token: ServiceToken,
    url: String,
    _stop: DropGuard,
}

impl Process {
    async fn start(token: ServiceToken) -> Self {
        let auth =
            AuthLayer { service_token: token.clone(), verifier: Verifier::new(Identity::new().transport()) };
        let routes = Routes::new(CheckoutServiceServer::new(RecordingService::default()));
        let shutdown = CancellationToken::new();
        let service = Service::new("rotated", routes, unreachable_database(), shutdown.clone()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { service.serve(&auth, listener).await });
        Self { token, url, _stop: shutdown.drop_guard() }
    }

    async fn call(&self, other: &Self) -> Result<(), Status> {
        let transport = Transport::remote("rotated", other.url.parse().unwrap(), &self.token);
        CheckoutServiceClient::new(transport).get_snapshot(GetSnapshotRequest::default()).await.map(drop)
    }
}

fn token(character: &str) -> ServiceToken {
    format!("{character}, 7d0fKq2vXwLr5sTz8bYh3mNc6pGj9aEu").replace(' ', "").parse().unwrap()
}

#[tokio::test]
async fn a_rotation_in_three_steps_rejects_no_call() {
    let (old, new) = (token("o"), token("n"));
    let steps = [old.clone().or(Some(new.clone())), new.clone().or(Some(old.clone())), new.clone()];
    let mut processes = [Process::start(old.clone()).await, Process::start(old.clone()).await];
    for (step, token) in steps.into_iter().enumerate() {
        for replaced in 0..processes.len() {
            processes[replaced] = Process::start(token.clone()).await;
            let [one, other] = &processes;
            for (caller, called) in [(one, other), (other, one)] {
                let result = caller.call(called).await;
                assert!(result.is_ok(), "step {step}, process {replaced}: {result:?}");
            }
        }
    }
    let [one, _] = &processes;
    let outdated = Process::start(old).await;
    let rejected = outdated.call(one).await.unwrap_err();
    assert_eq!(status::reason(&rejected), "service_token_required", "the old token is no longer accepted");
    assert!(one.call(&outdated).await.is_err(), "a rotation in one step rejects calls");
}

#[tokio::test]
async fn the_secondary_token_is_never_sent() {
    let (primary, secondary) = (token("p"), token("s"));
    let caller = Process::start(primary.clone().or(Some(secondary.clone()))).await;
    assert!(caller.call(&Process::start(secondary).await).await.is_err());
    assert!(caller.call(&Process::start(primary).await).await.is_ok());
}
