//! API keys: creation, exchange for access tokens, scopes, expiry and revocation.

use bodega_proto::identity::v1::{
    ApiKey, CreateApiKeyRequest, CreateApiKeyResponse, ExchangeApiKeyRequest, GetProfileRequest,
    ListApiKeysRequest, ListUsersRequest, RevokeApiKeyRequest, Role, Session, UpdateUserRequest,
    WatchRevocationsRequest,
};
use tonic::{Code, Status};

use crate::test_app::{TestApp, fields, id_of, rejection, session_ended, user};

fn request(scopes: &[&str]) -> CreateApiKeyRequest {
    let scopes = scopes.iter().copied().map(str::to_owned).collect();
    CreateApiKeyRequest { name: "warehouse".into(), scopes, expires_in_days: 30 }
}

async fn create(app: &TestApp, admin: &Session, scopes: &[&str]) -> CreateApiKeyResponse {
    let mut client = app.bearer(&admin.access_token).await;
    client.create_api_key(request(scopes)).await.unwrap().into_inner()
}

async fn list(app: &TestApp, admin: &Session) -> Vec<ApiKey> {
    let mut client = app.bearer(&admin.access_token).await;
    client.list_api_keys(ListApiKeysRequest {}).await.unwrap().into_inner().api_keys
}

/// Returns the access token of a key, and its lifetime in seconds.
async fn exchange(app: &TestApp, key: &str) -> Result<(String, i64), Status> {
    let request = ExchangeApiKeyRequest { api_key: key.into() };
    let response = app.tokens().exchange_api_key(request).await?.into_inner();
    Ok((response.access_token, response.expires_in))
}

fn invalid_token() -> (Code, String) {
    (Code::Unauthenticated, "invalid_token".into())
}

#[tokio::test]
async fn a_key_acts_with_its_scopes_and_not_as_a_user() {
    let app = TestApp::start().await;
    let admin = app.admin("grace").await;
    let created = create(&app, &admin, &["users:read", "orders:read", "users:read"]).await;
    let key = created.api_key.unwrap();
    assert_eq!(key.scopes, ["orders:read", "users:read"]);
    assert_eq!(key.created_by, user(&admin).id);
    assert!(created.key.starts_with("bodega_") && created.key.len() == 50, "{}", created.key);

    let (token, lifetime) = exchange(&app, &created.key).await.unwrap();
    assert_eq!(lifetime, 300);
    let mut client = app.bearer(&token).await;
    client.list_users(ListUsersRequest::default()).await.unwrap();
    let insufficient = (Code::PermissionDenied, "insufficient_scope".to_owned());
    assert_eq!(rejection(client.get_profile(GetProfileRequest {}).await), insufficient);
    assert_eq!(rejection(client.list_api_keys(ListApiKeysRequest {}).await), insufficient);
    let promote = UpdateUserRequest { id: key.id, role: Role::Admin.into(), ..UpdateUserRequest::default() };
    assert_eq!(rejection(client.update_user(promote).await), insufficient);

    let (other, _) = exchange(&app, &create(&app, &admin, &["orders:read"]).await.key).await.unwrap();
    let mut client = app.bearer(&other).await;
    assert_eq!(rejection(client.list_users(ListUsersRequest::default()).await), insufficient);
}

#[tokio::test]
async fn only_the_hash_of_a_key_is_stored() {
    let app = TestApp::start().await;
    let created = create(&app, &app.admin("grace").await, &["orders:read"]).await;
    let row: String =
        sqlx::query_scalar("select k::text from identity.api_keys k").fetch_one(&app.db).await.unwrap();
    let secret = created.key.strip_prefix("bodega_").unwrap();
    assert!(!row.contains(secret), "{row}");
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!row.contains(&hex), "{row}");
}

#[tokio::test]
async fn the_last_use_is_recorded_at_the_exchange() {
    let app = TestApp::start().await;
    let admin = app.admin("grace").await;
    let created = create(&app, &admin, &["orders:read"]).await;
    assert_eq!(list(&app, &admin).await[0].last_used_at, None);
    exchange(&app, &created.key).await.unwrap();
    let used = list(&app, &admin).await[0].last_used_at.unwrap();
    exchange(&app, &created.key).await.unwrap();
    assert_eq!(list(&app, &admin).await[0].last_used_at.unwrap(), used, "at most one write a minute");
}

#[tokio::test]
async fn a_revoked_key_is_streamed_to_gateways_of_all_replicas() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let admin = app.admin("grace").await;
    let created = create(&app, &admin, &["users:read"]).await;
    let key = created.api_key.unwrap();
    let (token, _) = exchange(&app, &created.key).await.unwrap();
    let mut streams = Vec::new();
    for app in [&app, &replica] {
        let mut stream =
            app.tokens().watch_revocations(WatchRevocationsRequest {}).await.unwrap().into_inner();
        stream.message().await.unwrap().unwrap();
        streams.push(stream);
    }

    let revoke = RevokeApiKeyRequest { id: key.id.clone() };
    let mut client = app.bearer(&admin.access_token).await;
    client.revoke_api_key(revoke.clone()).await.unwrap();
    for stream in &mut streams {
        let received =
            async { while !stream.message().await.unwrap().unwrap().session_ids.contains(&key.id) {} };
        tokio::time::timeout(std::time::Duration::from_secs(20), received).await.expect("the key is revoked");
    }
    assert_eq!(rejection(exchange(&app, &created.key).await), invalid_token());
    let mut machine = app.bearer(&token).await;
    assert_eq!(rejection(machine.list_users(ListUsersRequest::default()).await), session_ended());
    let not_found = (Code::NotFound, "api_key_not_found".to_owned());
    assert_eq!(rejection(client.revoke_api_key(revoke).await), not_found);
    assert_eq!(list(&app, &admin).await, []);
    let mut late = app.tokens().watch_revocations(WatchRevocationsRequest {}).await.unwrap().into_inner();
    assert!(late.message().await.unwrap().unwrap().session_ids.contains(&key.id), "the first message has it");
}

#[tokio::test]
async fn unknown_and_expired_keys_are_rejected() {
    let app = TestApp::start().await;
    let created = create(&app, &app.admin("grace").await, &["users:read"]).await;
    for key in ["", "bodega_", "bodega_unknown", created.key.strip_prefix("bodega_").unwrap()] {
        assert_eq!(rejection(exchange(&app, key).await), invalid_token(), "{key}");
    }
    let expire = "update identity.api_keys set expires_at = now() + interval '30 seconds'";
    sqlx::query(expire).execute(&app.db).await.unwrap();
    let (_, lifetime) = exchange(&app, &created.key).await.unwrap();
    assert!(lifetime <= 30, "no token outlives the key: {lifetime}");
    let expire = "update identity.api_keys set created_at = now() - interval '1 day', expires_at = now()";
    sqlx::query(expire).execute(&app.db).await.unwrap();
    assert_eq!(rejection(exchange(&app, &created.key).await), invalid_token());
}

#[tokio::test]
async fn keys_end_with_the_admin_role_of_their_creator() {
    let app = TestApp::start().await;
    let (grace, alan) = (app.admin("grace").await, app.admin("alan").await);
    let created = create(&app, &grace, &["users:read"]).await;
    let kept = create(&app, &alan, &["users:read"]).await;
    let demote = UpdateUserRequest {
        id: id_of(user(&grace)).to_string(),
        role: Role::User.into(),
        ..UpdateUserRequest::default()
    };
    let (_, ended) = app.update_user(&alan, demote).await.unwrap();
    assert!(ended.contains(&created.api_key.unwrap().id), "{ended:?}");
    assert_eq!(rejection(exchange(&app, &created.key).await), invalid_token());
    exchange(&app, &kept.key).await.unwrap();
}

#[tokio::test]
async fn rejects_invalid_keys_and_callers_who_are_not_admins() {
    let app = TestApp::start().await;
    let (admin, ada) = (app.admin("grace").await, app.register("ada").await);
    let mut client = app.bearer(&admin.access_token).await;
    for (change, field) in [
        (CreateApiKeyRequest { name: " ".into(), ..request(&["orders:read"]) }, "name"),
        (CreateApiKeyRequest { expires_in_days: 0, ..request(&["orders:read"]) }, "expires_in_days"),
        (CreateApiKeyRequest { expires_in_days: 366, ..request(&["orders:read"]) }, "expires_in_days"),
        (request(&[]), "scopes"),
        (request(&["orders:read", "root"]), "scopes[1]"),
    ] {
        assert_eq!(fields(client.create_api_key(change).await), [field]);
    }
    let mut client = app.bearer(&ada.access_token).await;
    let admin_only = (Code::PermissionDenied, "admin_only".to_owned());
    assert_eq!(rejection(client.create_api_key(request(&["orders:read"])).await), admin_only);
    assert_eq!(rejection(client.list_api_keys(ListApiKeysRequest {}).await), admin_only);
}
