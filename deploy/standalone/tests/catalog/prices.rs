//! Prices are decimal numbers, read and written exactly.

use reqwest::Method;
use serde_json::json;

use crate::harness::store::TestStore;

/// Creates a product with this price, as JSON text.
async fn create_with_price(store: &TestStore, price: &str) -> crate::harness::store::Response {
    let body = format!(r#"{{"name": "Mug", "price": {price}, "stock": 9999}}"#);
    let request =
        store.admin().request(Method::POST, "/api/products").header("content-type", "application/json");
    store.admin().send(request.body(body)).await
}

#[tokio::test]
async fn returns_prices_exactly() {
    let store = TestStore::start().await;
    for (given, expected) in [
        ("19.99", "19.99"),
        ("\"19.99\"", "19.99"),
        ("19.9", "19.90"),
        ("\"19.990\"", "19.99"),
        ("20", "20.00"),
        ("0", "0.00"),
        ("0.01", "0.01"),
        ("1e2", "100.00"),
        ("0.29", "0.29"),
        ("1.005e3", "1005.00"),
        ("4503599627.37", "4503599627.37"),
        ("9999999999.99", "9999999999.99"),
        ("10000000000.00", "10000000000.00"),
    ] {
        let created = create_with_price(&store, given).await.expect(201);
        let expected = format!(r#""price":{expected},"#);
        assert!(created.text.contains(&expected), "{given}: {created:?}");
        let read = store.guest().get(created.header("location")).await.expect(200);
        assert!(read.text.contains(&expected), "{given}: {read:?}");
    }
}

#[tokio::test]
async fn rejects_invalid_prices() {
    let store = TestStore::start().await;
    for price in [
        "19.999",
        "\"19.999\"",
        "0.001",
        "1e-3",
        "0.30000000000000004",
        "-1",
        "-0.01",
        "\"-1\"",
        "10000000000.01",
        "92233720368547758.07",
        "92233720368547758.08",
        "1e30",
        "1e400",
        "1e99999999999",
        "\"\"",
        "\"abc\"",
        "\"1,5\"",
        "\" 1\"",
        "\"+1\"",
        "\"1.\"",
        "\"0x10\"",
        "\"NaN\"",
        "null",
        "true",
        "[1]",
        "{}",
    ] {
        create_with_price(&store, price).await.expect_field_error(422, "price");
    }
    for text in ["NaN", "Infinity", ".5", "1.", "01", "+1"] {
        create_with_price(&store, text).await.expect_problem(400, "malformed_request");
    }
    assert_eq!(
        store.guest().get("/api/products").await.expect(200).text,
        r#"{"items":[],"nextCursor":null}"#
    );
}

/// Totals that a floating point number cannot represent.
#[tokio::test]
async fn large_totals_are_exact() {
    let store = TestStore::start().await;
    let expensive = create_with_price(&store, "9999999999.99").await.expect(201).json["id"].as_i64().unwrap();
    let cheap = create_with_price(&store, "0.01").await.expect(201).json["id"].as_i64().unwrap();
    let ada = store.register("ada").await;
    ada.add_to_cart(expensive, 9_999).await.expect(200);
    let cart = ada.add_to_cart(cheap, 3).await.expect(200);
    assert!(cart.text.contains(r#""lineTotal":99989999999900.01,"#), "{cart:?}");
    assert!(cart.text.contains(r#""totalPrice":99989999999900.04,"#), "{cart:?}");
    let request =
        ada.request(Method::POST, "/api/orders").json(&json!({"expectedTotal": "99989999999900.04"}));
    let order = ada.send(request).await.expect(201);
    assert!(order.text.contains(r#""totalAmount":99989999999900.04,"#), "{order:?}");
    store.verify().await;
}

/// 0.1 + 0.2 is exactly 0.30.
#[tokio::test]
async fn sums_are_exact() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    for price in ["0.10", "0.20", "0.30", "1.10", "2.20"] {
        let id = create_with_price(&store, price).await.expect(201).json["id"].as_i64().unwrap();
        ada.add_to_cart(id, 3).await.expect(200);
    }
    let cart = ada.get("/api/cart").await.expect(200);
    assert!(cart.text.contains(r#""totalPrice":11.70,"#), "{cart:?}");
    assert!(ada.place_order().await.expect(201).text.contains(r#""totalAmount":11.70,"#));
}
