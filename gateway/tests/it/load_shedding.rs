//! Requests above a concurrency limit wait while they can finish in time, and are rejected otherwise, without effect on other
//! limits.

use std::{
    future::pending,
    time::{Duration, Instant},
};

use bodega_proto::{
    cart::v1::{GetCartRequest, GetCartResponse},
    catalog::v1::{ListCategoriesRequest, ListCategoriesResponse},
    identity::v1::{LoginRequest, LoginResponse},
};
use bodega_runtime::status;
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::sleep;
use tonic::Status;

use crate::{
    fake_service::Calls,
    test_app::{SendRequest as _, TIMEOUT, TestApp, TestResponse},
};

/// Concurrency limit of each service in these tests.
const LIMIT: u32 = 2;
/// Maximum time of a rejection: 0.1 s on an idle machine, more for tests that run in parallel.
const REJECTION_TIME: Duration = Duration::from_millis(800);

/// A gateway with a limit of two requests for each service, whose catalog never responds.
async fn gateway() -> (TestApp, Calls<ListCategoriesRequest>) {
    let gateway = TestApp::start_with(|settings, _| settings.max_requests = LIMIT).await;
    let calls = gateway.catalog.on_slow("ListCategories", |_: ListCategoriesRequest| {
        pending::<Result<ListCategoriesResponse, Status>>()
    });
    (gateway, calls)
}

async fn timed(request: reqwest::RequestBuilder) -> (TestResponse, Duration) {
    let started = Instant::now();
    (request.fetch().await, started.elapsed())
}

/// Asserts an immediate rejection with a `Retry-After` of 1 to 3 seconds.
#[track_caller]
fn assert_rejected((response, took): &(TestResponse, Duration)) {
    response.problem(503, "overloaded");
    let seconds: u64 = response.header("retry-after").parse().unwrap();
    assert!((1..=3).contains(&seconds), "{seconds}");
    assert!(*took < REJECTION_TIME, "{took:?}");
}

/// A gateway with a limit of two requests for each service, whose catalog responds after `time`.
async fn gateway_with_catalog_of(time: Duration) -> (TestApp, Calls<ListCategoriesRequest>) {
    let gateway = TestApp::start_with(|settings, _| settings.max_requests = LIMIT).await;
    let calls = gateway.catalog.on_slow("ListCategories", move |_: ListCategoriesRequest| async move {
        sleep(time).await;
        Ok(ListCategoriesResponse::default())
    });
    (gateway, calls)
}

#[tokio::test]
async fn a_burst_waits_while_it_can_finish_in_time() {
    let (gateway, calls) = gateway_with_catalog_of(Duration::from_millis(20)).await;
    let responses = join_all((0..40).map(|_| gateway.get("/api/categories").fetch())).await;
    assert!(responses.iter().all(|response| response.status == 200), "{responses:?}");
    assert_eq!(calls.count(), 40);
}

/// Five times as many requests as the service can process, for one and a half seconds.
#[tokio::test]
async fn under_a_standing_overload_the_excess_is_rejected_and_the_others_finish_in_time() {
    const SERVICE_TIME: Duration = Duration::from_millis(50);
    let interval = SERVICE_TIME / LIMIT / 5;
    let (gateway, calls) = gateway_with_catalog_of(SERVICE_TIME).await;
    let requests = (0..300).map(async |index: u32| {
        sleep(interval * index).await;
        timed(gateway.get("/api/categories")).await
    });
    let (served, rejected): (Vec<_>, Vec<_>) =
        join_all(requests).await.into_iter().partition(|(response, _)| response.status == 200);
    assert_eq!(served.len(), calls.count(), "no request is rejected after it was started");
    assert!(
        served.iter().all(|(_, took)| *took < TIMEOUT),
        "{:?}",
        served.iter().map(|(_, took)| took).max()
    );
    for (response, _) in &rejected {
        response.problem(503, "overloaded");
    }
    // On a busy machine, a request that was let into the queue may be rejected later.
    let mut times: Vec<_> = rejected.iter().map(|(_, took)| *took).collect();
    times.sort_unstable();
    assert!(times[times.len() / 2] < REJECTION_TIME, "{times:?}");
    // 60 in 1.5 s of requests, and those that wait at their end; fewer if the machine is busy.
    assert!(served.len() >= 40, "{}", served.len());
}

#[tokio::test]
async fn rejects_requests_above_the_limit_without_calling_the_service() {
    let (gateway, calls) = gateway().await;
    let responses = join_all((0..20).map(|_| timed(gateway.get("/api/categories")))).await;
    let (rejected, timed_out): (Vec<_>, Vec<_>) =
        responses.into_iter().partition(|(response, _)| response.json()["code"] == "overloaded");
    assert_eq!((rejected.len(), timed_out.len(), calls.count()), (18, 2, 2));
    rejected.iter().for_each(assert_rejected);
    for (response, _) in timed_out {
        assert_eq!((response.status, response.header("retry-after")), (503, "1"), "{response:?}");
    }
}

/// Keeps the limit of catalog reached while `check` runs.
async fn at_limit<T>(
    gateway: &TestApp,
    calls: &Calls<ListCategoriesRequest>,
    check: impl Future<Output = T>,
) -> T {
    let requests = join_all((0..LIMIT).map(|_| gateway.get("/api/categories").fetch()));
    let check = async {
        let started = std::time::Instant::now();
        while calls.count() < 2 {
            assert!(started.elapsed() < Duration::from_secs(10), "no two calls");
            sleep(Duration::from_millis(5)).await;
        }
        check.await
    };
    tokio::select! {
        biased;
        result = check => result,
        _ = requests => panic!("the limit is no longer reached"),
    }
}

#[tokio::test]
async fn rejects_before_reading_the_token_and_the_query() {
    let (gateway, calls) = gateway().await;
    at_limit(&gateway, &calls, async {
        // Both the token and the query are invalid.
        let request = gateway.get("/api/products?limit=none").bearer_auth("no token");
        assert_rejected(&timed(request).await);
        let request = gateway.get("/api/tags").header("origin", crate::test_app::ALLOWED_ORIGIN);
        let (response, took) = timed(request).await;
        assert_eq!(
            response.header("access-control-allow-origin"),
            crate::test_app::ALLOWED_ORIGIN,
            "a page may read the response"
        );
        assert_rejected(&(response, took));
    })
    .await;
}

#[tokio::test]
async fn a_reached_limit_does_not_affect_other_services() {
    let (gateway, calls) = gateway().await;
    gateway.cart.on("GetCart", |_: GetCartRequest| Ok(GetCartResponse::default()));
    at_limit(&gateway, &calls, async {
        assert_rejected(&timed(gateway.get("/api/products")).await);
        let write = gateway.post("/api/categories", json!({})).fetch().await;
        assert_ne!(write.json()["code"], "overloaded", "writes have their own limit: {write:?}");
        let cart = gateway.get("/api/cart").fetch().await;
        assert_ne!(cart.json()["code"], "overloaded", "{cart:?}");
        for path in ["/healthz", "/.well-known/jwks.json", "/openapi.json", "/docs/"] {
            assert_eq!(gateway.get(path).fetch().await.status, 200, "{path}");
        }
        let upload = gateway.request(http::Method::POST, "/api/products/1/images").fetch().await;
        assert_ne!(upload.status, 503, "uploads have their own limit: {upload:?}");
    })
    .await;
}

#[tokio::test]
async fn accepts_requests_again_after_the_timeout() {
    let (gateway, calls) = gateway().await;
    at_limit(&gateway, &calls, async { assert_rejected(&timed(gateway.get("/api/categories")).await) }).await;
    gateway.catalog.on("ListCategories", |_: ListCategoriesRequest| Ok(ListCategoriesResponse::default()));
    sleep(TIMEOUT).await;
    assert_eq!(gateway.get("/api/categories").fetch().await.status, 200);
}

/// Rejections of logins are at least 5 ms apart.
#[tokio::test]
async fn a_flood_of_rejected_logins_is_slowed_down() {
    const LOGINS: u32 = 40;
    let gateway = TestApp::start().await;
    gateway.identity.service.on("Login", |_: LoginRequest| {
        Err::<LoginResponse, _>(status::unavailable(
            "too many passwords are being verified",
            Duration::from_secs(1),
        ))
    });
    let started = Instant::now();
    let login = || {
        let body = json!({"login": "anna@example.com", "password": "a long password"});
        gateway.post("/api/auth/login", body).fetch()
    };
    let responses = join_all((0..LOGINS).map(|_| login())).await;
    assert!(responses.iter().all(|response| response.status == 503), "{responses:?}");
    assert!(started.elapsed() >= (LOGINS - 1) * Duration::from_millis(5), "{:?}", started.elapsed());
}
