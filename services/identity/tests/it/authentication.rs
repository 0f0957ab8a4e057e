//! Authentication of processes and users over a socket.

use bodega_proto::identity::v1::{
    GetJwksRequest, GetProfileRequest, LogoutRequest, identity_service_client::IdentityServiceClient,
    token_service_client::TokenServiceClient,
};
use bodega_runtime::{auth::ServiceToken, context::CallContext, server::AuthLayer, transport::Transport};
use tokio::net::TcpListener;
use tonic::Code;

use crate::test_app::{TestApp, rejection, session_ended};

#[tokio::test]
async fn requires_the_service_token_and_a_valid_access_token() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri: http::Uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let service_token = ServiceToken::random();
    let auth = AuthLayer { service_token: service_token.clone(), verifier: app.verifier.clone() };
    let serving = tokio::spawn(async move { app.service.serve(&auth, listener).await });

    let foreign = Transport::remote("identity", uri.clone(), &ServiceToken::random());
    let response = TokenServiceClient::new(foreign).get_jwks(GetJwksRequest {}).await;
    assert_eq!(rejection(response), (Code::Unauthenticated, "service_token_required".into()));

    let gateway = Transport::remote("identity", uri, &service_token);
    let keys = TokenServiceClient::new(gateway.clone()).get_jwks(GetJwksRequest {}).await.unwrap();
    assert_eq!(keys.into_inner().keys.len(), 1);

    let client = IdentityServiceClient::new(gateway);
    let profile = async |token: &str| {
        let mut client = client.clone();
        let context = CallContext::default().with_bearer(token);
        context.scope(async { client.get_profile(GetProfileRequest {}).await }).await
    };
    let ada = profile(&session.access_token).await.unwrap().into_inner().user.unwrap();
    assert_eq!(ada.name, "ada");
    let tampered = format!("{}A", session.access_token);
    assert_eq!(rejection(profile(&tampered).await), (Code::Unauthenticated, "invalid_token".into()));
    let anonymous = client.clone().get_profile(GetProfileRequest {}).await;
    assert_eq!(rejection(anonymous), (Code::Unauthenticated, "unauthenticated".into()));

    let mut client = client.clone();
    let context = CallContext::default().with_bearer(&session.access_token);
    context.scope(async { client.logout(LogoutRequest {}).await }).await.unwrap();
    assert_eq!(rejection(profile(&session.access_token).await), session_ended());

    app.shutdown.cancel();
    serving.await.unwrap().unwrap();
}
