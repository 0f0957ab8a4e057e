//! Lists of products, filtered and sorted.

use std::time::{Duration, Instant};

use bodega_catalog::bulk;
use bodega_proto::catalog::v1::{CreateProductRequest, IdOrName, ListProductsRequest};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use proptest::{collection::vec, prelude::*, test_runner::Config};
use tonic::Code;

use crate::{
    model::{self, Item, Model, NAMES},
    test_catalog::{TestCatalog, assert_invalid, by_id, by_name, product, rejection},
};

/// Concurrent requests.
const CONCURRENCY: usize = 8;

proptest! {
    #![proptest_config(Config { cases: 16, max_shrink_iters: 60, failure_persistence: None, ..Config::default() })]

    #[test]
    fn lists_match_the_model(
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
    let catalog = TestCatalog::start().await;
    let names = NAMES.map(str::to_owned);
    let categories = bulk::categories(&catalog.db, &names).await.unwrap();
    let tags = bulk::tags(&catalog.db, &names).await.unwrap();
    let new = Model::to_new(&items, &categories, &tags);
    let ids = bulk::insert_products(&catalog.db, "USD".parse().unwrap(), &new, |_| {}).await.unwrap();
    let model = Model::new(items, ids, categories, tags);
    for id in model.archived() {
        catalog.archive(id).await;
    }
    let checked = stream::iter(requests).map(|request| check(&catalog, &model, request));
    checked.buffer_unordered(CONCURRENCY).try_collect().await
}

/// Checks a list as one page and page by page.
async fn check(
    catalog: &TestCatalog,
    model: &Model,
    request: ListProductsRequest,
) -> Result<(), TestCaseError> {
    let on_one_page = ListProductsRequest { limit: 100, ..request.clone() };
    let (listed, next) = catalog.page(on_one_page).await.unwrap();
    prop_assert_eq!(next, "");
    let checked = model.check(&request, &listed);
    checked.map_err(|error| TestCaseError::fail(format!("{error}\n{request:?}\n{listed:?}")))?;

    let pages = catalog.pages(request.clone()).await;
    prop_assert_eq!(pages.concat(), listed, "{:?}", request);
    let limit = if request.limit == 0 { 20 } else { usize::try_from(request.limit).unwrap() };
    let (last, full) = pages.split_last().unwrap();
    prop_assert!(full.iter().all(|page| page.len() == limit) && last.len() <= limit, "{:?}", pages);
    prop_assert!(full.is_empty() || !last.is_empty(), "{:?}", pages);
    Ok(())
}

#[tokio::test]
async fn lists_return_complete_products() {
    let catalog = TestCatalog::start().await;
    let tags = vec![catalog.tag("red").await, catalog.tag("big").await];
    let created = catalog
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
        let response = catalog.client_of(None).list_products(request).await.unwrap().into_inner();
        assert_eq!(response.products, std::slice::from_ref(&created));
    }
}

#[tokio::test]
async fn the_default_page_size_is_twenty() {
    let catalog = TestCatalog::start().await;
    for _ in 0..21 {
        catalog.create(product("Mug")).await;
    }
    let (ids, next) = catalog.page(ListProductsRequest::default()).await.unwrap();
    assert_eq!(ids.len(), 20);
    assert!(!next.is_empty());
    let (ids, next) = catalog.page(ListProductsRequest { limit: 21, ..Default::default() }).await.unwrap();
    assert_eq!((ids.len(), next.as_str()), (21, ""));
    for limit in [-1, 101] {
        let outcome = catalog.page(ListProductsRequest { limit, ..Default::default() }).await;
        assert_eq!(rejection(outcome), (Code::OutOfRange, "invalid_limit".to_owned()));
    }
}

#[tokio::test]
async fn filters_by_fifty_tags_within_a_second() {
    let catalog = TestCatalog::start().await;
    let mut tag_ids = Vec::new();
    for number in 0..50 {
        tag_ids.push(catalog.tag(&format!("tag {number}")).await);
    }
    let all = catalog.create(CreateProductRequest { tag_ids: tag_ids.clone(), ..product("All") }).await.id;
    catalog.create(CreateProductRequest { tag_ids: tag_ids[1..].to_vec(), ..product("Most") }).await;
    let mut tags: Vec<_> = tag_ids.into_iter().map(by_id).collect();
    let mut durations = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        assert_eq!(
            catalog.list(ListProductsRequest { tags: tags.clone(), ..Default::default() }).await,
            [all]
        );
        durations.push(started.elapsed());
    }
    // Fifty joins take the planner three seconds. The fastest run is not slowed down by concurrent tests.
    assert!(durations.iter().min() < Some(&Duration::from_secs(1)), "{durations:?}");
    tags[49] = by_name("none such");
    assert!(catalog.list(ListProductsRequest { tags, ..Default::default() }).await.is_empty());
}

#[tokio::test]
async fn rejects_a_list_with_all_invalid_filters() {
    let catalog = TestCatalog::start().await;
    let outcome = catalog
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
        .map_err(|rejected| {
            assert!(rejected.message().contains("max_price_minor"), "{rejected:?}");
            rejected
        });
    // The violations are those of each tag and of their number.
    assert_invalid(outcome, &["sort", "q", "categories", "tags", "ids", "min_price_minor"]);
}
