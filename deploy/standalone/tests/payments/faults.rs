//! Many clients, and a Stripe that loses a third of its responses after executing the request.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bodega_stripe_double::{Card, Fault, IntentStatus, Operation};
use futures_util::future::join_all;
use serde_json::Value;

use crate::harness::{
    payments::{PaymentTest, payment_of},
    store::{Client, Response},
};

const CLIENTS: usize = 8;
/// Orders per client.
const ORDERS_PER_CLIENT: usize = 8;
/// Share of lost responses.
const LOST_RESPONSES: f64 = 0.3;

/// Retries while the response is 503, for up to a minute.
async fn retry_on_503(call: impl AsyncFn() -> Response) -> Response {
    let started = Instant::now();
    loop {
        let response = call().await;
        if response.status != 503 {
            return response;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{response:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Places and pays orders; cancels every fourth one.
async fn buy_and_pay(test: &PaymentTest, client: &Client, product: i64, index: usize) -> Vec<Value> {
    let mut orders = Vec::new();
    for round in 0..ORDERS_PER_CLIENT {
        let quantity = u32::try_from(1 + (index + round) % 3).unwrap();
        let order = client.buy(product, quantity).await;
        let intent = retry_on_503(async || client.start_payment(&order).await).await.expect(200).json;
        assert_eq!(test.pay(&intent, Card::Visa).await, "succeeded");
        if is_cancelled(round) {
            client.cancel(&order).await.expect(200);
        }
        orders.push(order);
    }
    orders
}

fn is_cancelled(round: usize) -> bool {
    round % 4 == 3
}

#[tokio::test]
async fn charges_each_order_once_if_responses_are_lost() {
    let test = PaymentTest::start().await;
    let mug = test.store.admin().create_product("Mug", "19.99", 1000).await;
    let names: Vec<_> = (0..CLIENTS).map(|index| format!("client{index}")).collect();
    let clients = join_all(names.iter().map(|name| test.store.register(name))).await;
    for operation in
        [Operation::Create, Operation::Confirm, Operation::Cancel, Operation::Refund, Operation::Retrieve]
    {
        test.stripe.fail_sometimes(operation, Fault::DropAfter, LOST_RESPONSES);
    }
    let purchases = clients.iter().enumerate().map(|(index, client)| buy_and_pay(&test, client, mug, index));
    let orders = join_all(purchases).await;

    // Responses are still lost until the end.
    let mut expected = BTreeMap::new();
    for (orders, client) in orders.iter().zip(&clients) {
        for (round, order) in orders.iter().enumerate() {
            let payment = if is_cancelled(round) { "stripe refunded" } else { "stripe completed" };
            let updated = client.wait_for_payment(order, payment).await;
            let status = if is_cancelled(round) { "cancelled" } else { "paid" };
            assert_eq!((updated["status"].as_str(), &*payment_of(&updated)), (Some(status), payment));
            let cents = 1999 * updated["products"][0]["quantity"].as_i64().unwrap();
            expected
                .insert(order["id"].as_str().unwrap(), (cents, if is_cancelled(round) { cents } else { 0 }));
        }
    }
    assert_eq!(expected.len(), CLIENTS * ORDERS_PER_CLIENT);

    for (order, (charged, refunded)) in &expected {
        let [charge] = &test.stripe.charges_of(order)[..] else { panic!("not one charge for order {order}") };
        assert_eq!((charge.amount, charge.amount_refunded), (*charged, *refunded), "{order}");
        let not_cancelled =
            test.stripe.intents_of(order).into_iter().filter(|it| it.status != IntentStatus::Canceled);
        assert_eq!(not_cancelled.count(), 1, "order {order} has one intent that is not cancelled");
    }
    assert_eq!(test.stripe.total_charged(), expected.values().map(|(charged, _)| charged).sum::<i64>());
    let calls = test.stripe.calls_of(Operation::Create);
    assert!(calls > CLIENTS * ORDERS_PER_CLIENT, "responses were lost and calls retried: {calls}");
    test.verify().await;
}
