//! Lists of products, filtered and sorted.

use std::time::{Duration, Instant};

use bodega_catalog::bulk;
use bodega_proto::catalog::v1::{CreateProductRequest, IdOrName, ListProductsRequest};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use proptest::{collection::vec, prelude::*, test_runner::Config};
use tonic::Code;

use crate::{
    model::{self, Item, LABELS, Model},
    test_catalog::{Shop, assert_invalid, by_id, by_name, product, refusal},
};

/// Lists that are asked for at once.
const AT_ONCE: usize = 8;

proptest! {
    #![proptest_config(Config { cases: 16, max_shrink_iters: 60, failure_persistence: None, ..Config::default() })]

    #[test]
    fn every_list_is_what_filtering_and_sorting_by_hand_gives(
        items in model::items(),
        requests in vec(model::request(), 40),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(compare_with_model(items, requests))?;
    }
}

async fn compare_with_model(
    items: Vec<Item>,
    requests: Vec<ListProductsRequest>,
) -> Result<(), TestCaseError> {
    let shop = Shop::open().await;
    let names = LABELS.map(str::to_owned);
    let categories = bulk::categories(&shop.db, &names).await.unwrap();
    let tags = bulk::tags(&shop.db, &names).await.unwrap();
    let new = Model::to_new(&items, &categories, &tags);
    let ids = bulk::insert_products(&shop.db, "USD".parse().unwrap(), &new, |_| {}).await.unwrap();
    let model = Model::new(items, ids, categories, tags);
    for id in model.archived() {
        shop.archive(id).await;
    }
    let checked = stream::iter(requests).map(|request| check(&shop, &model, request));
    checked.buffer_unordered(AT_ONCE).try_collect().await
}

/// Checks a list as a whole and page by page.
async fn check(shop: &Shop, model: &Model, request: ListProductsRequest) -> Result<(), TestCaseError> {
    let on_one_page = ListProductsRequest { limit: 100, ..request.clone() };
    let (listed, next) = shop.page(on_one_page).await.unwrap();
    prop_assert_eq!(next, "");
    let checked = model.check(&request, &listed);
    checked.map_err(|cause| TestCaseError::fail(format!("{cause}\n{request:?}\n{listed:?}")))?;

    let pages = shop.pages(request.clone()).await;
    prop_assert_eq!(pages.concat(), listed, "{:?}", request);
    let limit = if request.limit == 0 { 20 } else { usize::try_from(request.limit).unwrap() };
    let (last, full) = pages.split_last().unwrap();
    prop_assert!(full.iter().all(|page| page.len() == limit) && last.len() <= limit, "{:?}", pages);
    prop_assert!(full.is_empty() || !last.is_empty(), "{:?}", pages);
    Ok(())
}

#[tokio::test]
async fn a_list_shows_products_whole() {
    let shop = Shop::open().await;
    let tags = vec![shop.tag("red").await, shop.tag("big").await];
    let made = shop
        .create(CreateProductRequest {
            description: "Holds tea".to_owned(),
            category: Some(by_name("Kitchen")),
            tag_ids: tags,
            image_url: "/a.png".to_owned(),
            ..product("Mug")
        })
        .await;
    for q in ["", "mug"] {
        let request = ListProductsRequest { q: q.to_owned(), ..Default::default() };
        let response = shop.acting_as(None).list_products(request).await.unwrap().into_inner();
        assert_eq!(response.products, std::slice::from_ref(&made));
    }
}

#[tokio::test]
async fn a_list_has_twenty_products_a_page_unless_asked_otherwise() {
    let shop = Shop::open().await;
    for _ in 0..21 {
        shop.create(product("Mug")).await;
    }
    let (ids, next) = shop.page(ListProductsRequest::default()).await.unwrap();
    assert_eq!(ids.len(), 20);
    assert!(!next.is_empty());
    let (ids, next) = shop.page(ListProductsRequest { limit: 21, ..Default::default() }).await.unwrap();
    assert_eq!((ids.len(), next.as_str()), (21, ""));
    for limit in [-1, 101] {
        let outcome = shop.page(ListProductsRequest { limit, ..Default::default() }).await;
        assert_eq!(refusal(outcome), (Code::OutOfRange, "invalid_limit".to_owned()));
    }
}

#[tokio::test]
async fn fifty_tags_at_once_can_be_asked_for() {
    let shop = Shop::open().await;
    let mut tag_ids = Vec::new();
    for number in 0..50 {
        tag_ids.push(shop.tag(&format!("tag {number}")).await);
    }
    let all = shop.create(CreateProductRequest { tag_ids: tag_ids.clone(), ..product("All") }).await.id;
    shop.create(CreateProductRequest { tag_ids: tag_ids[1..].to_vec(), ..product("Most") }).await;
    let mut tags: Vec<_> = tag_ids.into_iter().map(by_id).collect();
    let started = Instant::now();
    assert_eq!(shop.list(ListProductsRequest { tags: tags.clone(), ..Default::default() }).await, [all]);
    // Planned as joins they take three seconds.
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    tags[49] = by_name("none such");
    assert!(shop.list(ListProductsRequest { tags, ..Default::default() }).await.is_empty());
}

#[tokio::test]
async fn filters_that_cannot_be_are_refused_at_once() {
    let shop = Shop::open().await;
    let outcome = shop
        .page(ListProductsRequest {
            q: "x".repeat(201),
            categories: vec![IdOrName::default()],
            tags: vec![by_name(""); 51],
            min_price_minor: Some(2),
            max_price_minor: Some(1),
            ids: vec![1; 201],
            sort: 99,
            ..Default::default()
        })
        .await
        .map_err(|refused| {
            assert!(refused.message().contains("max_price_minor"), "{refused:?}");
            refused
        });
    // Each tag is refused by itself as well as all of them together.
    assert_invalid(outcome, &["sort", "q", "categories", "tags", "ids", "min_price_minor"]);
}
