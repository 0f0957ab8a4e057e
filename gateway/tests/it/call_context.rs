//! Request ids, traces and deadlines that are forwarded to services.

use bodega_proto::catalog::v1::{ListCategoriesRequest, ListCategoriesResponse};
use http::HeaderMap;

use crate::test_app::{SendRequest as _, TIMEOUT, TestApp};

async fn gateway() -> TestApp {
    let gateway = TestApp::start().await;
    gateway.catalog.on("ListCategories", |_: ListCategoriesRequest| Ok(ListCategoriesResponse::default()));
    gateway
}

/// The metadata that catalog receives for a request with these headers.
async fn metadata(gateway: &TestApp, headers: &[(&str, &str)]) -> HeaderMap {
    let request = headers
        .iter()
        .fold(gateway.get("/api/categories"), |request, (name, value)| request.header(*name, *value));
    assert_eq!(request.fetch().await.status, 200);
    gateway.catalog.metadata("ListCategories")
}

#[tokio::test]
async fn forwards_a_valid_request_id() {
    let gateway = gateway().await;
    let response = gateway.get("/api/categories").header("x-request-id", "mine-7").fetch().await;
    assert_eq!(response.header("x-request-id"), "mine-7");
    assert_eq!(gateway.catalog.metadata("ListCategories")["x-request-id"], "mine-7");
    let problem = gateway.get("/nothing").header("x-request-id", "mine-8").fetch().await;
    assert_eq!(problem.problem(404, "no_such_route")["requestId"], "mine-8");
}

#[tokio::test]
async fn generates_an_id_for_a_missing_or_invalid_one() {
    let gateway = gateway().await;
    let mut ids = std::collections::HashSet::new();
    let long = "x".repeat(129);
    for given in ["", "with space", "\u{e9}", &long] {
        let response = gateway.get("/healthz").header("x-request-id", given).fetch().await;
        let id = response.header("x-request-id").to_owned();
        assert_ne!(id, given);
        assert_eq!(id.len(), 36, "{id}");
        assert!(ids.insert(id));
    }
}

#[tokio::test]
async fn continues_a_trace_in_services() {
    let gateway = gateway().await;
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let metadata = metadata(&gateway, &[("traceparent", &format!("00-{trace}-{span}-01"))]).await;
    let parts: Vec<_> = metadata["traceparent"].to_str().unwrap().split('-').collect();
    assert_eq!(parts[1], trace);
    assert_ne!(parts[2], span, "the gateway's own span is the parent");
}

#[tokio::test]
async fn starts_a_trace_for_a_request_without_one() {
    let gateway = gateway().await;
    let trace = async |headers: &[(&str, &str)]| {
        metadata(&gateway, headers).await["traceparent"]
            .to_str()
            .unwrap()
            .split('-')
            .nth(1)
            .unwrap()
            .to_owned()
    };
    let (one, other) = (trace(&[]).await, trace(&[("traceparent", "garbage")]).await);
    assert_ne!(one, other);
    assert_ne!(one, "0".repeat(32));
}

#[tokio::test]
async fn forwards_a_deadline_before_the_request_timeout() {
    let gateway = gateway().await;
    let metadata = metadata(&gateway, &[]).await;
    let timeout = metadata["grpc-timeout"].to_str().unwrap();
    let milliseconds: u128 = timeout.strip_suffix('m').unwrap().parse().unwrap();
    assert!((1..=TIMEOUT.as_millis() - 100).contains(&milliseconds), "{timeout}");
}

#[tokio::test]
async fn does_not_forward_service_tokens_or_timeouts_of_clients() {
    let gateway = gateway().await;
    let metadata = metadata(&gateway, &[("x-bodega-service-token", "forged"), ("grpc-timeout", "99H")]).await;
    assert_ne!(metadata["x-bodega-service-token"], "forged");
    assert_ne!(metadata["grpc-timeout"], "99H");
}

#[tokio::test]
async fn forwards_the_address_of_the_connection() {
    let gateway = gateway().await;
    let forged = [("x-forwarded-for", "203.0.113.7"), ("bodega-client-address", "203.0.113.7")];
    let metadata = metadata(&gateway, &forged).await;
    assert_eq!(metadata["bodega-client-address"], "127.0.0.1", "no proxy is trusted");
}

#[tokio::test]
async fn forwards_the_address_that_a_trusted_proxy_reports() {
    let gateway = TestApp::start_with(|settings, _| {
        settings.trusted_proxies = "127.0.0.0/8".parse().unwrap();
    })
    .await;
    gateway.catalog.on("ListCategories", |_: ListCategoriesRequest| Ok(ListCategoriesResponse::default()));
    for (header, value) in
        [("x-forwarded-for", "198.51.100.1, 203.0.113.7"), ("forwarded", "for=198.51.100.1, for=203.0.113.7")]
    {
        let metadata = metadata(&gateway, &[(header, value)]).await;
        assert_eq!(metadata["bodega-client-address"], "203.0.113.7", "{header}");
    }
}
