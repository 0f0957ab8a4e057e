//! Authentication of callers.

use bodega_proto::order::v1::{
    ListOrdersRequest, PlaceOrderRequest, order_service_client::OrderServiceClient,
};
use bodega_runtime::{
    auth::{ServiceToken, Verifier},
    server::AuthLayer,
    status::reason,
    transport::Transport,
};
use tokio::net::TcpListener;
use tonic::{Code, service::Routes};

use crate::test_app::TestApp;

#[tokio::test]
async fn requires_the_service_token_and_an_access_token() {
    let app = TestApp::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri: tonic::transport::Uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    // There is no identity service: it would be called only to verify an access token.
    let verifier = Verifier::new(Transport::unauthenticated(Routes::default()));
    let auth = AuthLayer { service_token: ServiceToken::random(), verifier };
    let replica = app.replica().await;
    let known = Transport::remote("order", uri.clone(), &auth.service_token);
    tokio::spawn(async move { replica.service.serve(&auth, listener).await });

    let unknown = Transport::remote("order", uri, &ServiceToken::random());
    let request = PlaceOrderRequest::default();
    let status = OrderServiceClient::new(unknown).place_order(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "service_token_required"));

    let request = ListOrdersRequest::default();
    let status = OrderServiceClient::new(known).list_orders(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "unauthenticated"));
}
