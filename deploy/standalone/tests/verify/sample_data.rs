//! A shop that has been used.

use bodega_embedded_postgres::testing::{self, TestDatabase};
use bodega_stripe_double::Card;

use crate::harness::{
    images::png,
    payments::Till,
    store::{self, Person},
};

/// The database of a shop that has been used: an order in each state, one rejected, payments in each state, pictures,
/// carts with something in them.
pub(super) async fn used() -> TestDatabase {
    testing::database("used shop", |url| async move {
        store::prepare(&url).await?;
        let till = Till::open_on(url.parse()?, &[]).await;
        till.listen();
        let shop = &till.shop;
        let admin = shop.admin();
        let mug = admin.create_product("Mug", "19.99", 500).await;
        let pot = admin.create_product("Pot", "45", 100).await;
        admin.patch(&format!("/api/products/{pot}"), serde_json::json!({"stock": 90})).await.expect(200);
        admin.add_images(mug, &[&png(), &png()]).await.expect(201);
        let ada = shop.register("ada").await;
        ada.set_avatar(&png()).await.expect(200);
        for moves in [
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
            for status in moves {
                admin.update_order_status(&order, status).await.expect(200);
            }
        }
        pay_by_card(&till, &ada, mug).await;
        ada.add_to_cart(pot, 9_000).await.expect(200);
        ada.place_order_with_key("a-key").await.expect(409);
        shop.register("grace").await.add_to_cart(mug, 3).await.expect(200);
        shop.guest().add_to_cart(mug, 1).await.expect(200);
        till.shop.stop().await;
        Ok(())
    })
    .await
}

/// Orders whose payments are open, declined, completed, refunded, and completed after the order was sent off.
async fn pay_by_card(till: &Till, buyer: &Person, product: i64) {
    let begin = async || {
        let order = buyer.buy(product, 1).await;
        let intent = buyer.begin_payment(&order).await.expect(200).json;
        (order, intent)
    };
    begin().await;
    let (order, intent) = begin().await;
    till.pay(&intent, Card::Declined).await;
    buyer.see_payment(&order, "stripe failed").await;
    let (order, intent) = begin().await;
    till.pay(&intent, Card::Visa).await;
    buyer.see_order(&order, "paid").await;
    let (order, intent) = begin().await;
    till.pay(&intent, Card::Visa).await;
    buyer.see_order(&order, "paid").await;
    buyer.cancel(&order).await.expect(200);
    buyer.see_payment(&order, "stripe refunded").await;
    let (order, intent) = begin().await;
    for status in ["confirmed", "shipped"] {
        till.shop.admin().update_order_status(&order, status).await.expect(200);
    }
    till.pay(&intent, Card::Visa).await;
    buyer.see_payment(&order, "stripe completed").await;
}
