//! Responses while a service is unavailable, slow or broken.

use std::{future::pending, time::Duration};

use bodega_proto::{
    catalog::v1::{ListCategoriesRequest, ListCategoriesResponse},
    identity::v1::{GetProfileRequest, GetProfileResponse, LoginRequest, LoginResponse, User},
};
use bodega_runtime::status;
use serde_json::{Value, json};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus};

use crate::{
    fake_service::Calls,
    test_app::{SendRequest as _, TIMEOUT, TestApp, unreachable_service},
};

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
    assert_eq!(gateway.get("/readyz").fetch().await.status, 200, "it has the keys of identity");
    report_healthy(&gateway);
    let status = gateway.get("/status").fetch().await;
    assert_eq!(status.status, 200);
    assert_eq!(status.json(), services("degraded", ["ok", "unavailable", "ok", "ok"]));
}

/// Makes the services healthy. Returns the checks of the catalog.
fn report_healthy(gateway: &TestApp) -> Calls<HealthCheckRequest> {
    let serving = HealthCheckResponse { status: ServingStatus::Serving.into() };
    let [catalog, ..] = [&gateway.catalog, &gateway.identity.service, &gateway.cart, &gateway.orders]
        .map(|service| service.on("Check", move |_: HealthCheckRequest| Ok(serving)));
    catalog
}

/// The response of `/status`, with the status of identity, catalog, cart and order.
fn services(overall: &str, each: [&str; 4]) -> Value {
    let names = ["identity", "catalog", "cart", "order"];
    let services: Vec<_> =
        names.iter().zip(each).map(|(name, status)| json!({"name": name, "status": status})).collect();
    json!({"status": overall, "services": services})
}

#[tokio::test]
async fn is_ready_as_soon_as_it_can_serve_anything() {
    let hanging = TestApp::start_with(|_, upstreams| {
        upstreams.identity = hanging_service("identity");
        upstreams.order = hanging_service("order");
    })
    .await;
    report_healthy(&hanging);
    let status = hanging.get("/status").fetch().await;
    assert_eq!(status.json(), services("degraded", ["unavailable", "ok", "ok", "unavailable"]));
    let request = hanging.get("/readyz").fetch();
    let readiness = tokio::time::timeout(TIMEOUT, request).await.expect("before the request timeout");
    assert_eq!(readiness.status, 200, "products can be read without keys: {readiness:?}");

    let without_both = TestApp::start_with(|_, upstreams| {
        upstreams.identity = unreachable_service("identity");
        upstreams.catalog = unreachable_service("catalog");
    })
    .await;
    let readiness = without_both.get("/readyz").fetch().await;
    let problem = readiness.problem(503, "upstream_unavailable");
    assert_eq!(problem["detail"], "identity and catalog are unavailable");
    assert!(!without_both.health.is_ready().await);
}

#[tokio::test]
async fn checks_the_services_at_most_once_a_second() {
    let gateway = TestApp::start().await;
    let checks = report_healthy(&gateway);
    let started = Instant::now();
    let requests = (0..50).map(|_| gateway.get("/status").fetch());
    for response in futures_util::future::join_all(requests).await {
        assert_eq!(response.json(), services("ok", ["ok"; 4]));
    }
    let bound = 1 + started.elapsed().as_secs();
    assert!((1..=bound).contains(&(checks.count() as u64)), "{} checks", checks.count());
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
