//! Settings, taxes, shipping zones and discounts.

use serde_json::json;

use super::recorder::{Recorder, Role};

#[tokio::test]
async fn settings() {
    let mut api = Recorder::start().await;
    api.send(Role::Admin, "GET", "/api/settings").await;
    let settings = json!({"requireShipping": false, "country": "DE", "pricesIncludeTax": true});
    api.send_json(Role::Admin, "PUT", "/api/settings", settings).await;
    api.send(Role::Admin, "GET", "/api/settings").await;
    api.send(Role::Admin, "GET", "/api/settings/tax").await;
    let rates = json!({"rates": [
        {"country": "DE", "name": "VAT", "percentage": 19},
        {"country": "US", "region": "ny", "taxClass": "clothing", "name": "Sales tax", "percentage": "8.875"}
    ]});
    api.send_json(Role::Admin, "PUT", "/api/settings/tax", rates).await;
    api.send(Role::Admin, "GET", "/api/settings/tax").await;
    api.record_rejections(|path| path.starts_with("/api/settings"), "").await;
    api.assert_unchanged("settings");
}

#[tokio::test]
async fn shipping_zones() {
    let mut api = Recorder::start().await;
    let zone = json!({
        "name": "Germany", "places": [{"country": "DE"}, {"country": "AT", "region": "Tyrol"}],
        "methods": [
            {"title": "Parcel", "basis": "subtotal", "rates": [{"atLeast": 50, "price": 0}, {"price": 4.90}]},
            {"title": "Collect", "kind": "pickup", "rates": [{"price": 0}]}
        ]
    });
    let path = "/api/shipping-zones";
    for _ in 0..2 {
        api.send_json(Role::Admin, "POST", path, zone.clone()).await;
    }
    api.send(Role::Admin, "GET", path).await;
    let other = json!({"name": "Austria", "places": [{"country": "AT"}], "methods": []});
    api.send_json(Role::Admin, "POST", path, other.clone()).await;
    api.send(Role::Admin, "GET", "/api/shipping-zones/1").await;
    api.send_json(Role::Admin, "PUT", "/api/shipping-zones/1", zone.clone()).await;
    api.send_json(Role::Admin, "PUT", "/api/shipping-zones/1", other).await;
    api.record_rejections(|path| path.starts_with("/api/shipping-zones"), "").await;
    api.send(Role::Admin, "DELETE", "/api/shipping-zones/1").await;
    api.send(Role::Admin, "GET", "/api/shipping-zones/1").await;
    api.assert_unchanged("shipping_zones");
}

#[tokio::test]
async fn discounts() {
    let mut api = Recorder::start().await;
    let discount = json!({
        "code": "spring", "title": "Spring sale", "class": "order", "percentOff": 10, "minSubtotal": 20,
        "oncePerCustomer": true, "usageLimit": 50, "startsAt": "2026-03-01T00:00:00Z", "productIds": [2, 1]
    });
    let path = "/api/discounts";
    for _ in 0..2 {
        api.send_json(Role::Admin, "POST", path, discount.clone()).await;
    }
    let automatic = json!({"title": "Sale", "class": "line", "amountOff": 1.5, "active": false});
    let created = api.send_json(Role::Admin, "POST", path, automatic.clone()).await;
    let other = created.header("location").to_owned();
    let neither = json!({"title": "Sale", "class": "line"});
    api.send_json(Role::Admin, "POST", path, neither).await;
    for query in ["", "?limit=1", "?code=Spring", "?code=none", "?limit=0", "?cursor=x"] {
        api.send(Role::Admin, "GET", &format!("{path}{query}")).await;
    }
    api.send(Role::Admin, "GET", "/api/discounts/1").await;
    api.send_json(Role::Admin, "PUT", &other, discount).await;
    api.send_json(Role::Admin, "PUT", &other, automatic).await;
    api.record_rejections(|path| path.starts_with("/api/discounts"), "").await;
    api.send(Role::Admin, "DELETE", "/api/discounts/1").await;
    api.send(Role::Admin, "GET", "/api/discounts/1").await;
    api.assert_unchanged("discounts");
}
