//! Concurrent calls.

use std::{collections::BTreeSet, time::Duration};

use bodega_proto::order::v1::{Order, OrderStatus};
use futures_util::future::join_all;
use tonic::Status;

use crate::{
    faults::Fault,
    test_app::{HAT, MUG, MUG_PRICE, PEN, PEN_PRICE, TestApp, error_reason, id, lines},
};

fn ids(results: &[Result<Order, Status>]) -> BTreeSet<String> {
    results.iter().flatten().map(|order| order.id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_calls_with_different_keys_place_one_order() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 2)]);
    let keys: Vec<_> = (0..40).map(|n| format!("key {n}")).collect();
    let results = join_all(keys.iter().map(|key| app.place(user, key))).await;

    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(ids(&results).len(), 1);
    assert_eq!(app.orders_of(user).await, 1);
    assert_eq!(app.catalog.available(MUG), 998);
    app.assert_consistent().await;
    let first = results[0].as_ref().unwrap();
    for key in keys {
        assert_eq!(app.place(user, &key).await.unwrap(), *first, "every key returns the order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_read_the_same_cart_get_the_same_order() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    // Slow enough that all calls have read the cart before the first one can order it.
    app.cart.faults().always("GetSnapshot", Fault::SlowResponse(Duration::from_millis(500)));
    let results = join_all((0..8).map(|_| app.place(user, ""))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(ids(&results).len(), 1);
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_call_that_finds_the_cart_just_ordered_returns_that_order() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.cart.faults().once("GetSnapshot", Fault::Slow(Duration::from_millis(500)));
    let late = app.place(user, "late");
    let first = async {
        app.cart.faults().all_triggered("GetSnapshot").await;
        app.place(user, "first").await
    };
    let (late, first) = tokio::join!(late, first);
    assert_eq!(late.unwrap(), first.unwrap());
    assert_eq!(error_reason(app.place(user, "later").await), "empty_cart");
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_calls_with_one_key_get_the_same_order() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    let results = join_all((0..20).map(|_| app.place(user, "key"))).await;
    let first = results[0].as_ref().unwrap();
    for result in &results {
        assert_eq!(result.as_ref().unwrap(), first);
    }
    assert_eq!(app.catalog.calls().0, 1, "one reservation only");
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_calls_with_one_key_get_the_same_rejection() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(HAT, 1)]);
    for result in join_all((0..20).map(|_| app.place(user, "key"))).await {
        assert_eq!(error_reason(result), "out_of_stock");
    }
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_with_one_key_place_at_most_one_order() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    let results = join_all((0..20).map(|n| {
        let expected = if n % 2 == 0 { MUG_PRICE } else { MUG_PRICE + 1 };
        app.place_expecting(user, "key", expected)
    }));
    let results = results.await;
    let reasons: BTreeSet<_> =
        results.iter().filter(|result| result.is_err()).cloned().map(error_reason).collect();
    let placed = ids(&results).len();
    match placed {
        1 => assert_eq!(reasons, ["idempotency_key_reused".to_owned()].into()),
        _ => assert_eq!(reasons, ["idempotency_key_reused".to_owned(), "price_changed".to_owned()].into()),
    }
    assert!(placed <= 1);
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_never_rejected_for_another_requests_expected_total() {
    let app = TestApp::start().await;
    for _ in 0..10 {
        let user = app.user_with_cart(&[(MUG, 1)]);
        let (wrong, right) =
            tokio::join!(app.place_expecting(user, "a", 1), app.place_expecting(user, "b", MUG_PRICE));
        let right = right.map(|order| order.total_minor);
        assert!(matches!(right, Ok(MUG_PRICE)), "{right:?}");
        if let Err(status) = wrong {
            let reason = bodega_runtime::status::reason(&status);
            assert!(["price_changed", "empty_cart"].contains(&reason.as_str()), "{reason}");
        }
        assert_eq!(app.orders_of(user).await, 1);
    }
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_that_grows_during_checkout_is_ordered_without_overlap() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    let calls = (0..30).map(|n| {
        let app = &app;
        async move {
            tokio::time::sleep(Duration::from_millis(n * 2)).await;
            app.add_to_cart(user, &[(PEN, 1), (MUG, 1)]);
            app.place(user, "").await
        }
    });
    for result in join_all(calls).await {
        assert!(result.is_ok() || error_reason(result.clone()) == "empty_cart", "{result:?}");
    }
    // Checks that every line was ordered once.
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_cart_snapshot_is_read_again() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1)]);
    app.cart.faults().once("GetSnapshot", Fault::SlowResponse(Duration::from_millis(300)));
    let first = app.place(user, "first");
    let second = async {
        // Reads the cart with a mug and a pen, and continues when the mug's order is complete.
        app.cart.faults().all_triggered("GetSnapshot").await;
        app.add_to_cart(user, &[(PEN, 1)]);
        app.cart.faults().once("GetSnapshot", Fault::SlowResponse(Duration::from_millis(1200)));
        app.place(user, "second").await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(lines(&first.unwrap()), [(MUG, 1)]);
    assert_eq!(lines(&second.unwrap()), [(PEN, 1)]);
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn places_no_more_orders_than_units_in_stock() {
    let app = TestApp::start().await;
    app.catalog.add_stock(HAT, "Hat", 3000, 50);
    let users: Vec<_> = (0..200).map(|_| app.user_with_cart(&[(HAT, 1)])).collect();
    let results = join_all(users.iter().map(|user| app.place(*user, ""))).await;
    assert_eq!(ids(&results).len(), 50);
    for result in results.into_iter().filter(Result::is_err) {
        assert_eq!(error_reason(result), "out_of_stock");
    }
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_cancellations_release_the_stock_once() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 2)]).await;
    let user = order.user_id.parse().unwrap();
    let results = join_all((0..50).map(|_| app.cancel(user, &order.id))).await;
    assert_eq!(ids(&results).len(), 1);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let order = app.get(&order.id).await;
    assert_eq!(order.history.len(), 2, "it is cancelled once");
    assert_eq!(app.catalog.release_count(id(&order)), 1);
    assert_eq!(app.catalog.available(MUG), 1000);
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn either_cancelling_or_shipping_succeeds() {
    let app = TestApp::start().await;
    for _ in 0..20 {
        let order = app.new_order(&[(MUG, 1), (PEN, 1)]).await;
        assert_eq!(order.total_minor, MUG_PRICE + PEN_PRICE);
        app.update_status(&order.id, OrderStatus::Confirmed).await.unwrap();
        let user = order.user_id.parse().unwrap();
        let (cancelled, shipped) =
            tokio::join!(app.cancel(user, &order.id), app.update_status(&order.id, OrderStatus::Shipped));
        match (cancelled, shipped) {
            (Ok(_), Err(lost)) => assert_eq!(lost.message(), "a cancelled order cannot become shipped"),
            (Err(lost), Ok(_)) => assert_eq!(lost.message(), "a shipped order cannot become cancelled"),
            both => panic!("{both:?}"),
        }
    }
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_offline_payments_pay_the_order_once() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let results = join_all((0..20).map(|_| app.update_status(&order.id, OrderStatus::Paid))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for result in results.into_iter().filter(Result::is_err) {
        assert_eq!(result.unwrap_err().message(), "a paid order cannot become paid");
    }
    app.assert_consistent().await;
}
