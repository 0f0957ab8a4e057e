//! Nobody is kept waiting: who calls is answered in time, whatever hangs, and what was asked for is done.

use std::time::{Duration, Instant};

use bodega_proto::order::v1::{OrderStatus, PaymentStatus};
use bodega_stripe_double::{Card, Fault as StripeFault, Operation};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    card::{CardShop, pay},
    faults::Fault,
    shop::{MUG, PEN, Shop, as_gateway, lines},
};

/// Far beyond everybody's patience.
const SLOW: Duration = Duration::from_secs(7);
/// What a caller is promised, and as much again for a busy machine.
const IN_TIME: Duration = Duration::from_secs(4);
/// What is stuck is resolved ten seconds after it could be. Stripe keeps a key to itself until its first call has ended.
const SOON: Duration = Duration::from_secs(7 + 10);

/// What `call` answers, in time.
async fn in_time<F: Future>(call: F) -> F::Output {
    let started = Instant::now();
    let answer = as_gateway(call).await;
    assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());
    answer
}

/// Whether the caller is told to come back.
#[track_caller]
fn assert_asks_to_come_back<T: std::fmt::Debug>(answer: Result<T, Status>) {
    let status = answer.unwrap_err();
    assert!(matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded), "{status:?}");
    let retry = status.get_details_retry_info().and_then(|retry| retry.retry_delay);
    assert!(retry.is_some_and(|delay| delay > Duration::ZERO), "{status:?}");
}

#[tokio::test]
async fn while_the_catalog_is_slow_callers_are_told_to_come_back_and_find_their_order() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.catalog.faults().always("Reserve", Fault::Slow(SLOW));
    for _ in 0..3 {
        assert_asks_to_come_back(in_time(shop.place(user, "key")).await);
    }
    shop.catalog.faults().mend();
    shop.assert_sound().await;
    assert_eq!(shop.orders_of(user).await, 1);
    shop.place(user, "key").await.unwrap();
}

#[tokio::test]
async fn while_the_cart_is_slow_to_be_read_nothing_is_left_half_done() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.cart.faults().always("GetSnapshot", Fault::Slow(SLOW));
    assert_asks_to_come_back(in_time(shop.place(user, "key")).await);
    shop.cart.faults().mend();
    shop.assert_sound().await;
    shop.place(user, "key").await.unwrap();
}

#[tokio::test]
async fn while_the_cart_is_slow_to_be_cleared_orders_are_placed() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.cart.faults().always("ClearOrdered", Fault::Slow(SLOW));
    in_time(shop.place(user, "one")).await.unwrap();
    shop.put(user, &[(PEN, 1)]);
    assert_asks_to_come_back(in_time(shop.place(user, "two")).await);
    shop.cart.faults().mend();
    shop.assert_sound().await;
    assert_eq!(lines(&shop.place(user, "two").await.unwrap()), [(PEN, 1)]);
}

#[tokio::test]
async fn while_stripe_is_slow_shoppers_are_told_to_come_back_and_find_their_payment() {
    let shop = CardShop::open().await;
    for fault in [StripeFault::DelayBefore(SLOW), StripeFault::DelayAfter(SLOW)] {
        let order = shop.shop.order(&[(MUG, 1)]).await;
        shop.stripe.fail_next(Operation::Create, fault, 1);
        let started = Instant::now();
        assert_asks_to_come_back(in_time(shop.pay(&order)).await);
        let intent = loop {
            match in_time(shop.pay(&order)).await {
                Ok(intent) => break intent,
                answer => assert_asks_to_come_back(answer),
            }
            assert!(started.elapsed() < SOON);
        };
        assert_eq!(shop.stripe.intents_of(&order.id).len(), 1);
        shop.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
        shop.until(&order, OrderStatus::Paid, PaymentStatus::Completed, SOON).await;
    }
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_shopper_who_leaves_while_the_payment_is_prepared_finds_it_ready() {
    let shop = CardShop::open().await;
    let order = shop.shop.order(&[(MUG, 1)]).await;
    shop.stripe.fail_next(Operation::Create, StripeFault::DelayAfter(Duration::from_secs(1)), 1);
    tokio::time::timeout(Duration::from_millis(300), shop.pay(&order)).await.unwrap_err();
    as_gateway(shop.pay(&order)).await.unwrap();
    assert_eq!(shop.stripe.calls_of(Operation::Create), 1, "nobody had to ask again");
}

#[tokio::test]
async fn an_order_is_cancelled_in_time_though_its_stock_and_its_money_take_longer() {
    let shop = CardShop::open().await;
    let order = shop.paid_order().await;
    shop.stripe.pause_deliveries();
    shop.stripe.fail_next(Operation::Refund, StripeFault::DelayBefore(SLOW), 1);
    shop.shop.catalog.faults().once("Release", Fault::Slow(SLOW));
    let cancelled = in_time(shop.shop.cancel(order.user_id.parse().unwrap(), &order.id)).await.unwrap();
    assert_eq!(cancelled.status(), OrderStatus::Cancelled);
    shop.until(&order, OrderStatus::Cancelled, PaymentStatus::Refunded, SOON).await;
    assert_eq!(shop.stripe.refunds_of(&order.id).len(), 1);
    shop.assert_sound().await;
}

#[tokio::test]
async fn calls_for_one_payment_wait_for_the_first_and_not_beyond_their_time() {
    let shop = CardShop::open().await;
    let order = shop.shop.order(&[(MUG, 1)]).await;
    let owner = order.user_id.parse().unwrap();
    shop.stripe.fail_next(Operation::Create, StripeFault::DelayAfter(SLOW), 1);
    let calls = (0..20).map(|_| in_time(pay(shop.shop.client(owner), &order.id)));
    for answer in futures_util::future::join_all(calls).await {
        assert_asks_to_come_back(answer);
    }
    assert_eq!(shop.stripe.calls_of(Operation::Create), 1);
}
