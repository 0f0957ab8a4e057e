//! What goes with a request to the services: its id, its trace, its deadline.

use bodega_proto::catalog::v1::{ListCategoriesRequest, ListCategoriesResponse};
use http::HeaderMap;

use crate::shop::{Answered as _, Shop, TIMEOUT};

async fn shop() -> Shop {
    let shop = Shop::open().await;
    shop.catalog.on("ListCategories", |_: ListCategoriesRequest| Ok(ListCategoriesResponse::default()));
    shop
}

/// What catalog saw of a request for categories with these headers.
async fn seen(shop: &Shop, headers: &[(&str, &str)]) -> HeaderMap {
    let request = headers
        .iter()
        .fold(shop.get("/api/categories"), |request, (name, value)| request.header(*name, *value));
    assert_eq!(request.answer().await.status, 200);
    shop.catalog.metadata("ListCategories")
}

#[tokio::test]
async fn a_sound_request_id_is_kept_and_travels() {
    let shop = shop().await;
    let answer = shop.get("/api/categories").header("x-request-id", "mine-7").answer().await;
    assert_eq!(answer.header("x-request-id"), "mine-7");
    assert_eq!(shop.catalog.metadata("ListCategories")["x-request-id"], "mine-7");
    let problem = shop.get("/nothing").header("x-request-id", "mine-8").answer().await;
    assert_eq!(problem.problem(404, "no_such_route")["requestId"], "mine-8");
}

#[tokio::test]
async fn any_other_request_gets_an_id_of_its_own() {
    let shop = shop().await;
    let mut ids = std::collections::HashSet::new();
    let long = "x".repeat(129);
    for given in ["", "with space", "\u{e9}", &long] {
        let answer = shop.get("/healthz").header("x-request-id", given).answer().await;
        let id = answer.header("x-request-id").to_owned();
        assert_ne!(id, given);
        assert_eq!(id.len(), 36, "{id}");
        assert!(ids.insert(id));
    }
}

#[tokio::test]
async fn a_trace_goes_on_in_the_services() {
    let shop = shop().await;
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let seen = seen(&shop, &[("traceparent", &format!("00-{trace}-{span}-01"))]).await;
    let parts: Vec<_> = seen["traceparent"].to_str().unwrap().split('-').collect();
    assert_eq!(parts[1], trace);
    assert_ne!(parts[2], span, "the gateway's own span is the parent");
}

#[tokio::test]
async fn a_request_without_a_trace_begins_one() {
    let shop = shop().await;
    let trace = async |headers: &[(&str, &str)]| {
        seen(&shop, headers).await["traceparent"].to_str().unwrap().split('-').nth(1).unwrap().to_owned()
    };
    let (one, other) = (trace(&[]).await, trace(&[("traceparent", "garbage")]).await);
    assert_ne!(one, other);
    assert_ne!(one, "0".repeat(32));
}

#[tokio::test]
async fn the_deadline_travels_and_leaves_time_for_the_answer() {
    let shop = shop().await;
    let seen = seen(&shop, &[]).await;
    let timeout = seen["grpc-timeout"].to_str().unwrap();
    let milliseconds: u128 = timeout.strip_suffix('m').unwrap().parse().unwrap();
    assert!((1..=TIMEOUT.as_millis() - 100).contains(&milliseconds), "{timeout}");
}

#[tokio::test]
async fn clients_cannot_speak_to_the_services_in_our_name() {
    let shop = shop().await;
    let seen = seen(&shop, &[("x-bodega-service-token", "forged"), ("grpc-timeout", "99H")]).await;
    assert_ne!(seen["x-bodega-service-token"], "forged");
    assert_ne!(seen["grpc-timeout"], "99H");
}
