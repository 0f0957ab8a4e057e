//! A database with data in every state.

use std::time::Duration;

use bodega_embedded_postgres::testing::{self, TestDatabase};
use bodega_runtime::database::Pool;
use bodega_stripe_double::Card;
use reqwest::Method;
use serde_json::json;

use crate::harness::{
    images::png,
    payments::{PaymentTest, path_of},
    store::{self, Client},
};

/// A database with an order in each status, a rejected checkout, payments in each status, orders with taxes, shipping, discounts,
/// refunds and shipments, images, and carts with items.
pub(super) async fn sample_database() -> TestDatabase {
    testing::database("used shop", |url| async move {
        store::prepare(&url).await?;
        let test = PaymentTest::start_on(url.parse()?, &[]).await;
        test.enable_webhooks();
        let store = &test.store;
        let admin = store.admin();
        let mug = admin.create_product("Mug", "19.99", 500).await;
        let pot = admin.create_product("Pot", "45", 100).await;
        admin.patch(&format!("/api/products/{pot}"), json!({"stock": 90})).await.expect(200);
        admin.add_images(mug, &[&png(), &png()]).await.expect(201);
        create_rules(admin).await;
        let ada = store.register("ada").await;
        ada.set_avatar(&png()).await.expect(200);
        for statuses in [
            &[][..],
            &["confirmed"],
            &["paid"],
            &["confirmed", "paid", "shipped", "completed"],
            &["confirmed", "shipped"],
            &["cancelled"],
            &["paid", "cancelled"],
        ] {
            ada.add_to_cart(pot, 1).await.expect(200);
            ada.add_to_cart(mug, 2).await.expect(200);
            let codes = if statuses == ["cancelled"] { json!(["SPRING"]) } else { json!([]) };
            let order = ada.post("/api/orders", json!({"discountCodes": codes})).await.expect(201).json;
            for status in statuses {
                admin.update_order_status(&order, status).await.expect(200);
            }
        }
        order_with_rules(&test, &ada, mug).await;
        let cart = store.guest().add_to_cart(mug, 1).await.expect(200).json;
        let guest = store.guest().clone().with("x-cart-token", cart["cartToken"].as_str().unwrap());
        let contact = json!({"contact": {"email": "guest@shop.example"}});
        guest.post("/api/orders", contact).await.expect(201);
        pay_by_card(&test, &ada, mug).await;
        ada.add_to_cart(pot, 9_000).await.expect(200);
        ada.place_order_with_key("a-key").await.expect(409);
        store.register("grace").await.add_to_cart(mug, 3).await.expect(200);
        store.guest().add_to_cart(mug, 1).await.expect(200);
        test.store.stop().await;
        let db = Pool::new(url.parse()?, 1, Duration::from_secs(30));
        for log in [bodega_identity::AUDIT, bodega_catalog::AUDIT, bodega_order::AUDIT] {
            log.add_segment(&db).await?;
        }
        db.close().await;
        Ok(())
    })
    .await
}

/// Places orders whose payments are open, declined, completed, refunded, and completed after shipping.
async fn pay_by_card(test: &PaymentTest, buyer: &Client, product: i64) {
    let start_payment = async || {
        let order = buyer.buy(product, 1).await;
        let intent = buyer.start_payment(&order).await.expect(200).json;
        (order, intent)
    };
    start_payment().await;
    let (order, intent) = start_payment().await;
    test.pay(&intent, Card::Declined).await;
    buyer.wait_for_payment(&order, "stripe failed").await;
    let (order, intent) = start_payment().await;
    test.pay(&intent, Card::Visa).await;
    buyer.wait_for_order(&order, "paid").await;
    let (order, intent) = start_payment().await;
    test.pay(&intent, Card::Visa).await;
    buyer.wait_for_order(&order, "paid").await;
    buyer.cancel(&order).await.expect(200);
    buyer.wait_for_payment(&order, "stripe refunded").await;
    let (order, intent) = start_payment().await;
    for status in ["confirmed", "shipped"] {
        test.store.admin().update_order_status(&order, status).await.expect(200);
    }
    test.pay(&intent, Card::Visa).await;
    buyer.wait_for_payment(&order, "stripe completed").await;
}

/// Creates a tax, a shipping method and a code with a limit.
async fn create_rules(admin: &Client) {
    let rates = json!({"rates": [{"country": "DE", "name": "VAT", "percentage": 19}]});
    admin.put("/api/settings/tax", rates).await.expect(200);
    let zone = json!({
        "name": "Germany", "places": [{"country": "DE"}],
        "methods": [{"title": "Parcel", "rates": [{"price": 4.90}]}],
    });
    admin.post("/api/shipping-zones", zone).await.expect(201);
    let code =
        json!({"code": "SPRING", "title": "Spring", "class": "order", "percentOff": 10, "usageLimit": 5});
    admin.post("/api/discounts", code).await.expect(201);
}

/// Places an order with taxes, shipping and a code while an address is required; it is paid by card, and shipped and refunded in
/// parts.
async fn order_with_rules(test: &PaymentTest, buyer: &Client, product: i64) {
    let admin = test.store.admin();
    let require_shipping = async |required: bool| {
        let settings = json!({"requireShipping": required, "pricesIncludeTax": true});
        admin.put("/api/settings", settings).await.expect(200);
    };
    require_shipping(true).await;
    let form = json!({
        "contact": {"email": "ada@shop.example"},
        "shippingAddress": {"name": "Ada", "line1": "Main St 1", "city": "Berlin", "country": "DE"},
        "shippingMethod": 1, "discountCodes": ["spring"],
    });
    buyer.add_to_cart(product, 3).await.expect(200);
    let order = buyer.post("/api/orders", form).await.expect(201).json;
    require_shipping(false).await;

    let intent = buyer.start_payment(&order).await.expect(200).json;
    test.pay(&intent, Card::Visa).await;
    buyer.wait_for_order(&order, "paid").await;
    let parcel = json!({"lines": [{"variantId": product, "quantity": 2}], "carrier": "DHL"});
    admin.post(&format!("{}/shipments", path_of(&order)), parcel).await.expect(201);
    let returned =
        json!({"lines": [{"variantId": product, "quantity": 1}], "shipping": true, "restock": true});
    let refund = admin.request(Method::POST, &format!("{}/refunds", path_of(&order)));
    let refund = refund.header("idempotency-key", "a-refund").json(&returned);
    assert_eq!(admin.send(refund).await.expect(201).json["status"], "succeeded");
}
