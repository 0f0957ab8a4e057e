//! The service as others reach it: through a socket, past the guard.

use bodega_proto::cart::v1::{
    GetCartRequest, GetSnapshotRequest, cart_service_client::CartServiceClient,
    checkout_service_client::CheckoutServiceClient,
};
use bodega_runtime::{
    auth::{ServiceToken, Verifier},
    server::AuthLayer,
    transport::Transport,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Code, service::Routes};

use crate::{
    catalog::FakeCatalog,
    shop::{catalog_at, database, refusal},
};

#[tokio::test]
async fn only_the_stores_own_processes_are_served() {
    let (_database, db) = database().await;
    let shutdown = CancellationToken::new();
    let service = bodega_cart::start(db, catalog_at(&FakeCatalog::new()), shutdown.clone()).await.unwrap();
    let ours = ServiceToken::random();
    // Nobody signs in here, so nobody is asked for keys.
    let verifier = Verifier::new(Transport::unauthenticated(Routes::default()));
    let guard = AuthLayer { service_token: ours.clone(), verifier };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { service.serve(&guard, listener).await });

    let stranger = Transport::remote("cart", uri.parse().unwrap(), &ServiceToken::random());
    let required = (Code::Unauthenticated, "service_token_required".to_owned());
    let outcome = CartServiceClient::new(stranger.clone()).get_cart(GetCartRequest::default()).await;
    assert_eq!(refusal(outcome), required);
    let snapshot = GetSnapshotRequest { user_id: uuid::Uuid::nil().to_string() };
    let outcome = CheckoutServiceClient::new(stranger).get_snapshot(snapshot.clone()).await;
    assert_eq!(refusal(outcome), required);

    let neighbour = Transport::remote("cart", uri.parse().unwrap(), &ours);
    CartServiceClient::new(neighbour.clone()).get_cart(GetCartRequest::default()).await.unwrap();
    CheckoutServiceClient::new(neighbour).get_snapshot(snapshot).await.unwrap();

    shutdown.cancel();
    serving.await.unwrap().unwrap();
}
