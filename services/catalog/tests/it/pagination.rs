//! Cursors: true while products come, and of one list only.

use bodega_catalog::bulk::{self, NewProduct};
use bodega_proto::catalog::v1::{ListProductsRequest, ProductSort};
use tonic::Code;

use crate::test_catalog::{Shop, refusal};

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

/// Products whose prices, names and relevance meet often.
async fn fill(shop: &Shop, products: usize) {
    let products = (0..products).map(|number| NewProduct {
        name: ["Mug", "Mug mug", "Mugs and mugwort", "Mgu muug"][number % 4].to_owned(),
        description: if number % 2 == 0 { "mug" } else { "" }.to_owned(),
        price_minor: i64::try_from(number % 3).unwrap(),
        stock: 1,
        category_id: None,
        tag_ids: Vec::new(),
        image_url: None,
    });
    let products: Vec<_> = products.collect();
    bulk::insert_products(&shop.db, "USD".parse().unwrap(), &products, |_| {}).await.unwrap();
}

#[tokio::test]
async fn pages_miss_and_repeat_nothing_while_products_are_added() {
    let shop = Shop::open().await;
    for sort in SORTS {
        for q in ["", "mug"] {
            fill(&shop, 13).await;
            let mut request = sorted_by(sort, q);
            let before = shop.list(ListProductsRequest { limit: 100, ..request.clone() }).await;
            let mut seen = Vec::new();
            loop {
                let (ids, next) = shop.page(request.clone()).await.unwrap();
                assert!(ids.len() <= 3);
                seen.extend(ids);
                fill(&shop, 2).await;
                if next.is_empty() || seen.len() > 200 {
                    break;
                }
                request.cursor = next;
            }
            let known: Vec<_> = seen.iter().filter(|id| before.contains(id)).copied().collect();
            assert_eq!(known, before, "{sort:?} {q:?}");
            sqlx::query("update catalog.products set archived_at = now()").execute(&shop.db).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let shop = Shop::open().await;
    fill(&shop, 9).await;
    let invalid = (Code::OutOfRange, "invalid_cursor".to_owned());
    for sort in SORTS {
        let (_, cursor) = shop.page(sorted_by(sort, "mug")).await.unwrap();
        assert!(!cursor.is_empty());
        for other in SORTS.into_iter().filter(|other| *other != sort) {
            let request = ListProductsRequest { cursor: cursor.clone(), ..sorted_by(other, "mug") };
            assert_eq!(refusal(shop.page(request).await), invalid, "{sort:?} {other:?}");
        }
    }
    // Relevance means nothing without a query.
    let (_, cursor) = shop.page(sorted_by(ProductSort::Relevance, "mug")).await.unwrap();
    let request = ListProductsRequest { cursor, ..sorted_by(ProductSort::Relevance, "") };
    assert_eq!(refusal(shop.page(request).await), invalid);
    for cursor in
        ["x", "bnVsbA", "e30", "☕", "eyJuYW1lX2FzYyI6WyJcdTAwMDAiLDFdfQ", "eyJuZXdlc3QiOjk5OTk5OTk5OTk5fQ"]
    {
        for sort in [ProductSort::NameAsc, ProductSort::Newest] {
            let request = ListProductsRequest { cursor: cursor.to_owned(), ..sorted_by(sort, "") };
            assert_eq!(refusal(shop.page(request).await), invalid, "{cursor}");
        }
    }
}
