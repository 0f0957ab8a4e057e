//! Many shoppers, and a Stripe of which one answer in three is lost, after what was asked for was done.

use std::{collections::BTreeMap, time::Duration};

use bodega_stripe_double::{Card, Fault, IntentStatus, Operation};
use futures_util::future::join_all;
use serde_json::Value;

use crate::harness::{
    payments::{Till, payment_of},
    store::{Person, Response},
};

const SHOPPERS: usize = 8;
/// Orders of each.
const WORKER: usize = 8;
/// Of all answers of Stripe's.
const LOST: f64 = 0.3;

/// As a client does that is told to come again.
async fn insist(call: impl AsyncFn() -> Response) -> Response {
    loop {
        let answer = call().await;
        if answer.status != 503 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Orders and pays; every fourth order is cancelled then.
async fn shop_around(till: &Till, shopper: &Person, product: i64, who: usize) -> Vec<Value> {
    let mut orders = Vec::new();
    for round in 0..WORKER {
        let quantity = u32::try_from(1 + (who + round) % 3).unwrap();
        let order = shopper.buy(product, quantity).await;
        let intent = insist(async || shopper.begin_payment(&order).await).await.expect(200).json;
        assert_eq!(till.pay(&intent, Card::Visa).await, "succeeded");
        if is_cancelled(round) {
            shopper.cancel(&order).await.expect(200);
        }
        orders.push(order);
    }
    orders
}

fn is_cancelled(round: usize) -> bool {
    round % 4 == 3
}

#[tokio::test]
async fn every_paid_order_has_one_charge_of_its_amount_though_a_third_of_the_answers_are_lost() {
    let till = Till::open().await;
    let mug = till.shop.admin().create_product("Mug", "19.99", 1000).await;
    let names: Vec<_> = (0..SHOPPERS).map(|who| format!("shopper{who}")).collect();
    let shoppers = join_all(names.iter().map(|name| till.shop.register(name))).await;
    for operation in
        [Operation::Create, Operation::Confirm, Operation::Cancel, Operation::Refund, Operation::Retrieve]
    {
        till.stripe.fail_sometimes(operation, Fault::DropAfter, LOST);
    }
    let walks = shoppers.iter().enumerate().map(|(who, shopper)| shop_around(&till, shopper, mug, who));
    let orders = join_all(walks).await;

    // Where it is to end, Stripe's answers are still lost.
    let mut expected = BTreeMap::new();
    for (orders, shopper) in orders.iter().zip(&shoppers) {
        for (round, order) in orders.iter().enumerate() {
            let payment = if is_cancelled(round) { "stripe refunded" } else { "stripe completed" };
            let seen = shopper.see_payment(order, payment).await;
            let status = if is_cancelled(round) { "cancelled" } else { "paid" };
            assert_eq!((seen["status"].as_str(), &*payment_of(&seen)), (Some(status), payment));
            let cents = 1999 * seen["products"][0]["quantity"].as_i64().unwrap();
            expected
                .insert(order["id"].as_str().unwrap(), (cents, if is_cancelled(round) { cents } else { 0 }));
        }
    }
    assert_eq!(expected.len(), SHOPPERS * WORKER);

    for (order, (charged, given_back)) in &expected {
        let [charge] = &till.stripe.charges_of(order)[..] else { panic!("not one charge for order {order}") };
        assert_eq!((charge.amount, charge.amount_refunded), (*charged, *given_back), "{order}");
        let payable =
            till.stripe.intents_of(order).into_iter().filter(|it| it.status != IntentStatus::Canceled);
        assert_eq!(payable.count(), 1, "no intent of order {order} is left over");
    }
    assert_eq!(till.stripe.total_charged(), expected.values().map(|(charged, _)| charged).sum::<i64>());
    let calls = till.stripe.calls_of(Operation::Create);
    assert!(calls > SHOPPERS * WORKER, "answers were lost, and calls made again: {calls}");
    till.verify().await;
}
