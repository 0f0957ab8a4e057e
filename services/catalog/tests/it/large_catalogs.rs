//! Lists and searches whose work is bounded: many matches, narrow price ranges, too many searches.

use std::time::{Duration, Instant};

use bodega_proto::catalog::v1::{ListProductsRequest, ProductSort};
use futures_util::future::join_all;
use tonic::Code;

use crate::test_app::{TestApp, product, rejection, update_request};

/// 4,000 products with ids from 1: each name has `Common`, every 1,000th also `Rare`. The price of each is its id modulo 1,000.
async fn large_catalog() -> TestApp {
    let app = TestApp::start().await;
    sqlx::raw_sql(
        "insert into catalog.products (name, description, price_minor, currency, stock)
         select 'Common thing ' || n || case when n % 1000 = 0 then ' rare' else '' end, '', n % 1000, 'USD',
                case when n % 500 = 0 then 0 else 5 end
         from generate_series(1, 4000) n;
         analyze catalog.products",
    )
    .execute(&app.db)
    .await
    .unwrap();
    app
}

fn find(q: &str, sort: ProductSort) -> ListProductsRequest {
    ListProductsRequest { q: q.to_owned(), sort: sort.into(), limit: 100, ..Default::default() }
}

/// The ids from 1 to 4,000, by price.
fn by_price() -> Vec<i32> {
    let mut ids: Vec<_> = (1..=4000).collect();
    ids.sort_by_key(|id| (id % 1000, *id));
    ids
}

#[tokio::test]
async fn ranks_the_newest_of_many_matches_on_consistent_pages() {
    let app = large_catalog().await;
    let pages = app.pages(find("common", ProductSort::Relevance)).await;
    let ids = pages.concat();
    assert!(ids.len() >= 500, "{}", ids.len());
    assert!(ids[..100].iter().all(|id| *id > 3500), "{:?}", &ids[..100]);
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "no product is listed twice");
}

#[tokio::test]
async fn other_orders_list_all_of_many_matches() {
    let app = large_catalog().await;
    let oldest: Vec<_> = (1..=4000).collect();
    let newest: Vec<_> = oldest.iter().rev().copied().collect();
    assert_eq!(app.pages(find("common", ProductSort::Oldest)).await.concat(), oldest);
    assert_eq!(app.pages(find("common", ProductSort::Newest)).await.concat(), newest);
    assert_eq!(app.pages(find("common", ProductSort::PriceAsc)).await.concat(), by_price());
}

#[tokio::test]
async fn finds_all_rare_matches_among_many_products() {
    let app = large_catalog().await;
    assert_eq!(app.list(find("rare", ProductSort::Relevance)).await, [4000, 3000, 2000, 1000]);
    assert_eq!(app.list(find("common rare", ProductSort::Oldest)).await, [1000, 2000, 3000, 4000]);
    assert_eq!(app.list(find("comon rarre", ProductSort::Relevance)).await.len(), 4);
    let with_filters = ListProductsRequest {
        min_price_minor: Some(500),
        max_price_minor: Some(510),
        in_stock: Some(false),
        ..find("common", ProductSort::Relevance)
    };
    assert_eq!(app.list(with_filters).await, [3500, 2500, 1500, 500]);
}

#[tokio::test]
async fn narrow_and_wide_price_ranges_list_the_same_products_as_the_model() {
    let app = large_catalog().await;
    for (min, max) in [(0, 0), (10, 12), (100, 599), (100, 600), (5, 999), (2_000, 3_000)] {
        let request = ListProductsRequest {
            min_price_minor: Some(min),
            max_price_minor: Some(max),
            ..find("", ProductSort::Newest)
        };
        let expected: Vec<_> =
            (1..=4000).rev().filter(|id| (min..=max).contains(&i64::from(id % 1000))).collect();
        assert_eq!(app.pages(request.clone()).await.concat(), expected, "{min} to {max}");
        let sold_out = ListProductsRequest { in_stock: Some(false), ..request };
        let expected: Vec<_> = expected.into_iter().filter(|id| id % 500 == 0).collect();
        assert_eq!(app.list(sold_out).await, expected, "{min} to {max}, sold out");
    }
}

#[tokio::test]
async fn tolerates_typos_in_names_that_were_added_or_changed() {
    let app = TestApp::start().await;
    let id = app.create(product("Wooden spoon")).await.id;
    assert_eq!(app.search("spooon").await, ["Wooden spoon"]);
    let mut renamed = update_request(id);
    renamed.name = Some("Wooden ladle".to_owned());
    app.update(renamed).await.unwrap();
    assert_eq!(app.search("laddle").await, ["Wooden ladle"]);
    assert!(app.search("spooon").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_that_hang_are_rejected_and_do_not_delay_other_calls() {
    let app = large_catalog().await;
    app.search("comon").await;
    let mut transaction = app.db.begin().await.unwrap();
    // Searches with a typo wait for this lock.
    sqlx::query("lock table catalog.name_words in access exclusive mode")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let searches = join_all((0..20).map(|_| app.page(find("comon", ProductSort::Relevance))));
    let reads = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let started = Instant::now();
        for id in 1..=20 {
            app.get(id).await.unwrap();
            app.page(ListProductsRequest::default()).await.unwrap();
        }
        started.elapsed()
    };
    let started = Instant::now();
    let searches = async { (searches.await, started.elapsed()) };
    let ((searches, took), elapsed) = tokio::join!(searches, reads);
    assert!(took < Duration::from_millis(1_200), "{took:?}");
    // Without limits of their own, the searches would have used all connections for a second or more.
    assert!(elapsed < Duration::from_millis(1_000), "{elapsed:?}");
    for search in searches {
        assert_eq!(rejection(search), (Code::Unavailable, "overloaded".into()));
    }
    transaction.rollback().await.unwrap();
    assert_eq!(app.page(find("comon", ProductSort::Relevance)).await.unwrap().0.len(), 100);
}
