//! An order that is shipped in two parcels and refunded in parts.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    payments::path_of,
    store::{Client, Response, TestStore},
};

/// An amount with two decimals.
fn in_cents(amount: &Value) -> i64 {
    let text = amount.to_string();
    let (whole, decimals) = text.split_once('.').unwrap();
    format!("{whole}{decimals:0<2}").parse().unwrap()
}

/// The products of the order, with the amounts 46.91 for three mugs, 19.56 for two books and 4.90 for shipping.
struct Sale {
    store: TestStore,
    ada: Client,
    mug: i64,
    book: i64,
    order: Value,
}

impl Sale {
    async fn create() -> Self {
        let store = TestStore::start().await;
        let (admin, ada) = (store.admin(), store.register("ada").await);
        let settings = json!({"requireShipping": true, "country": "DE", "pricesIncludeTax": true});
        admin.put("/api/settings", settings).await.expect(200);
        let rates = json!({"rates": [
            {"country": "DE", "name": "VAT", "percentage": 19},
            {"country": "DE", "taxClass": "reduced", "name": "VAT", "percentage": 7}
        ]});
        admin.put("/api/settings/tax", rates).await.expect(200);
        for discount in [
            json!({"title": "Lines", "class": "line", "percentOff": 10}),
            json!({"title": "Order", "class": "order", "amountOff": 10}),
        ] {
            admin.post("/api/discounts", discount).await.expect(201);
        }
        let zone = json!({
            "name": "Germany", "places": [{"country": "DE"}], "methods": [{"title": "Parcel", "rates": [{"price": 4.90}]}]
        });
        let zone = admin.post("/api/shipping-zones", zone).await.expect(201).json;
        let mug = admin.create_product("Mug", "19.99", 10).await;
        let book = admin.create_product("Book", "12.50", 10).await;
        admin.patch(&format!("/api/variants/{book}"), json!({"taxClass": "reduced"})).await.expect(200);
        ada.add_to_cart(mug, 3).await.expect(200);
        ada.add_to_cart(book, 2).await.expect(200);
        let form = json!({
            "shippingAddress": {"name": "Ada", "line1": "1 Main St", "city": "Berlin", "country": "DE"},
            "shippingMethod": zone["methods"][0]["id"]
        });
        let order = ada.post("/api/orders", form).await.expect(201).json;
        assert_eq!(order["totalAmount"], json!(71.37));
        admin.update_order_status(&order, "paid").await.expect(200);
        Self { store, ada, mug, book, order }
    }

    async fn ship(&self, shipment: Value) -> Response {
        self.store.admin().post(&format!("{}/shipments", path_of(&self.order)), shipment).await
    }

    async fn refund(&self, key: &str, refund: Value) -> Response {
        let admin = self.store.admin();
        let request = admin.request(Method::POST, &format!("{}/refunds", path_of(&self.order)));
        admin.send(request.header("idempotency-key", key).json(&refund)).await
    }

    async fn current(&self) -> Value {
        self.ada.get(&path_of(&self.order)).await.expect(200).json
    }

    async fn stock(&self) -> (i64, i64) {
        (self.store.guest().stock_of(self.mug).await, self.store.guest().stock_of(self.book).await)
    }
}

#[tokio::test]
async fn is_shipped_when_the_last_parcel_has_left() {
    let sale = Sale::create().await;
    let (mug, book) = (sale.mug, sale.book);
    let parcel =
        json!({"lines": [{"variantId": mug, "quantity": 2}], "carrier": "DHL", "trackingNumber": "1"});
    sale.ship(parcel.clone()).await.expect(201);
    assert_eq!(sale.current().await["status"], "paid");
    let rejected = sale.ship(parcel).await.expect_problem(409, "shipment_exceeds_order");
    assert_eq!(rejected.error_fields(), ["lines[0].quantity"]);
    sale.ada
        .post(&format!("{}/cancel", path_of(&sale.order)), json!({}))
        .await
        .expect_problem(409, "invalid_transition");
    let order = sale.store.admin().update_order_status(&sale.order, "shipped").await.expect(200).json;
    assert_eq!(order["status"], "shipped");
    assert_eq!(
        order["shipments"][1]["lines"],
        json!([{"variantId": mug, "quantity": 1}, {"variantId": book, "quantity": 2}])
    );
    sale.store.verify().await;
}

#[tokio::test]
async fn refunds_in_parts_return_exactly_what_was_paid() {
    let sale = Sale::create().await;
    let (mug, book) = (sale.mug, sale.book);
    sale.ship(json!({})).await.expect(201);
    assert_eq!(sale.stock().await, (7, 8));
    let mut cents = 0;
    for (key, refund, amount, tax, stock) in [
        ("mug", json!({"lines": [{"variantId": mug, "quantity": 1}], "restock": true}), 1564, 250, (8, 8)),
        ("book", json!({"lines": [{"variantId": book, "quantity": 1}]}), 978, 64, (8, 8)),
        ("amount", json!({"amount": "5.55"}), 555, 76, (8, 8)),
        ("shipping", json!({"shipping": true}), 431, 56, (8, 8)),
        (
            "rest",
            json!({"lines": [{"variantId": mug, "quantity": 2}, {"variantId": book, "quantity": 1}], "restock": true}),
            3609,
            495,
            (10, 9),
        ),
    ] {
        let refunded = sale.refund(key, refund.clone()).await.expect(201).json;
        assert_eq!((in_cents(&refunded["amount"]), in_cents(&refunded["tax"])), (amount, tax), "{key}");
        assert_eq!(sale.refund(key, refund).await.expect(201).json["id"], refunded["id"], "{key}");
        assert_eq!(sale.stock().await, stock, "{key}");
        cents += amount;
        let order = sale.current().await;
        let status = if cents == 7137 { "refunded" } else { "partially_refunded" };
        assert_eq!(order["payment"]["status"], status, "{key}");
        assert_eq!(in_cents(&order["payment"]["refundedAmount"]), cents, "{key}");
    }
    assert_eq!(cents, 7137);
    for (key, refund, field) in
        [("more", json!({"amount": 0.01}), "amount"), ("again", json!({"shipping": true}), "shipping")]
    {
        let rejected = sale.refund(key, refund).await.expect_problem(409, "refund_exceeds_paid");
        assert_eq!(rejected.error_fields(), [field]);
    }
    assert_eq!(sale.current().await["status"], "shipped");
    sale.store.verify().await;
}
