//! Who may call at all.

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

use crate::shop::Shop;

#[tokio::test]
async fn without_the_stores_own_token_nothing_is_answered() {
    let shop = Shop::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri: tonic::transport::Uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    // Identity is not there: it is not asked before the service token has been found good.
    let verifier = Verifier::new(Transport::unauthenticated(Routes::default()));
    let guard = AuthLayer { service_token: ServiceToken::random(), verifier };
    let replica = shop.replica().await;
    let known = Transport::remote("order", uri.clone(), &guard.service_token);
    tokio::spawn(async move { replica.service.serve(&guard, listener).await });

    let stranger = Transport::remote("order", uri, &ServiceToken::random());
    let request = PlaceOrderRequest::default();
    let status = OrderServiceClient::new(stranger).place_order(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "service_token_required"));

    let request = ListOrdersRequest::default();
    let status = OrderServiceClient::new(known).list_orders(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "unauthenticated"));
}
