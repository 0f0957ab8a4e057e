//! Races of customers and admins over HTTP, with cards. `BODEGA_RACE_SEEDS` repeats them: see `deploy/testing/races/run`.

use std::time::Duration;

use bodega_stripe_double::Card;
use futures_util::{StreamExt as _, future::join_all, stream};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    payments::{PaymentTest, path_of},
    store::{Client, Response, retry_while_unavailable},
};

fn rounds() -> u64 {
    let seeds = std::env::var("BODEGA_RACE_SEEDS").ok();
    seeds.map_or(1, |seeds| seeds.parse().expect("BODEGA_RACE_SEEDS is a number"))
}

impl Client {
    /// Places an order with an idempotency key.
    async fn check_out(&self, key: &str, form: &Value) -> Response {
        let send = async || {
            let request = self.request(Method::POST, "/api/orders").header("idempotency-key", key).json(form);
            self.send(request).await
        };
        retry_while_unavailable(send).await
    }

    async fn refund(&self, order: &Value, key: &str, refund: &Value) -> Response {
        let path = format!("{}/refunds", path_of(order));
        let request = self.request(Method::POST, &path).header("idempotency-key", key).json(refund);
        self.send(request).await
    }
}

/// Registers customers, each with a unit of a product in the cart.
async fn customers(test: &PaymentTest, count: usize, product: i64) -> Vec<Client> {
    stream::iter(0..count)
        .map(async |index| {
            let customer = test.store.register(&format!("customer{index}")).await;
            customer.add_to_cart(product, 1).await.expect(200);
            customer
        })
        .buffer_unordered(8)
        .collect()
        .await
}

#[tokio::test]
async fn of_200_customers_50_pay_the_price_with_a_code_of_limit_50() {
    let test = PaymentTest::start().await;
    let admin = test.store.admin();
    let mug = admin.create_product("Mug", "20", 100_000).await;
    let customers = customers(&test, 200, mug).await;
    for round in 0..rounds() {
        let name = format!("FIFTY-{round}");
        let code =
            json!({"code": name, "title": "Sale", "class": "order", "percentOff": 10, "usageLimit": 50});
        let code = admin.post("/api/discounts", code).await.expect(201).json;
        let key = format!("key-{round}");
        let calls = customers.iter().enumerate().map(async |(index, customer)| {
            let mut form = json!({"discountCodes": [name]});
            if index % 2 == 0 {
                form["expectedTotal"] = json!(18);
            }
            (customer, customer.check_out(&key, &form).await)
        });
        let results = tokio::time::timeout(Duration::from_secs(120), join_all(calls)).await.unwrap();
        let (placed, rejected): (Vec<_>, Vec<_>) =
            results.into_iter().partition(|(_, response)| response.status == 201);
        assert_eq!((placed.len(), rejected.len()), (50, 150));
        for (_, response) in &rejected {
            assert_eq!((response.status, response.code()), (409, "discount_rejected"), "{response:?}");
            assert_eq!(response.json["errors"][0]["message"], format!("{name}: exhausted"), "{response:?}");
        }
        let charges_before = test.stripe.charges().len();
        let paid = placed.iter().map(async |(customer, order)| {
            assert_eq!(order.json["totalAmount"], 18.0, "{order:?}");
            let intent = retry_while_unavailable(async || customer.start_payment(&order.json).await).await;
            test.pay(&intent.expect(200).json, Card::Visa).await;
            customer.wait_for_order(&order.json, "paid").await;
        });
        join_all(paid).await;
        let charges = test.stripe.charges();
        assert_eq!(charges.len() - charges_before, 50);
        assert!(charges.iter().all(|charge| charge.amount == 1800), "{charges:?}");
        let found = admin.get(&format!("/api/discounts/{}", code["id"])).await.expect(200).json;
        assert_eq!(found["used"], 50);
        // The next round needs a unit in each cart.
        join_all(placed.iter().map(async |(customer, _)| customer.add_to_cart(mug, 1).await.expect(200)))
            .await;
        test.verify().await;
        let sold = 50 * (i64::try_from(round).unwrap() + 1);
        assert_eq!(admin.stock_of(mug).await, 100_000 - sold);
    }
}

#[tokio::test]
async fn of_50_parallel_refunds_of_60_percent_one_succeeds() {
    let test = PaymentTest::start().await;
    let admin = test.store.admin();
    for round in 0..rounds() {
        let (_, order) = test.paid_order(&format!("ada{round}")).await;
        let refund = json!({"amount": 23.98});
        let refunds = join_all((0..50).map(async |index| {
            let key = format!("refund-{round}-{index}");
            retry_while_unavailable(async || admin.refund(&order, &key, &refund).await).await
        }));
        let (refunded, rejected): (Vec<_>, Vec<_>) =
            refunds.await.into_iter().partition(|response| response.status == 201);
        assert_eq!(refunded.len(), 1, "{refunded:?}");
        for response in rejected {
            assert_eq!((response.status, response.code()), (409, "refund_exceeds_paid"), "{response:?}");
        }
        let found = admin.order(&order).await;
        assert_eq!((&found["payment"]["refundedAmount"], &found["status"]), (&23.98.into(), &"paid".into()));
        let charges = test.stripe.charges();
        let charge = charges.iter().find(|charge| charge.metadata["order_id"] == order["id"]).unwrap();
        assert_eq!((charge.amount, charge.amount_refunded), (3998, 2398));
        test.store.verify().await;
        assert_eq!(test.stripe.check(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_tax_that_changes_between_quote_and_order_is_named() {
    let test = PaymentTest::start().await;
    let admin = test.store.admin();
    let settings = json!({"requireShipping": false, "country": "DE", "pricesIncludeTax": false});
    admin.put("/api/settings", settings).await.expect(200);
    let set_tax = async |percentage: u32| {
        let rates = json!({"rates": [{"country": "DE", "name": "VAT", "percentage": percentage}]});
        admin.put("/api/settings/tax", rates).await.expect(200);
    };
    set_tax(19).await;
    let mug = admin.create_product("Mug", "20", 10).await;
    let ada = test.store.register("ada").await;
    ada.add_to_cart(mug, 1).await.expect(200);
    let quoted = ada.post("/api/checkout/quote", json!({})).await.expect(200).json;
    assert_eq!((&quoted["total"], &quoted["taxTotal"]), (&23.8.into(), &3.8.into()));
    set_tax(20).await;
    let expected = json!({"expectedTotal": quoted["total"]});
    let rejected = ada.post("/api/orders", expected.clone()).await.expect_problem(409, "price_changed");
    assert!(rejected.json["detail"].as_str().unwrap().starts_with("total is 24.00 USD, expected 23.80 USD"));
    let errors = rejected.json["errors"].as_array().unwrap();
    let tax = json!({"field": "taxTotal", "message": "is 4.00 USD (VAT 20 %)"});
    assert!(errors.contains(&tax), "{rejected:?}");
    set_tax(19).await;
    let order = ada.post("/api/orders", expected).await.expect(201).json;
    assert_eq!((&order["totalAmount"], &order["taxTotal"]), (&23.8.into(), &3.8.into()));
    test.verify().await;
}
