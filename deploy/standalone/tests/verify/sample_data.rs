//! A database with data in every state.

use std::time::Duration;

use bodega_embedded_postgres::testing::{self, TestDatabase};
use bodega_runtime::database::Pool;
use bodega_stripe_double::Card;

use crate::harness::{
    images::png,
    payments::PaymentTest,
    store::{self, Client},
};

/// A database with an order in each status, a rejected checkout, payments in each status, images, and carts with items.
pub(super) async fn sample_database() -> TestDatabase {
    testing::database("used shop", |url| async move {
        store::prepare(&url).await?;
        let test = PaymentTest::start_on(url.parse()?, &[]).await;
        test.enable_webhooks();
        let store = &test.store;
        let admin = store.admin();
        let mug = admin.create_product("Mug", "19.99", 500).await;
        let pot = admin.create_product("Pot", "45", 100).await;
        admin.patch(&format!("/api/products/{pot}"), serde_json::json!({"stock": 90})).await.expect(200);
        admin.add_images(mug, &[&png(), &png()]).await.expect(201);
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
            let order = ada.buy(mug, 2).await;
            for status in statuses {
                admin.update_order_status(&order, status).await.expect(200);
            }
        }
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
