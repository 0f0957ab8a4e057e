//! Who may call.

use bodega_proto::cart::v1::{
    GetSnapshotRequest, checkout_service_client::CheckoutServiceClient,
    checkout_service_server::CheckoutServiceServer,
};
use bodega_runtime::{
    auth::{Caller, Role, ServiceToken},
    context::CallContext,
    server::Service,
    status,
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, service::Routes};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use uuid::Uuid;

use crate::world::{World, no_database};

#[tokio::test]
async fn only_the_stores_own_processes_may_call() {
    let world = World::start().await;
    let mut stranger = CheckoutServiceClient::new(world.transport(&ServiceToken::random()));
    let refusal = stranger.get_snapshot(GetSnapshotRequest::default()).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unauthenticated);
    assert_eq!(status::reason(&refusal), "service_token_required");

    world.call(CallContext::default(), "").await.unwrap();
    assert_eq!(world.front.last().caller, None, "a process acts in nobody's name");
}

#[tokio::test]
async fn a_probe_needs_no_token() {
    let world = World::start().await;
    let mut probe = HealthClient::new(world.transport(&ServiceToken::random()));
    let answer = probe.check(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_ne!(answer.status, 1, "there is no database, so it does not serve");
}

#[tokio::test]
async fn a_tool_learns_the_contract_by_reflection() {
    let world = World::start().await;
    let mut tool = ServerReflectionClient::new(world.transport(&ServiceToken::random()));
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = tool.server_reflection_info(tokio_stream::once(question)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(services)) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = services.service.into_iter().map(|service| service.name).collect();
    for name in ["bodega.cart.v1.CheckoutService", "grpc.health.v1.Health"] {
        assert!(names.iter().any(|known| known == name), "{name} is not among {names:?}");
    }
}

#[tokio::test]
async fn nobody_can_say_who_they_are_but_by_token() {
    let world = World::start().await;
    let forged = Caller { user_id: Uuid::now_v7(), session_id: Uuid::now_v7(), role: Role::Admin };
    let routes = Routes::new(CheckoutServiceServer::new(world.back.clone()));
    let service = Service::new("back", routes, no_database(), CancellationToken::new()).await;
    let mut request = Request::new(GetSnapshotRequest::default());
    request.extensions_mut().insert(forged);
    CheckoutServiceClient::new(service.transport(&world.guard)).get_snapshot(request).await.unwrap();
    assert_eq!(world.back.last().caller, None);
}

#[tokio::test]
async fn the_caller_goes_with_the_call_from_service_to_service() {
    let world = World::start().await;
    let user = Uuid::now_v7();
    let token = world.identity.token(|claims| claims.sub = user);
    let mut context = CallContext::default().with_bearer(&token);
    context.request_id = Some("request-7".parse().unwrap());
    world.call(context, "").await.unwrap();
    for seen in [world.front.last(), world.back.last()] {
        assert_eq!(seen.caller.unwrap().user_id, user);
        assert_eq!(seen.context.request_id.unwrap(), "request-7");
    }
}

#[tokio::test]
async fn a_panic_ends_the_call_and_nothing_else() {
    let world = World::start().await;
    let failure = world.call(CallContext::default(), "panic").await.unwrap_err();
    assert_eq!((failure.code(), failure.message()), (Code::Internal, "internal error"));
    world.call(CallContext::default(), "").await.unwrap();
}
