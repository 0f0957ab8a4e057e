//! Authentication of calls by service token and access token.

use std::time::Duration;

use bodega_proto::cart::v1::{
    GetSnapshotRequest, checkout_service_client::CheckoutServiceClient,
    checkout_service_server::CheckoutServiceServer,
};
use bodega_runtime::{
    auth::{Caller, Role, ServiceToken},
    client_address::CLIENT_ADDRESS,
    context::CallContext,
    server::Service,
    status,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, service::Routes};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use uuid::Uuid;

use crate::harness::{Harness, unreachable_database};

#[tokio::test]
async fn rejects_a_call_without_the_service_token() {
    let harness = Harness::start().await;
    let mut client = CheckoutServiceClient::new(harness.transport(&ServiceToken::random()));
    let status = client.get_snapshot(GetSnapshotRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(status::reason(&status), "service_token_required");

    harness.call(CallContext::default(), "").await.unwrap();
    assert_eq!(harness.front.last().caller, None, "a service token names no user");
}

/// A stream whose response ends before its request is reset, and many clients then report no status.
#[tokio::test]
async fn reads_a_rejected_call_before_it_responds() {
    let harness = Harness::start().await;
    let stream = TcpStream::connect(harness.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let path = format!("http://{}/bodega.cart.v1.CheckoutService/GetSnapshot", harness.address);
    let request = http::Request::post(path).header("content-type", "application/grpc").body(()).unwrap();
    let (mut response, mut body) = client.send_request(request, false).unwrap();
    body.send_data(vec![0; 3].into(), false).unwrap();
    let early = timeout(Duration::from_millis(200), &mut response).await;
    assert!(early.is_err(), "responds before the request has ended: {early:?}");
    body.send_data(vec![0; 2].into(), true).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "16");
}

#[tokio::test]
async fn health_checks_need_no_token() {
    let harness = Harness::start().await;
    let mut client = HealthClient::new(harness.transport(&ServiceToken::random()));
    let response = client.check(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_ne!(response.status, 1, "without its database the service is not healthy");
}

#[tokio::test]
async fn reflection_lists_the_services_without_a_token() {
    let harness = Harness::start().await;
    let mut client = ServerReflectionClient::new(harness.transport(&ServiceToken::random()));
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut responses =
        client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    let response = responses.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(services)) = response else { panic!("{response:?}") };
    let names: Vec<_> = services.service.into_iter().map(|service| service.name).collect();
    for name in ["bodega.cart.v1.CheckoutService", "grpc.health.v1.Health"] {
        assert!(names.iter().any(|known| known == name), "{name} is not among {names:?}");
    }
}

#[tokio::test]
async fn ignores_a_forged_caller() {
    let harness = Harness::start().await;
    let forged = Caller::new(Uuid::now_v7(), Uuid::now_v7(), Role::Admin);
    let routes = Routes::new(CheckoutServiceServer::new(harness.back.clone()));
    let service = Service::new("back", routes, unreachable_database(), CancellationToken::new()).await;
    let mut request = Request::new(GetSnapshotRequest::default());
    request.extensions_mut().insert(forged);
    CheckoutServiceClient::new(service.transport(&harness.auth)).get_snapshot(request).await.unwrap();
    assert_eq!(harness.back.last().caller, None);
}

#[tokio::test]
async fn passes_the_caller_on_from_service_to_service() {
    let harness = Harness::start().await;
    let user = Uuid::now_v7();
    let token = harness.identity.token(|claims| claims.sub = user);
    let mut context = CallContext::default().with_bearer(&token);
    context.request_id = Some("request-7".parse().unwrap());
    context.client_address = Some("203.0.113.7".parse().unwrap());
    harness.call(context, "").await.unwrap();
    for call in [harness.front.last(), harness.back.last()] {
        assert_eq!(call.caller.unwrap().user_id, user);
        assert_eq!(call.context.request_id.unwrap(), "request-7");
        assert_eq!(call.context.client_address.unwrap().to_string(), "203.0.113.7");
    }
}

#[tokio::test]
async fn a_call_without_a_context_forwards_no_client_address() {
    let harness = Harness::start().await;
    let mut client = CheckoutServiceClient::new(harness.transport(&harness.auth.service_token));
    let mut request = Request::new(GetSnapshotRequest::default());
    request.metadata_mut().insert(CLIENT_ADDRESS, "203.0.113.7".parse().unwrap());
    client.get_snapshot(request).await.unwrap();
    assert_eq!(harness.front.last().context.client_address, None, "the transport sets it, and nothing else");
}

#[tokio::test]
async fn a_panic_fails_only_its_own_call() {
    let harness = Harness::start().await;
    let error = harness.call(CallContext::default(), "panic").await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Internal, "internal error"));
    harness.call(CallContext::default(), "").await.unwrap();
}
