//! Lists of products, filtered and sorted.

use std::time::{Duration, Instant};

use bodega_catalog::bulk;
use bodega_proto::catalog::v1::{CreateProductRequest, IdOrName, ListProductsRequest};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use proptest::{collection::vec, prelude::*, test_runner::Config};
use tonic::Code;

use crate::{
    model::{self, Item, Model, NAMES},
    test_app::{TestApp, assert_invalid, by_id, by_name, product, rejection},
};

/// Number of concurrent requests.
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
    let app = TestApp::start().await;
    let names = NAMES.map(str::to_owned);
    let categories = bulk::categories(&app.db, &names).await.unwrap();
    let tags = bulk::tags(&app.db, &names).await.unwrap();
    let new = Model::to_new(&items, &categories, &tags);
    let ids = bulk::insert_products(&app.db, "USD".parse().unwrap(), &new, |_| {}).await.unwrap();
    let model = Model::new(items, ids, categories, tags);
    for id in model.archived() {
        app.archive(id).await;
    }
    let checked = stream::iter(requests).map(|request| check(&app, &model, request));
    checked.buffer_unordered(CONCURRENCY).try_collect().await
}

/// Checks a list as one page and page by page.
async fn check(app: &TestApp, model: &Model, request: ListProductsRequest) -> Result<(), TestCaseError> {
    let on_one_page = ListProductsRequest { limit: 100, ..request.clone() };
    let (listed, next) = app.page(on_one_page).await.unwrap();
    prop_assert_eq!(next, "");
    let checked = model.check(&request, &listed);
    checked.map_err(|error| TestCaseError::fail(format!("{error}\n{request:?}\n{listed:?}")))?;

    let pages = app.pages(request.clone()).await;
    prop_assert_eq!(pages.concat(), listed, "{:?}", request);
    let limit = if request.limit == 0 { 20 } else { usize::try_from(request.limit).unwrap() };
    let (last, full) = pages.split_last().unwrap();
    prop_assert!(full.iter().all(|page| page.len() == limit) && last.len() <= limit, "{:?}", pages);
    prop_assert!(full.is_empty() || !last.is_empty(), "{:?}", pages);
    Ok(())
}

#[tokio::test]
async fn lists_return_complete_products() {
    let app = TestApp::start().await;
    let tags = vec![app.create_tag("red").await, app.create_tag("big").await];
    let created = app
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
        let response = app.client_of(None).list_products(request).await.unwrap().into_inner();
        assert_eq!(response.products, std::slice::from_ref(&created));
    }
}

#[tokio::test]
async fn the_default_page_size_is_twenty() {
    let app = TestApp::start().await;
    for _ in 0..21 {
        app.create(product("Mug")).await;
    }
    let (ids, next) = app.page(ListProductsRequest::default()).await.unwrap();
    assert_eq!(ids.len(), 20);
    assert!(!next.is_empty());
    let (ids, next) = app.page(ListProductsRequest { limit: 21, ..Default::default() }).await.unwrap();
    assert_eq!((ids.len(), next.as_str()), (21, ""));
    for limit in [-1, 101] {
        let outcome = app.page(ListProductsRequest { limit, ..Default::default() }).await;
        assert_eq!(rejection(outcome), (Code::OutOfRange, "invalid_limit".to_owned()));
    }
}

#[tokio::test]
async fn filters_by_fifty_tags_within_a_second() {
    let app = TestApp::start().await;
    let mut tag_ids = Vec::new();
    for number in 0..50 {
        tag_ids.push(app.create_tag(&format!("tag {number}")).await);
    }
    let all = app.create(CreateProductRequest { tag_ids: tag_ids.clone(), ..product("All") }).await.id;
    app.create(CreateProductRequest { tag_ids: tag_ids[1..].to_vec(), ..product("Most") }).await;
    let mut tags: Vec<_> = tag_ids.into_iter().map(by_id).collect();
    let mut durations = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        assert_eq!(app.list(ListProductsRequest { tags: tags.clone(), ..Default::default() }).await, [all]);
        durations.push(started.elapsed());
    }
    // Fifty joins take the planner three seconds. The fastest run is not slowed down by concurrent tests.
    assert!(durations.iter().min() < Some(&Duration::from_secs(1)), "{durations:?}");
    tags[49] = by_name("none such");
    assert!(app.list(ListProductsRequest { tags, ..Default::default() }).await.is_empty());
}

#[tokio::test]
async fn rejects_a_list_with_all_invalid_filters() {
    let app = TestApp::start().await;
    let outcome = app
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
