//! What the hot routes may cost, in SQL statements over all services. The begin and the end of a transaction are not
//! counted. However many lines, tags or products there are, it is never one statement for each.
//!
//! | route | statements | spent on |
//! |---|---|---|
//! | `GET /api/products` | 1 | the page |
//! | `GET /api/products/{id}` | 1 | the product |
//! | `GET /api/cart` | 2 | the lines; all their products |
//! | `POST /api/cart/add` | 4 | the lines; all their products; the cart and the line |
//! | `POST /api/orders` | 12 | see [`ORDER`] |

use bodega_embedded_postgres::testing::statements::of_request;
use reqwest::Method;
use serde_json::json;

use crate::harness::store::{Person, Response, Shop};

const LIST: usize = 1;
const DETAIL: usize = 1;
const CART: usize = 2;
const ADD: usize = 4;
/// Order: the latest attempt, begin, settle, delivered, the answer. Cart: the snapshot, and clearing what was ordered.
/// Catalog: the reservation, the locks, the stock.
const ORDER: usize = 12;

const LINES: usize = 12;

/// Sends a request; its answer, and how many statements it took.
async fn cost(
    person: &Person,
    method: Method,
    path: &str,
    body: Option<serde_json::Value>,
) -> (Response, usize) {
    let id = format!("budget-{}", uuid::Uuid::now_v7());
    of_request(&id);
    let mut request = person.request(method, path).header("x-request-id", &id);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = person.send(request).await;
    (answer, of_request(&id))
}

#[tokio::test]
async fn hot_routes_keep_their_budgets() {
    let shop = Shop::start().await;
    let mut goods = Vec::new();
    for index in 0..LINES {
        goods.push(shop.admin().create_product(&format!("Thing {index}"), "2.50", 100).await);
    }
    let ada = shop.register("ada").await;
    for product in &goods {
        ada.add_to_cart(*product, 1).await.expect(200);
    }

    // The first search of a process looks for pg_trgm.
    ada.get("/api/products?q=thing").await.expect(200);
    let (answer, statements) =
        cost(&ada, Method::GET, "/api/products?q=thing&inStock=true&limit=10", None).await;
    assert_eq!((answer.expect(200).json["items"].as_array().unwrap().len(), statements), (10, LIST));

    let (answer, statements) = cost(&ada, Method::GET, &format!("/api/products/{}", goods[0]), None).await;
    assert_eq!((answer.status, statements), (200, DETAIL));

    let (answer, statements) = cost(&ada, Method::GET, "/api/cart", None).await;
    assert_eq!((answer.expect(200).json["count"].as_u64(), statements), (Some(12), CART));

    let body = json!({"productId": goods[3], "quantity": 2});
    let (answer, statements) = cost(&ada, Method::POST, "/api/cart/add", Some(body)).await;
    assert_eq!((answer.status, statements), (200, ADD));

    let (answer, statements) = cost(&ada, Method::POST, "/api/orders", None).await;
    assert_eq!(answer.expect(201).json["products"].as_array().unwrap().len(), LINES);
    assert_eq!(statements, ORDER);
}
