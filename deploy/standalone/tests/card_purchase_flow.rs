//! The whole of it, as a shop's own page would do it: lines 7, 50 to 81, 111 to 119.

use bodega_stripe_double::Card;
use image::ImageFormat;
use serde_json::json;

use crate::harness::{
    images::{encoded, photograph},
    payments::{Till, history, payment_of},
    responses::pluck,
    store::PASSWORD,
};

#[tokio::test]
async fn somebody_registers_browses_orders_pays_and_gets_it() {
    let till = Till::open().await;
    let (admin, guest) = (till.shop.admin(), till.shop.guest());
    // Lines 58, 59: the shop puts goods on its shelves, with pictures.
    let kitchen = admin.post("/api/categories", json!({"name": "Kitchen"})).await.expect(201).json;
    let body = json!({"name": "Mug", "description": "Holds 300 ml.", "price": 19.99, "stock": 5, "categoryId": kitchen["id"]});
    let mug = admin.post("/api/products", body).await.expect(201).json["id"].as_i64().unwrap();
    let pot = admin.create_product("Pot", "45", 5).await;
    admin.add_images(mug, &[&photograph(), &encoded(64, 48, ImageFormat::Png)]).await.expect(201);
    // Lines 50 to 53: somebody comes along.
    let body = json!({"name": "Ada", "email": "ada@shop.example", "password": PASSWORD});
    guest.post("/api/auth/register", body).await.expect(201);
    let ada = guest.sign_in("ada@shop.example").await;
    ada.set_avatar(&photograph()).await.expect(200);
    // Line 60: and looks around.
    let found =
        ada.get("/api/products?category=Kitchen&maxPrice=20&inStock=true&q=mug&sort=price").await.expect(200);
    assert_eq!(pluck(found.items(), "id"), [mug]);
    let shown = ada.get(&format!("/api/products/{mug}")).await.expect(200).json;
    ada.look_at(shown["images"][0]["thumbnailUrl"].as_str().unwrap()).await;
    // Lines 64 to 67: the cart.
    ada.add_to_cart(mug, 1).await.expect(200);
    ada.add_to_cart(pot, 1).await.expect(200);
    ada.put(&format!("/api/cart/items/{mug}"), json!({"quantity": 2})).await.expect(200);
    ada.delete(&format!("/api/cart/items/{pot}")).await.expect(200);
    let cart = ada.get("/api/cart").await.expect(200).json;
    assert_eq!((&cart["totalPrice"], &cart["count"]), (&json!(39.98), &json!(2)));
    // Lines 71, 78, 79: the order and its payment.
    let order = ada.place_order().await.expect(201).json;
    let intent = ada.begin_payment(&order).await.expect(200).json;
    till.pay(&intent, Card::Visa).await;
    // Lines 80, 81: it is paid by itself.
    ada.see_order(&order, "paid").await;
    // Line 73: and goes its way.
    for status in ["shipped", "completed"] {
        admin.update_order_status(&order, status).await.expect(200);
    }
    let order = ada.order(&order).await;
    assert_eq!(
        history(&order),
        ["pending", "pending requires_payment", "paid completed", "shipped", "completed"]
    );
    assert_eq!(payment_of(&order), "stripe completed");
    assert_eq!(ada.stock_of(mug).await, 3);
    till.verify().await;
}
