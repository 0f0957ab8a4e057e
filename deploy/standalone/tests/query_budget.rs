//! SQL statements and transactions of the hot routes, over all services. Each transaction is one `BEGIN` and one `COMMIT`.
//! The numbers do not depend on the number of lines, tags or products, and no connection has to be checked.
//!
//! | route | statements | transactions | used for |
//! |---|---|---|---|
//! | `GET /api/products` | 0 | 0 | 1 for a page that is not in the cache |
//! | `GET /api/products/{id}` | 0 | 0 | 1 for a product that is not in the cache |
//! | `GET /api/cart` | 1 | 0 | the lines; their products are in the cache |
//! | `POST /api/cart/add` | 1 | 0 | the cart and the line |
//! | `POST /api/orders` | 7 | 0 | see [`ORDER`]; 8 in a store with taxes, shipping or discounts |
//! | `POST /api/checkout/quote` | 2 | 0 | the lines of the cart; taxes, shipping and discounts |

use bodega_embedded_postgres::testing::statements::{Counts, of_request};
use reqwest::Method;
use serde_json::json;

use crate::harness::store::{Client, Response, TestStore};

const READ: Counts = Counts::of(1, 0);
const CACHED: Counts = Counts::of(0, 0);
const CART: Counts = Counts::of(1, 0);
const ADD: Counts = Counts::of(1, 0);
/// Order: reads the latest checkout, starts a checkout, places the order, and deletes the delivery after the response. Cart: reads
/// the snapshot, and removes ordered items. Catalog: reserves the stock.
const ORDER: Counts = Counts::of(7, 0);

/// As [`ORDER`]. Order: reads settings, taxes, shipping methods and discounts.
const ORDER_WITH_RULES: Counts = Counts::of(8, 0);
const QUOTE: Counts = Counts::of(2, 0);

const LINES: usize = 12;

/// Sends a request; returns the response, and what it sent to the database.
async fn send_counted(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<serde_json::Value>,
) -> (Response, Counts) {
    let id = format!("budget-{}", uuid::Uuid::now_v7());
    of_request(&id);
    let mut request = client.request(method, path).header("x-request-id", &id);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = client.send(request).await;
    (response, of_request(&id))
}

/// Sends a request until it stays within its budget: on a busy machine the cache may not be confirmed in time.
async fn send_within(
    budget: Counts,
    client: &Client,
    method: Method,
    path: &str,
    body: Option<serde_json::Value>,
) -> Response {
    for _ in 0..100 {
        let (response, counts) = send_counted(client, method.clone(), path, body.clone()).await;
        if counts == budget {
            return response.expect(200);
        }
    }
    panic!("{method} {path} never stays within {budget:?}");
}

#[tokio::test]
async fn hot_routes_stay_within_their_query_budgets() {
    // Rate limits cost no statement.
    let store = TestStore::start_with_rate_limits().await;
    let mut products = Vec::new();
    for index in 0..LINES {
        products.push(store.admin().create_product(&format!("Thing {index}"), "2.50", 100).await);
    }
    let ada = store.register("ada").await;
    for product in &products {
        ada.add_to_cart(*product, 1).await.expect(200);
    }

    // The first search of a process checks for pg_trgm.
    ada.get("/api/products?q=thing").await.expect(200);
    let list = "/api/products?q=thing&inStock=true&limit=10";
    let (response, counts) = send_counted(&ada, Method::GET, list, None).await;
    assert_eq!((response.expect(200).json["items"].as_array().unwrap().len(), counts), (10, READ));
    let response = send_within(CACHED, &ada, Method::GET, list, None).await;
    assert_eq!(response.json["items"].as_array().unwrap().len(), 10);

    let detail = format!("/api/products/{}", store.admin().create_product("Pen", "1.00", 1).await);
    let (response, counts) = send_counted(&ada, Method::GET, &detail, None).await;
    assert_eq!((response.status, counts), (200, READ));
    send_within(CACHED, &ada, Method::GET, &detail, None).await;

    let response = send_within(CART, &ada, Method::GET, "/api/cart", None).await;
    assert_eq!(response.json["count"].as_u64(), Some(12));
    let body = json!({"productId": products[3], "quantity": 1});
    send_within(ADD, &ada, Method::POST, "/api/cart/add", Some(body)).await;

    let (response, counts) = send_counted(&ada, Method::POST, "/api/orders", None).await;
    assert_eq!(response.expect(201).json["products"].as_array().unwrap().len(), LINES);
    // The delivery may not be deleted yet.
    assert!([ORDER, Counts::of(6, 0)].contains(&counts), "{counts:?}");
}

#[tokio::test]
async fn orders_with_addresses_shipping_taxes_and_discounts_stay_within_their_query_budget() {
    let store = TestStore::start_with_rate_limits().await;
    let admin = store.admin();
    let settings = json!({"requireShipping": true, "country": "GB", "pricesIncludeTax": true});
    admin.put("/api/settings", settings).await.expect(200);
    let rates = json!({"rates": [{"country": "GB", "name": "VAT", "percentage": 20}]});
    admin.put("/api/settings/tax", rates).await.expect(200);
    let methods = json!([{"title": "Parcel", "basis": "subtotal", "rates": [{"price": 4.90}]}]);
    let zone = json!({"name": "Britain", "places": [{"country": "GB"}], "methods": methods});
    let zone = admin.post("/api/shipping-zones", zone).await.expect(201).json;
    for discount in [
        json!({"title": "Sale", "class": "line", "percentOff": 5}),
        json!({"title": "Spring", "code": "SPRING", "class": "order", "percentOff": 10, "usageLimit": 5}),
    ] {
        admin.post("/api/discounts", discount).await.expect(201);
    }
    let ada = store.register("ada").await;
    for index in 0..LINES {
        let product = admin.create_product(&format!("Thing {index}"), "2.50", 100).await;
        ada.add_to_cart(product, 1).await.expect(200);
    }
    let body = json!({
        "contact": {"email": "ada@shop.example"},
        "shippingAddress": {"name": "Ada", "line1": "1 Main St", "city": "London", "country": "GB"},
        "shippingMethod": zone["methods"][0]["id"], "discountCodes": ["spring"], "note": "Ring twice",
    });
    let path = "/api/checkout/quote";
    let quote = send_within(QUOTE, &ada, Method::POST, path, Some(body.clone())).await.json;

    let (response, counts) = send_counted(&ada, Method::POST, "/api/orders", Some(body)).await;
    let order = response.expect(201).json;
    assert_eq!((&order["totalAmount"], &order["taxes"]), (&quote["total"], &quote["taxes"]));
    // The delivery may not be deleted yet.
    assert!([ORDER_WITH_RULES, Counts::of(7, 0)].contains(&counts), "{counts:?}");
}
