//! Authentication of other services, over a socket.

use bodega_proto::cart::v1::{
    GetCartRequest, GetSnapshotRequest, cart_service_client::CartServiceClient,
    checkout_service_client::CheckoutServiceClient,
};
use bodega_runtime::{
    auth::{ServiceToken, Verifier},
    rate_limit::RateLimits,
    server::AuthLayer,
    transport::Transport,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Code, service::Routes};

use crate::{
    fake_catalog::FakeCatalog,
    test_app::{catalog_at, database, rejection},
};

#[tokio::test]
async fn requires_the_service_token() {
    let (_database, db) = database().await;
    let shutdown = CancellationToken::new();
    let service = bodega_cart::start(
        db,
        catalog_at(&FakeCatalog::new()),
        crate::test_app::CACHE_BYTES,
        RateLimits::On,
        shutdown.clone(),
    )
    .await
    .unwrap();
    let service_token = ServiceToken::random();
    // No access tokens are used, so the keys are never fetched.
    let verifier = Verifier::new(Transport::unauthenticated(Routes::default()));
    let auth = AuthLayer { service_token: service_token.clone(), verifier };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { service.serve(&auth, listener).await });

    let other = Transport::remote("cart", uri.parse().unwrap(), &ServiceToken::random());
    let required = (Code::Unauthenticated, "service_token_required".to_owned());
    let result = CartServiceClient::new(other.clone()).get_cart(GetCartRequest::default()).await;
    assert_eq!(rejection(result), required);
    let snapshot = GetSnapshotRequest { user_id: uuid::Uuid::nil().to_string() };
    let result = CheckoutServiceClient::new(other).get_snapshot(snapshot.clone()).await;
    assert_eq!(rejection(result), required);

    let order = Transport::remote("cart", uri.parse().unwrap(), &service_token);
    CartServiceClient::new(order.clone()).get_cart(GetCartRequest::default()).await.unwrap();
    CheckoutServiceClient::new(order).get_snapshot(snapshot).await.unwrap();

    shutdown.cancel();
    serving.await.unwrap().unwrap();
}
