//! Quotes and orders with addresses, shipping, taxes and discounts.

use serde_json::{Value, json};

use super::recorder::{Recorder, Role};
use crate::harness::{payments::path_of, store::Client};

const QUOTE: &str = "/api/checkout/quote";

/// Creates a zone with two methods, taxes that prices include, and discounts with and without a code.
async fn create_rules(admin: &Client) {
    let settings = json!({"requireShipping": true, "country": "GB", "pricesIncludeTax": true});
    admin.put("/api/settings", settings).await.expect(200);
    let rates = json!({"rates": [{"country": "GB", "name": "VAT", "percentage": 20}]});
    admin.put("/api/settings/tax", rates).await.expect(200);
    let zone = json!({
        "name": "Britain", "places": [{"country": "GB"}],
        "methods": [
            {"title": "Parcel", "basis": "subtotal", "rates": [{"price": 4.90}, {"atLeast": 50, "price": 0}]},
            {"title": "Collect", "kind": "pickup", "rates": [{"price": 0}]}
        ]
    });
    admin.post("/api/shipping-zones", zone).await.expect(201);
    for discount in [
        json!({"title": "Mugs", "class": "line", "amountOff": 1, "productIds": [1]}),
        json!({"title": "Spring sale", "code": "SPRING", "class": "order", "percentOff": 10}),
        json!({"title": "Summer sale", "code": "SUMMER", "class": "order", "percentOff": 5, "endsAt": "2020-01-01T00:00:00Z"}),
    ] {
        admin.post("/api/discounts", discount).await.expect(201);
    }
}

/// A complete form with these fields besides.
fn form(fields: Value) -> Value {
    let mut form = json!({
        "contact": {"email": "ada@shop.example", "name": "Ada Lovelace"},
        "shippingAddress": {"name": "Ada", "line1": "1 Main St", "city": "London", "country": "GB"},
        "shippingMethod": 1, "discountCodes": ["spring"], "note": "Ring twice", "locale": "en-GB"
    });
    form.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap_or_default());
    form
}

#[tokio::test]
async fn checkout() {
    let mut api = Recorder::start().await;
    let user = api.client(Role::User);
    for role in [Role::Anonymous, Role::User] {
        api.send(role, "POST", QUOTE).await;
    }
    user.add_to_cart(1, 2).await.expect(200);
    user.add_to_cart(2, 1).await.expect(200);
    api.send(Role::User, "POST", QUOTE).await;
    create_rules(&api.client(Role::Admin)).await;
    for body in [
        json!({}),
        json!({"shippingAddress": {"country": "GB"}}),
        json!({"shippingAddress": {"country": "FR"}, "shippingMethod": 1}),
        json!({"discountCodes": ["SUMMER", "unknown"]}),
        json!({"shippingAddress": {"addressIndex": 0}}),
        form(json!({})),
        form(json!({"shippingMethod": 2})),
    ] {
        api.send_json(Role::User, "POST", QUOTE, body).await;
    }
    for body in [
        json!({}),
        json!({"contact": {"email": "ada"}, "billingAddress": {}}),
        json!({"shippingAddress": {"addressIndex": 0}}),
        form(json!({"shippingMethod": 9})),
        form(json!({"discountCodes": ["SUMMER", "unknown"]})),
        form(json!({"expectedTotal": 1})),
        form(json!({"expectedTotal": 43.58})),
    ] {
        let response = api.send_json(Role::User, "POST", "/api/orders", body).await;
        if response.status == 201 {
            api.send(Role::User, "GET", &path_of(&response.json)).await;
        }
    }
    user.add_to_cart(3, 1).await.expect(200);
    api.record_rejections(|path| path == QUOTE, "").await;
    api.assert_unchanged("checkout");
}
