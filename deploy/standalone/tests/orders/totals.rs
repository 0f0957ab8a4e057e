//! Worked examples of totals, in quotes and in orders.

use serde_json::{Value, json};

use crate::harness::store::{Client, TestStore};

/// Replaces the tax rates of Germany, whose prices include taxes: percentages by tax class.
async fn set_taxes(admin: &Client, rates: &[(&str, f64)]) {
    let settings = json!({"requireShipping": false, "country": "DE", "pricesIncludeTax": true});
    admin.put("/api/settings", settings).await.expect(200);
    let rate = |(class, percentage): &(&str, f64)| json!({"country": "DE", "taxClass": class, "name": "VAT", "percentage": percentage});
    let rates: Vec<_> = rates.iter().map(rate).collect();
    admin.put("/api/settings/tax", json!({"rates": rates})).await.expect(200);
}

async fn create_discount(admin: &Client, code: Option<&str>, class: &str, field: &str, value: f64) {
    let discount = json!({"title": "Sale", "code": code, "class": class, field: value});
    admin.post("/api/discounts", discount).await.expect(201);
}

/// Creates a zone with a parcel for 4.90; returns a form that uses it.
async fn parcel(admin: &Client) -> Value {
    let zone = json!({
        "name": "Germany", "places": [{"country": "DE"}], "methods": [{"title": "Parcel", "rates": [{"price": 4.90}]}]
    });
    let zone = admin.post("/api/shipping-zones", zone).await.expect(201).json;
    json!({
        "shippingAddress": {"name": "Ada", "line1": "1 Main St", "city": "Berlin", "country": "DE"},
        "shippingMethod": zone["methods"][0]["id"]
    })
}

async fn quote(client: &Client, form: &Value) -> Value {
    client.post("/api/checkout/quote", form.clone()).await.expect(200).json
}

/// Asserts the total and the tax of a quote, and that an order with the same form has all of its amounts. Returns the order.
async fn assert_total(client: &Client, form: &Value, total: f64, tax: f64) -> Value {
    let quote = quote(client, form).await;
    assert_eq!((&quote["total"], &quote["taxTotal"]), (&json!(total), &json!(tax)), "{quote}");
    let mut form = form.clone();
    form["expectedTotal"] = quote["total"].clone();
    let order = client.post("/api/orders", form).await.expect(201).json;
    assert_eq!(order["totalAmount"], quote["total"]);
    for field in ["subtotal", "discountTotal", "shippingTotal", "taxTotal", "taxes", "pricesIncludeTax"] {
        assert_eq!(order[field], quote[field], "{field}");
    }
    let amounts = |lines: &Value| {
        let lines = lines.as_array().unwrap().iter();
        lines
            .map(|line| ["lineTotal", "discount", "tax", "total"].map(|field| line[field].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(amounts(&order["products"]), amounts(&quote["lines"]));
    order
}

#[tokio::test]
async fn included_taxes_are_rounded_once() {
    let store = TestStore::start().await;
    let (admin, ada) = (store.admin(), store.register("ada").await);
    set_taxes(admin, &[("standard", 20.0)]).await;
    create_discount(admin, Some("SIX"), "order", "percentOff", 6.2).await;
    let mug = admin.create_product("Mug", "38.23", 50).await;
    for (form, total, tax) in [(json!({}), 382.30, 63.72), (json!({"discountCodes": ["six"]}), 358.60, 59.77)]
    {
        ada.add_to_cart(mug, 10).await.expect(200);
        assert_total(&ada, &form, total, tax).await;
    }
    store.verify().await;
}

#[tokio::test]
async fn discounts_reduce_the_tax_too() {
    let store = TestStore::start().await;
    let (admin, ada) = (store.admin(), store.register("ada").await);
    set_taxes(admin, &[("standard", 10.0)]).await;
    create_discount(admin, Some("TEN"), "order", "amountOff", 10.0).await;
    create_discount(admin, Some("ALL"), "order", "percentOff", 100.0).await;
    let pot = admin.create_product("Pot", "50", 9).await;
    let lamp = admin.create_product("Lamp", "399", 9).await;
    ada.add_to_cart(pot, 1).await.expect(200);
    assert_total(&ada, &json!({"discountCodes": ["TEN"]}), 40.0, 3.64).await;
    ada.add_to_cart(lamp, 1).await.expect(200);
    assert_total(&ada, &json!({"discountCodes": ["ALL"]}), 0.0, 0.0).await;
    store.verify().await;
}

#[tokio::test]
async fn two_rates_two_discounts_and_shipping_add_up() {
    let store = TestStore::start().await;
    let (admin, ada) = (store.admin(), store.register("ada").await);
    set_taxes(admin, &[("standard", 19.0), ("reduced", 7.0)]).await;
    create_discount(admin, None, "line", "percentOff", 10.0).await;
    create_discount(admin, None, "order", "amountOff", 10.0).await;
    let mug = admin.create_product("Mug", "19.99", 9).await;
    let book = admin.create_product("Book", "12.50", 9).await;
    admin.patch(&format!("/api/variants/{book}"), json!({"taxClass": "reduced"})).await.expect(200);
    let form = parcel(admin).await;
    ada.add_to_cart(mug, 3).await.expect(200);
    ada.add_to_cart(book, 2).await.expect(200);
    let order = assert_total(&ada, &form, 71.37, 9.41).await;
    assert_eq!(
        order["taxes"],
        json!([
            {"name": "VAT", "rate": 19, "taxable": 42.33, "tax": 8.04},
            {"name": "VAT", "rate": 7, "taxable": 19.63, "tax": 1.37}
        ])
    );
    store.verify().await;
}

#[tokio::test]
async fn a_change_of_taxes_between_quote_and_order_is_reported() {
    let store = TestStore::start().await;
    let (admin, ada) = (store.admin(), store.register("ada").await);
    set_taxes(admin, &[("standard", 19.0)]).await;
    let settings = json!({"requireShipping": false, "country": "DE", "pricesIncludeTax": false});
    admin.put("/api/settings", settings).await.expect(200);
    let mug = admin.create_product("Mug", "10", 9).await;
    ada.add_to_cart(mug, 1).await.expect(200);
    let form = json!({"expectedTotal": quote(&ada, &json!({})).await["total"]});
    assert_eq!(form["expectedTotal"], json!(11.9));
    let rates = json!({"rates": [{"country": "DE", "name": "VAT", "percentage": 20}]});
    admin.put("/api/settings/tax", rates).await.expect(200);
    let changed = ada.post("/api/orders", form).await.expect_problem(409, "price_changed");
    assert!(changed.error_fields().contains(&"taxTotal"), "{changed:?}");
    assert_eq!(store.guest().stock_of(mug).await, 9);
    assert_total(&ada, &json!({}), 12.0, 2.0).await;
    store.verify().await;
}
