//! Pages and cursors of lists.

use bodega_catalog::bulk::{self, NewProduct};
use bodega_proto::catalog::v1::{ListProductsRequest, ProductSort};
use tonic::Code;

use crate::test_app::{TestApp, rejection};

const SORTS: [ProductSort; 7] = [
    ProductSort::Newest,
    ProductSort::Oldest,
    ProductSort::PriceAsc,
    ProductSort::PriceDesc,
    ProductSort::NameAsc,
    ProductSort::NameDesc,
    ProductSort::Relevance,
];

fn sorted_by(sort: ProductSort, q: &str) -> ListProductsRequest {
    ListProductsRequest { q: q.to_owned(), sort: sort.into(), limit: 3, ..Default::default() }
}

/// Inserts products of which many have the same price, name or relevance.
async fn fill(app: &TestApp, products: usize) {
    let products = (0..products).map(|number| NewProduct {
        name: ["Mug", "Mug mug", "Mugs and mugwort", "Mgu muug"][number % 4].to_owned(),
        description: if number % 2 == 0 { "mug" } else { "" }.to_owned(),
        price_minor: i64::try_from(number % 3).unwrap(),
        stock: 1,
        ..NewProduct::default()
    });
    let products: Vec<_> = products.collect();
    bulk::insert_products(&app.db, "USD".parse().unwrap(), &products, |_| {}).await.unwrap();
}

#[tokio::test]
async fn pages_are_stable_while_products_are_added() {
    let app = TestApp::start().await;
    for sort in SORTS {
        for q in ["", "mug"] {
            fill(&app, 13).await;
            let mut request = sorted_by(sort, q);
            let before = app.list(ListProductsRequest { limit: 100, ..request.clone() }).await;
            let mut seen = Vec::new();
            loop {
                let (ids, next) = app.page(request.clone()).await.unwrap();
                assert!(ids.len() <= 3);
                seen.extend(ids);
                fill(&app, 2).await;
                if next.is_empty() || seen.len() > 200 {
                    break;
                }
                request.cursor = next;
            }
            let known: Vec<_> = seen.iter().filter(|id| before.contains(id)).copied().collect();
            assert_eq!(known, before, "{sort:?} {q:?}");
            sqlx::query("update catalog.products set archived_at = now()").execute(&app.db).await.unwrap();
        }
    }
}

#[tokio::test]
async fn rejects_a_cursor_of_another_list() {
    let app = TestApp::start().await;
    fill(&app, 9).await;
    let invalid = (Code::OutOfRange, "invalid_cursor".to_owned());
    for sort in SORTS {
        let (_, cursor) = app.page(sorted_by(sort, "mug")).await.unwrap();
        assert!(!cursor.is_empty());
        for other in SORTS.into_iter().filter(|other| *other != sort) {
            let request = ListProductsRequest { cursor: cursor.clone(), ..sorted_by(other, "mug") };
            assert_eq!(rejection(app.page(request).await), invalid, "{sort:?} {other:?}");
        }
    }
    // Without a query the order is never relevance.
    let (_, cursor) = app.page(sorted_by(ProductSort::Relevance, "mug")).await.unwrap();
    let request = ListProductsRequest { cursor, ..sorted_by(ProductSort::Relevance, "") };
    assert_eq!(rejection(app.page(request).await), invalid);
    for cursor in
        ["x", "bnVsbA", "e30", "☕", "eyJuYW1lX2FzYyI6WyJcdTAwMDAiLDFdfQ", "eyJuZXdlc3QiOjk5OTk5OTk5OTk5fQ"]
    {
        for sort in [ProductSort::NameAsc, ProductSort::Newest] {
            let request = ListProductsRequest { cursor: cursor.to_owned(), ..sorted_by(sort, "") };
            assert_eq!(rejection(app.page(request).await), invalid, "{cursor}");
        }
    }
}
