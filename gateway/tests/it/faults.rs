//! What a client learns when a service is down, slow or broken: to come back later, and nothing else.

use std::{future::pending, time::Duration};

use bodega_proto::{
    catalog::v1::{ListCategoriesRequest, ListCategoriesResponse},
    identity::v1::{GetProfileRequest, GetProfileResponse, LoginRequest, LoginResponse, User},
};
use bodega_runtime::status;
use serde_json::json;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::shop::{Answered as _, Shop, TIMEOUT, nowhere};

#[tokio::test]
async fn a_service_that_is_down_takes_only_its_own_routes_with_it() {
    let shop = Shop::open_with(|_, upstreams| upstreams.catalog = nowhere("catalog")).await;
    let profile = GetProfileResponse { user: Some(User::default()) };
    shop.identity.accounts.on("GetProfile", move |_: GetProfileRequest| Ok(profile.clone()));

    let answer = shop.get("/api/categories").answer().await;
    let problem = answer.problem(503, "upstream_unavailable");
    assert_eq!(problem["detail"], "the catalog is unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    let answer = shop.get("/api/users/me").bearer_auth(shop.identity.user()).answer().await;
    assert_eq!(answer.status, 200);
    assert_eq!(shop.get("/healthz").answer().await.status, 200);
    let readiness = shop.get("/readyz").answer().await.problem(503, "upstream_unavailable");
    assert!(readiness["detail"].as_str().unwrap().contains("catalog"), "{readiness}");
}

#[tokio::test]
async fn readiness_is_known_within_a_second_though_a_service_hangs() {
    let shop = Shop::open_with(|_, upstreams| {
        upstreams.identity = hanging("identity");
        upstreams.order = hanging("order");
    })
    .await;
    let asked = shop.get("/readyz").answer();
    let readiness = tokio::time::timeout(TIMEOUT, asked).await.expect("sooner than anything else");
    let detail = readiness.problem(503, "upstream_unavailable")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("identity") && detail.contains("order"), "{detail}");
}

#[tokio::test]
async fn tokens_stay_good_while_identity_is_down() {
    let shop = Shop::open_with(|_, upstreams| upstreams.identity = nowhere("identity")).await;
    shop.catalog.on("ListCategories", |_: ListCategoriesRequest| Ok(ListCategoriesResponse::default()));
    let token = shop.identity.user();
    let answer = shop.get("/api/users/me").bearer_auth(&token).answer().await;
    answer.problem(503, "upstream_unavailable");
    assert_eq!(shop.get("/api/categories").bearer_auth(token).answer().await.status, 200);
}

#[tokio::test]
async fn a_slow_service_is_given_up_in_time() {
    let shop = Shop::open().await;
    shop.catalog.on_slow("ListCategories", |_: ListCategoriesRequest| {
        pending::<Result<ListCategoriesResponse, Status>>()
    });
    let started = Instant::now();
    let answer = shop.get("/api/categories").answer().await;
    answer.problem(503, "timeout");
    assert_eq!(answer.header("retry-after"), "1");
    assert!(started.elapsed() < TIMEOUT + Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_slow_identity_holds_no_request_beyond_its_time() {
    let shop = Shop::open_with(|_, upstreams| upstreams.identity = hanging("identity")).await;
    let started = Instant::now();
    let ask = || shop.get("/api/users/me").bearer_auth(shop.identity.user()).answer();
    for answer in futures_util::future::join_all([ask(), ask(), ask(), ask()]).await {
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    assert!(started.elapsed() < TIMEOUT + Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn what_anyone_may_see_is_shown_while_identity_hangs() {
    let shop = Shop::open_with(|_, upstreams| upstreams.identity = hanging("identity")).await;
    shop.catalog.on("ListCategories", |_: ListCategoriesRequest| Ok(ListCategoriesResponse::default()));
    let answer = shop.get("/api/categories").bearer_auth(shop.identity.user()).answer().await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// A transport to a service that accepts calls and never responds.
fn hanging(name: &'static str) -> bodega_runtime::transport::Transport {
    crate::fakes::in_process(
        name,
        tower::util::BoxCloneSyncService::new(tower::service_fn(|_: http::Request<tonic::body::Body>| {
            pending()
        })),
    )
}

#[tokio::test]
async fn a_panic_is_an_internal_error_of_its_own_request() {
    let shop = Shop::open().await;
    shop.catalog.on("ListCategories", |_: ListCategoriesRequest| -> Result<ListCategoriesResponse, Status> {
        panic!("the password is hunter2")
    });
    let answer = shop.get("/api/categories").answer().await;
    answer.problem(500, "internal");
    assert!(!answer.text.contains("hunter2"));
    assert_eq!(shop.get("/healthz").answer().await.status, 200);
}

#[tokio::test]
async fn nothing_internal_shows() {
    let shop = Shop::open().await;
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
        shop.catalog.on(
            "ListCategories",
            move |_: ListCategoriesRequest| -> Result<ListCategoriesResponse, _> {
                Err(Status::new(code, "select secret from users"))
            },
        );
        let answer = shop.get("/api/categories").answer().await;
        answer.problem(500, "internal");
        assert!(!answer.text.contains("secret"), "{code:?}: {answer:?}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_the_contract_is_an_internal_error() {
    let shop = Shop::open().await;
    shop.identity.accounts.on("Login", |_: LoginRequest| Ok(LoginResponse { session: None }));
    let login = shop.post("/api/auth/login", json!({"email": "a", "password": "b"}));
    login.answer().await.problem(500, "internal");
}

#[tokio::test]
async fn too_much_at_once_is_told_when_to_come_back() {
    let shop = Shop::open().await;
    shop.identity.accounts.on("Login", |_: LoginRequest| -> Result<LoginResponse, _> {
        Err(status::retryable(Code::ResourceExhausted, "busy", "too many sign in", Duration::from_secs(7)))
    });
    let answer = shop.post("/api/auth/login", json!({"email": "a", "password": "b"})).answer().await;
    answer.problem(429, "busy");
    assert_eq!(answer.header("retry-after"), "7");
}
