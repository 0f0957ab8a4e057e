//! Every filter of the product list combined with every other, compared with a simple model.

use std::cmp::Ordering;

use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::harness::{responses::pluck, store::TestStore};

/// Number of concurrent requests.
const CONCURRENCY: usize = 8;
const CATEGORIES: [&str; 3] = ["Kitchen", "Home & Garden", "Toys"];
const TAGS: [&str; 3] = ["blue", "ceramic", "sale"];

/// The expected product, with the ids of its category and tags, which start at 1.
struct ModelProduct {
    id: i64,
    name: String,
    cents: i64,
    stock: i64,
    category: Option<usize>,
    tags: Vec<usize>,
}

/// A filter: its query string, and its predicate.
type Filter = (&'static str, fn(&ModelProduct) -> bool);

const BY_CATEGORY: [Filter; 5] = [
    ("", |_| true),
    ("category=1", |product| product.category == Some(1)),
    ("category=home+%26+GARDEN", |product| product.category == Some(2)),
    ("category=Kitchen&category=3", |product| matches!(product.category, Some(1 | 3))),
    ("category=none", |_| false),
];
const BY_TAG: [Filter; 4] = [
    ("", |_| true),
    ("tag=blue", |product| product.tags.contains(&1)),
    ("tag=2", |product| product.tags.contains(&2)),
    ("tag=BLUE&tag=2", |product| product.tags.contains(&1) && product.tags.contains(&2)),
];
const BY_PRICE: [Filter; 4] = [
    ("", |_| true),
    ("minPrice=5.01", |product| product.cents >= 501),
    ("maxPrice=10", |product| product.cents <= 1000),
    ("minPrice=5&maxPrice=10.00", |product| (500..=1000).contains(&product.cents)),
];
const BY_STOCK: [Filter; 3] = [
    ("", |_| true),
    ("inStock=true", |product| product.stock > 0),
    ("inStock=false", |product| product.stock == 0),
];
const BY_TEXT: [Filter; 2] = [("", |_| true), ("q=mug", |product| product.name.contains("Mug"))];

/// A sort order: its query value, and its comparison.
type Order = (&'static str, fn(&ModelProduct, &ModelProduct) -> Ordering);

const ORDERS: [Order; 4] = [
    ("sort=newest", |one, other| other.id.cmp(&one.id)),
    ("sort=oldest", |one, other| one.id.cmp(&other.id)),
    ("sort=price", |one, other| (one.cents, one.id).cmp(&(other.cents, other.id))),
    ("sort=-name", |one, other| {
        (other.name.to_lowercase(), other.id).cmp(&(one.name.to_lowercase(), one.id))
    }),
];

/// Creates 24 products that cover every category, tag, price and stock.
async fn create_products(store: &TestStore) -> Vec<ModelProduct> {
    let admin = store.admin();
    for (path, names) in [("/api/categories", CATEGORIES), ("/api/tags", TAGS)] {
        for (number, name) in (1..).zip(names) {
            let created = admin.post(path, json!({"name": name})).await.expect(201).json;
            assert_eq!(created["id"], number, "the filters expect these ids");
        }
    }
    let mut products = Vec::new();
    for index in 0..24_usize {
        let name = format!("{} {}", ["Mug", "Pot", "lamp", "Cup"][index % 4], index / 3);
        let cents = [499, 500, 750, 1000, 1999][index * 7 % 5];
        let stock = i64::from(index % 3 != 0);
        let category = Some(index % 4).filter(|category| *category > 0);
        let tags: Vec<_> = (1..=3).filter(|tag| (index / 2) & (1 << (tag - 1)) != 0).collect();
        let price = format!("{}.{:02}", cents / 100, cents % 100);
        let body =
            json!({"name": name, "price": price, "stock": stock, "categoryId": category, "tagIds": tags});
        let id = admin.post("/api/products", body).await.expect(201).json["id"].as_i64().unwrap();
        products.push(ModelProduct { id, name, cents, stock, category, tags });
    }
    products
}

#[tokio::test]
async fn combines_every_filter_with_every_other_and_every_sort_order() {
    let store = TestStore::start().await;
    let products = create_products(&store).await;
    let mut queries = Vec::new();
    for category in BY_CATEGORY {
        for tag in BY_TAG {
            for price in BY_PRICE {
                for stock in BY_STOCK {
                    for text in BY_TEXT {
                        queries.push([category, tag, price, stock, text]);
                    }
                }
            }
        }
    }
    let checks = queries.iter().enumerate().map(async |(index, filters)| {
        let (sort, compare) = ORDERS[index % ORDERS.len()];
        let mut expected: Vec<_> =
            products.iter().filter(|product| filters.iter().all(|(_, matches)| matches(product))).collect();
        expected.sort_by(|one, other| compare(one, other));
        let expected: Vec<_> = expected.iter().map(|product| product.id).collect();
        let parts = filters.iter().map(|(part, _)| *part).chain([sort, "limit=100"]);
        let query = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
        let found = store.guest().get(&format!("/api/products?{query}")).await.expect(200);
        assert_eq!(pluck(found.items(), "id"), expected, "{query}");
        expected.len()
    });
    let sizes: Vec<_> = stream::iter(checks).buffer_unordered(CONCURRENCY).collect().await;
    assert_eq!(sizes.len(), 480);
    let some = sizes.iter().filter(|size| (1..products.len()).contains(size)).count();
    assert!(some > 150, "most queries match some products: {some}");
}

/// A cursor keeps the filters of its first page.
#[tokio::test]
async fn pages_through_filtered_lists() {
    let store = TestStore::start().await;
    let products = create_products(&store).await;
    let query = "/api/products?category=Kitchen&category=3&inStock=true&minPrice=5&sort=price";
    let pages = store.guest().all_pages(&format!("{query}&limit=2")).await;
    let whole = store.guest().get(&format!("{query}&limit=100")).await.expect(200);
    assert_eq!(pages, whole.items());
    let expected = products.iter().filter(|product| {
        matches!(product.category, Some(1 | 3)) && product.stock > 0 && product.cents >= 500
    });
    assert_eq!(pages.len(), expected.count());
    assert!(pages.len() > 4);
}
