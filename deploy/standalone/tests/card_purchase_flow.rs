//! A purchase by card with images, as a web shop does it.

use bodega_stripe_double::Card;
use image::ImageFormat;
use serde_json::json;

use crate::harness::{
    images::{encoded, photo_with_location},
    payments::{PaymentTest, history, payment_of},
    responses::pluck,
    store::PASSWORD,
};

#[tokio::test]
async fn a_user_registers_browses_orders_pays_and_receives() {
    let test = PaymentTest::start().await;
    let (admin, guest) = (test.store.admin(), test.store.guest());
    // An admin creates products with images.
    let kitchen = admin.post("/api/categories", json!({"name": "Kitchen"})).await.expect(201).json;
    let body = json!({"name": "Mug", "description": "Holds 300 ml.", "price": 19.99, "stock": 5, "categoryId": kitchen["id"]});
    let mug = admin.post("/api/products", body).await.expect(201).json["id"].as_i64().unwrap();
    let pot = admin.create_product("Pot", "45", 5).await;
    admin.add_images(mug, &[&photo_with_location(), &encoded(64, 48, ImageFormat::Png)]).await.expect(201);
    // A user registers.
    let body = json!({"name": "Ada", "email": "ada@shop.example", "password": PASSWORD});
    guest.post("/api/auth/register", body).await.expect(201);
    let ada = guest.sign_in("ada@shop.example").await;
    ada.set_avatar(&photo_with_location()).await.expect(200);
    // The user searches for products.
    let found =
        ada.get("/api/products?category=Kitchen&maxPrice=20&inStock=true&q=mug&sort=price").await.expect(200);
    assert_eq!(pluck(found.items(), "id"), [mug]);
    let shown = ada.get(&format!("/api/products/{mug}")).await.expect(200).json;
    ada.fetch_image(shown["images"][0]["thumbnailUrl"].as_str().unwrap()).await;
    // The user fills the cart.
    ada.add_to_cart(mug, 1).await.expect(200);
    ada.add_to_cart(pot, 1).await.expect(200);
    ada.put(&format!("/api/cart/items/{mug}"), json!({"quantity": 2})).await.expect(200);
    ada.delete(&format!("/api/cart/items/{pot}")).await.expect(200);
    let cart = ada.get("/api/cart").await.expect(200).json;
    assert_eq!((&cart["totalPrice"], &cart["count"]), (&json!(39.98), &json!(2)));
    // The user places the order and starts the payment.
    let order = ada.place_order().await.expect(201).json;
    let intent = ada.start_payment(&order).await.expect(200).json;
    test.pay(&intent, Card::Visa).await;
    // The webhook marks the order as paid.
    ada.wait_for_order(&order, "paid").await;
    // The admin ships and completes the order.
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
    test.verify().await;
}
