//! Over a socket: who gets in at all.

use bodega_proto::identity::v1::{
    GetJwksRequest, GetProfileRequest, LogoutRequest, identity_service_client::IdentityServiceClient,
    token_service_client::TokenServiceClient,
};
use bodega_runtime::{auth::ServiceToken, context::CallContext, server::AuthLayer, transport::Transport};
use tokio::net::TcpListener;
use tonic::Code;

use crate::shop::{Shop, refusal, session_ended};

#[tokio::test]
async fn only_processes_of_the_store_get_in_and_people_by_their_tokens() {
    let shop = Shop::open().await;
    let session = shop.register("ada").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri: http::Uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let service_token = ServiceToken::random();
    let guard = AuthLayer { service_token: service_token.clone(), verifier: shop.verifier.clone() };
    let serving = tokio::spawn(async move { shop.service.serve(&guard, listener).await });

    let stranger = Transport::remote(uri.clone(), &ServiceToken::random());
    let answer = TokenServiceClient::new(stranger).get_jwks(GetJwksRequest {}).await;
    assert_eq!(refusal(answer), (Code::Unauthenticated, "service_token_required".into()));

    let gateway = Transport::remote(uri, &service_token);
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
    assert_eq!(refusal(profile(&tampered).await), (Code::Unauthenticated, "invalid_token".into()));
    let nobody = client.clone().get_profile(GetProfileRequest {}).await;
    assert_eq!(refusal(nobody), (Code::Unauthenticated, "unauthenticated".into()));

    let mut leaving = client.clone();
    let context = CallContext::default().with_bearer(&session.access_token);
    context.scope(async { leaving.logout(LogoutRequest {}).await }).await.unwrap();
    assert_eq!(refusal(profile(&session.access_token).await), session_ended());

    shop.shutdown.cancel();
    serving.await.unwrap().unwrap();
}
