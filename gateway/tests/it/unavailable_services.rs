//! Responses while a service is unavailable, slow or broken.

use std::{future::pending, time::Duration};

use bodega_proto::{
    catalog::v1::{ListCategoriesRequest, ListCategoriesResponse},
    identity::v1::{GetProfileRequest, GetProfileResponse, LoginRequest, LoginResponse, User},
};
use bodega_runtime::status;
use serde_json::json;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::test_app::{SendRequest as _, TIMEOUT, TestApp, unreachable_service};

#[tokio::test]
async fn an_unavailable_service_fails_only_its_own_routes() {
    let gateway =
        TestApp::start_with(|_, upstreams| upstreams.catalog = unreachable_service("catalog")).await;
    let profile = GetProfileResponse { user: Some(User::default()) };
    gateway.identity.service.on("GetProfile", move |_: GetProfileRequest| Ok(profile.clone()));

    let response = gateway.get("/api/categories").fetch().await;
    let problem = response.problem(503, "upstream_unavailable");
    assert_eq!(problem["detail"], "the catalog is unavailable");
    assert_eq!(response.header("retry-after"), "1");
    let response = gateway.get("/api/users/me").bearer_auth(gateway.identity.user()).fetch().await;
    assert_eq!(response.status, 200);
    assert_eq!(gateway.get("/healthz").fetch().await.status, 200);
    let readiness = gateway.get("/readyz").fetch().await.problem(503, "upstream_unavailable");
    assert!(readiness["detail"].as_str().unwrap().contains("catalog"), "{readiness}");
}

#[tokio::test]
async fn readiness_responds_within_a_second_while_a_service_hangs() {
    let gateway = TestApp::start_with(|_, upstreams| {
        upstreams.identity = hanging_service("identity");
        upstreams.order = hanging_service("order");
    })
    .await;
    let request = gateway.get("/readyz").fetch();
    let readiness = tokio::time::timeout(TIMEOUT, request).await.expect("before the request timeout");
    let detail = readiness.problem(503, "upstream_unavailable")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("identity") && detail.contains("order"), "{detail}");
}

#[tokio::test]
async fn verifies_tokens_while_identity_is_unavailable() {
    let gateway =
        TestApp::start_with(|_, upstreams| upstreams.identity = unreachable_service("identity")).await;
    gateway.catalog.on("ListCategories", |_: ListCategoriesRequest| Ok(ListCategoriesResponse::default()));
    let token = gateway.identity.user();
    let response = gateway.get("/api/users/me").bearer_auth(&token).fetch().await;
    response.problem(503, "upstream_unavailable");
    assert_eq!(gateway.get("/api/categories").bearer_auth(token).fetch().await.status, 200);
}

#[tokio::test]
async fn times_out_a_slow_service() {
    let gateway = TestApp::start().await;
    gateway.catalog.on_slow("ListCategories", |_: ListCategoriesRequest| {
        pending::<Result<ListCategoriesResponse, Status>>()
    });
    let started = Instant::now();
    let response = gateway.get("/api/categories").fetch().await;
    response.problem(503, "timeout");
    assert_eq!(response.header("retry-after"), "1");
    assert!(started.elapsed() < TIMEOUT + Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn times_out_requests_while_identity_is_slow() {
    let gateway = TestApp::start_with(|_, upstreams| upstreams.identity = hanging_service("identity")).await;
    let started = Instant::now();
    let send = || gateway.get("/api/users/me").bearer_auth(gateway.identity.user()).fetch();
    for response in futures_util::future::join_all([send(), send(), send(), send()]).await {
        assert_eq!(response.status, 503, "{response:?}");
    }
    assert!(started.elapsed() < TIMEOUT + Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn serves_public_routes_while_identity_hangs() {
    let gateway = TestApp::start_with(|_, upstreams| upstreams.identity = hanging_service("identity")).await;
    gateway.catalog.on("ListCategories", |_: ListCategoriesRequest| Ok(ListCategoriesResponse::default()));
    let response = gateway.get("/api/categories").bearer_auth(gateway.identity.user()).fetch().await;
    assert_eq!(response.status, 200, "{response:?}");
}

/// A transport to a service that accepts calls and never responds.
fn hanging_service(name: &'static str) -> bodega_runtime::transport::Transport {
    crate::fake_service::in_process(
        name,
        tower::util::BoxCloneSyncService::new(tower::service_fn(|_: http::Request<tonic::body::Body>| {
            pending()
        })),
    )
}

#[tokio::test]
async fn a_panic_fails_only_its_own_request() {
    let gateway = TestApp::start().await;
    gateway.catalog.on(
        "ListCategories",
        |_: ListCategoriesRequest| -> Result<ListCategoriesResponse, Status> {
            panic!("the password is hunter2")
        },
    );
    let response = gateway.get("/api/categories").fetch().await;
    response.problem(500, "internal");
    assert!(!response.text.contains("hunter2"));
    assert_eq!(gateway.get("/healthz").fetch().await.status, 200);
}

#[tokio::test]
async fn hides_internal_error_texts() {
    let gateway = TestApp::start().await;
    for code in [
        Code::Internal,
        Code::Unknown,
        Code::DataLoss,
        Code::Unimplemented,
        Code::Cancelled,
        Code::InvalidArgument,
        Code::NotFound,
        Code::PermissionDenied,
        Code::Unauthenticated,
        Code::FailedPrecondition,
    ] {
        gateway.catalog.on(
            "ListCategories",
            move |_: ListCategoriesRequest| -> Result<ListCategoriesResponse, _> {
                Err(Status::new(code, "select secret from users"))
            },
        );
        let response = gateway.get("/api/categories").fetch().await;
        response.problem(500, "internal");
        assert!(!response.text.contains("secret"), "{code:?}: {response:?}");
    }
}

#[tokio::test]
async fn an_incomplete_response_of_a_service_is_an_internal_error() {
    let gateway = TestApp::start().await;
    gateway.identity.service.on("Login", |_: LoginRequest| Ok(LoginResponse { session: None }));
    let login = gateway.post("/api/auth/login", json!({"email": "a", "password": "b"}));
    login.fetch().await.problem(500, "internal");
}

#[tokio::test]
async fn forwards_retry_after_of_a_busy_service() {
    let gateway = TestApp::start().await;
    gateway.identity.service.on("Login", |_: LoginRequest| -> Result<LoginResponse, _> {
        Err(status::retryable(Code::ResourceExhausted, "busy", "too many logins", Duration::from_secs(7)))
    });
    let response = gateway.post("/api/auth/login", json!({"email": "a", "password": "b"})).fetch().await;
    response.problem(429, "busy");
    assert_eq!(response.header("retry-after"), "7");
}
