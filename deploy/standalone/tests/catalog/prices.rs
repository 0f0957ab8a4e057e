//! Prices: line 42, "Decimal"; the "Money" shape of the contract: read and written exactly.

use reqwest::Method;
use serde_json::json;

use crate::harness::store::Shop;

/// A product whose price is this text of JSON; what is answered.
async fn priced(shop: &Shop, price: &str) -> crate::harness::store::Response {
    let body = format!(r#"{{"name": "Mug", "price": {price}, "stock": 9999}}"#);
    let request =
        shop.admin().request(Method::POST, "/api/products").header("content-type", "application/json");
    shop.admin().send(request.body(body)).await
}

#[tokio::test]
async fn a_price_comes_back_as_it_went_in_to_the_last_decimal() {
    let shop = Shop::start().await;
    for (given, shown) in [
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
        let made = priced(&shop, given).await.expect(201);
        let shown = format!(r#""price":{shown},"#);
        assert!(made.text.contains(&shown), "{given}: {made:?}");
        let read = shop.guest().get(made.header("location")).await.expect(200);
        assert!(read.text.contains(&shown), "{given}: {read:?}");
    }
}

#[tokio::test]
async fn a_price_that_is_no_amount_of_the_currency_is_refused() {
    let shop = Shop::start().await;
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
        priced(&shop, price).await.expect_refused(422, "price");
    }
    for text in ["NaN", "Infinity", ".5", "1.", "01", "+1"] {
        priced(&shop, text).await.expect_problem(400, "malformed_request");
    }
    assert_eq!(shop.guest().get("/api/products").await.expect(200).text, r#"{"items":[]}"#);
}

/// Totals beyond what a binary number with 53 bits can hold.
#[tokio::test]
async fn totals_are_exact_however_large() {
    let shop = Shop::start().await;
    let dear = priced(&shop, "9999999999.99").await.expect(201).json["id"].as_i64().unwrap();
    let cheap = priced(&shop, "0.01").await.expect(201).json["id"].as_i64().unwrap();
    let ada = shop.register("ada").await;
    ada.add_to_cart(dear, 9_999).await.expect(200);
    let cart = ada.add_to_cart(cheap, 3).await.expect(200);
    assert!(cart.text.contains(r#""lineTotal":99989999999900.01,"#), "{cart:?}");
    assert!(cart.text.contains(r#""totalPrice":99989999999900.04,"#), "{cart:?}");
    let insisting =
        ada.request(Method::POST, "/api/orders").json(&json!({"expectedTotal": "99989999999900.04"}));
    let order = ada.send(insisting).await.expect(201);
    assert!(order.text.contains(r#""totalAmount":99989999999900.04,"#), "{order:?}");
    shop.verify().await;
}

/// 0.1 + 0.2 is 0.30, as often as one likes.
#[tokio::test]
async fn sums_do_not_drift() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    for price in ["0.10", "0.20", "0.30", "1.10", "2.20"] {
        let id = priced(&shop, price).await.expect(201).json["id"].as_i64().unwrap();
        ada.add_to_cart(id, 3).await.expect(200);
    }
    let cart = ada.get("/api/cart").await.expect(200);
    assert!(cart.text.contains(r#""totalPrice":11.70,"#), "{cart:?}");
    assert!(ada.place_order().await.expect(201).text.contains(r#""totalAmount":11.70,"#));
}
