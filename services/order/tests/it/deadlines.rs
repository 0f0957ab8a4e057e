//! Calls respond before their deadline, whichever dependency is slow, and their work is completed later.

use std::time::{Duration, Instant};

use bodega_proto::order::v1::{OrderStatus, PaymentStatus};
use bodega_stripe_double::{Card, Fault as StripeFault, Operation};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    faults::Fault,
    stripe::{StripeApp, create_intent},
    test_app::{MUG, PEN, TestApp, lines, with_gateway_deadline},
};

/// Longer than every timeout.
const SLOW: Duration = Duration::from_secs(7);
/// Twice the deadline, to allow for a loaded machine.
const MAX_RESPONSE_TIME: Duration = Duration::from_secs(4);
/// Work is completed within ten seconds once it can be. Stripe locks a key until its first call has ended.
const SOON: Duration = Duration::from_secs(7 + 10);

/// Returns the result of `call` and checks that it arrives in time.
async fn within_deadline<F: Future>(call: F) -> F::Output {
    let started = Instant::now();
    let result = with_gateway_deadline(call).await;
    assert!(started.elapsed() < MAX_RESPONSE_TIME, "{:?}", started.elapsed());
    result
}

/// Checks that the error asks the caller to retry.
#[track_caller]
fn assert_retryable<T: std::fmt::Debug>(result: Result<T, Status>) {
    let status = result.unwrap_err();
    assert!(matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded), "{status:?}");
    let retry = status.get_details_retry_info().and_then(|retry| retry.retry_delay);
    assert!(retry.is_some_and(|delay| delay > Duration::ZERO), "{status:?}");
}

#[tokio::test]
async fn a_slow_catalog_delays_the_order_and_a_retry_finds_it() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.catalog.faults().always("Reserve", Fault::Slow(SLOW));
    for _ in 0..3 {
        assert_retryable(within_deadline(app.place(user, "key")).await);
    }
    app.catalog.faults().clear();
    app.assert_consistent().await;
    assert_eq!(app.orders_of(user).await, 1);
    app.place(user, "key").await.unwrap();
}

#[tokio::test]
async fn a_slow_cart_snapshot_leaves_no_checkout() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.cart.faults().always("GetSnapshot", Fault::Slow(SLOW));
    assert_retryable(within_deadline(app.place(user, "key")).await);
    app.cart.faults().clear();
    app.assert_consistent().await;
    app.place(user, "key").await.unwrap();
}

#[tokio::test]
async fn orders_are_placed_while_the_cart_is_slow_to_clear() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.cart.faults().always("ClearOrdered", Fault::Slow(SLOW));
    within_deadline(app.place(user, "one")).await.unwrap();
    app.add_to_cart(user, &[(PEN, 1)]);
    assert_retryable(within_deadline(app.place(user, "two")).await);
    app.cart.faults().clear();
    app.assert_consistent().await;
    assert_eq!(lines(&app.place(user, "two").await.unwrap()), [(PEN, 1)]);
}

#[tokio::test]
async fn a_slow_provider_delays_the_intent_and_a_retry_finds_it() {
    let app = StripeApp::start().await;
    for fault in [StripeFault::DelayBefore(SLOW), StripeFault::DelayAfter(SLOW)] {
        let order = app.new_order(&[(MUG, 1)]).await;
        app.stripe.fail_next(Operation::Create, fault, 1);
        let started = Instant::now();
        assert_retryable(within_deadline(app.create_intent(&order)).await);
        let intent = loop {
            match within_deadline(app.create_intent(&order)).await {
                Ok(intent) => break intent,
                result => assert_retryable(result),
            }
            assert!(started.elapsed() < SOON);
        };
        assert_eq!(app.stripe.intents_of(&order.id).len(), 1);
        app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
        app.wait_for(&order, OrderStatus::Paid, PaymentStatus::Completed, SOON).await;
    }
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_disconnect_does_not_stop_the_creation_of_an_intent() {
    let app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    app.stripe.fail_next(Operation::Create, StripeFault::DelayAfter(Duration::from_secs(1)), 1);
    tokio::time::timeout(Duration::from_millis(300), app.create_intent(&order)).await.unwrap_err();
    with_gateway_deadline(app.create_intent(&order)).await.unwrap();
    assert_eq!(app.stripe.calls_of(Operation::Create), 1, "the call was not repeated");
}

#[tokio::test]
async fn cancelling_does_not_wait_for_a_slow_release_or_refund() {
    let app = StripeApp::start().await;
    let order = app.paid_order().await;
    app.stripe.pause_deliveries();
    app.stripe.fail_next(Operation::Refund, StripeFault::DelayBefore(SLOW), 1);
    app.catalog.faults().once("Release", Fault::Slow(SLOW));
    let cancelled = within_deadline(app.cancel(order.user_id.parse().unwrap(), &order.id)).await.unwrap();
    assert_eq!(cancelled.status(), OrderStatus::Cancelled);
    app.wait_for(&order, OrderStatus::Cancelled, PaymentStatus::Refunded, SOON).await;
    assert_eq!(app.stripe.refunds_of(&order.id).len(), 1);
    app.assert_consistent().await;
}

#[tokio::test]
async fn concurrent_payment_calls_wait_until_their_deadline() {
    let app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let owner = order.user_id.parse().unwrap();
    app.stripe.fail_next(Operation::Create, StripeFault::DelayAfter(SLOW), 1);
    let calls = (0..20).map(|_| within_deadline(create_intent(app.client(owner), &order.id)));
    for result in futures_util::future::join_all(calls).await {
        assert_retryable(result);
    }
    assert_eq!(app.stripe.calls_of(Operation::Create), 1);
}
