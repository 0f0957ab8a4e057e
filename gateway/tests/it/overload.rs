//! More than can be done: what is too much is sent away at once, and takes nothing else with it.

use std::{
    future::pending,
    time::{Duration, Instant},
};

use bodega_proto::{
    cart::v1::{GetCartRequest, GetCartResponse},
    catalog::v1::{ListCategoriesRequest, ListCategoriesResponse},
};
use futures_util::future::join_all;
use serde_json::json;
use tonic::Status;

use crate::{
    fakes::Heard,
    shop::{Answer, Answered as _, Shop, TIMEOUT},
};

/// Places in these shops.
const PLACES: u32 = 2;
/// What shedding may take in a test that shares two cores; 0.1 s where there is nothing else.
const AT_ONCE: Duration = Duration::from_millis(800);

/// A shop with two places for each service, whose catalog never answers.
async fn shop() -> (Shop, Heard<ListCategoriesRequest>) {
    let shop = Shop::open_with(|settings, _| settings.max_requests = PLACES).await;
    let heard = shop.catalog.on_slow("ListCategories", |_: ListCategoriesRequest| {
        pending::<Result<ListCategoriesResponse, Status>>()
    });
    (shop, heard)
}

async fn timed(request: reqwest::RequestBuilder) -> (Answer, Duration) {
    let began = Instant::now();
    (request.answer().await, began.elapsed())
}

/// That somebody was sent away, at once, for a second or three.
#[track_caller]
fn assert_shed((answer, took): &(Answer, Duration)) {
    answer.problem(503, "overloaded");
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=3).contains(&seconds), "{seconds}");
    assert!(*took < AT_ONCE, "{took:?}");
}

#[tokio::test]
async fn what_is_too_much_is_sent_away_at_once_and_never_reaches_a_service() {
    let (shop, heard) = shop().await;
    let answers = join_all((0..20).map(|_| timed(shop.get("/api/categories")))).await;
    let (shed, given_up): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|(answer, _)| answer.json()["code"] == "overloaded");
    assert_eq!((shed.len(), given_up.len(), heard.count()), (18, 2, 2));
    shed.iter().for_each(assert_shed);
    for (answer, _) in given_up {
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{answer:?}");
    }
}

/// Has a request at every place of catalog while `meanwhile` runs.
async fn while_full<T>(
    shop: &Shop,
    heard: &Heard<ListCategoriesRequest>,
    meanwhile: impl Future<Output = T>,
) -> T {
    let full = join_all((0..PLACES).map(|_| shop.get("/api/categories").answer()));
    let meanwhile = async {
        while heard.count() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        meanwhile.await
    };
    tokio::select! {
        biased;
        result = meanwhile => result,
        _ = full => panic!("the places are free again"),
    }
}

#[tokio::test]
async fn nothing_is_done_for_whoever_is_sent_away() {
    let (shop, heard) = shop().await;
    while_full(&shop, &heard, async {
        // Neither is the token looked at, nor the query: both are bad.
        let request = shop.get("/api/products?limit=none").bearer_auth("no token");
        assert_shed(&timed(request).await);
        let refused = shop.get("/api/tags").header("origin", crate::shop::FRIEND);
        let (answer, took) = timed(refused).await;
        assert_eq!(answer.header("access-control-allow-origin"), crate::shop::FRIEND, "a page may read it");
        assert_shed(&(answer, took));
    })
    .await;
}

#[tokio::test]
async fn a_service_that_is_overloaded_takes_no_other_with_it() {
    let (shop, heard) = shop().await;
    shop.cart.on("GetCart", |_: GetCartRequest| Ok(GetCartResponse::default()));
    while_full(&shop, &heard, async {
        assert_shed(&timed(shop.get("/api/products")).await);
        let write = shop.post("/api/categories", json!({})).answer().await;
        assert_ne!(write.json()["code"], "overloaded", "writes have places of their own: {write:?}");
        let cart = shop.get("/api/cart").answer().await;
        assert_ne!(cart.json()["code"], "overloaded", "{cart:?}");
        for path in ["/healthz", "/.well-known/jwks.json", "/openapi.json", "/docs/"] {
            assert_eq!(shop.get(path).answer().await.status, 200, "{path}");
        }
        let upload = shop.request(http::Method::POST, "/api/products/1/images").answer().await;
        assert_ne!(upload.status, 503, "uploads have places of their own: {upload:?}");
    })
    .await;
}

#[tokio::test]
async fn places_are_free_again_when_those_who_had_them_are_answered() {
    let (shop, heard) = shop().await;
    while_full(&shop, &heard, async { assert_shed(&timed(shop.get("/api/categories")).await) }).await;
    shop.catalog.on("ListCategories", |_: ListCategoriesRequest| Ok(ListCategoriesResponse::default()));
    tokio::time::sleep(TIMEOUT).await;
    assert_eq!(shop.get("/api/categories").answer().await.status, 200);
}
