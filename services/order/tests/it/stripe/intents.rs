//! Creating payment intents.

use std::time::Duration;

use bodega_proto::order::v1::{
    OrderStatus::{Cancelled, Completed, Confirmed, Paid, Pending, Shipped},
    PaymentStatus,
};
use bodega_stripe_double::{Card, Fault, IntentStatus, Operation};
use futures_util::future::join_all;
use tonic::Code;

use super::{StripeApp, create_intent, payment_of, payment_statuses, user_without_orders};
use crate::test_app::{MUG, MUG_PRICE, PEN, TestApp, error_reason, history};

#[tokio::test]
async fn a_card_payment_is_recorded_in_the_history() {
    let app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 2)]).await;
    let intent = app.create_intent(&order).await.unwrap();
    let options = app.stripe.options();
    assert_eq!((intent.provider.as_str(), intent.status()), ("stripe", PaymentStatus::RequiresPayment));
    assert_eq!((intent.amount_minor, intent.currency.as_str()), (2 * MUG_PRICE, "USD"));
    assert_eq!(intent.publishable_key, options.publishable_key);
    let created = app.stripe.intent(&intent.id).unwrap();
    assert_eq!((created.amount, created.currency.as_str()), (2 * MUG_PRICE, "usd"));
    assert_eq!(created.client_secret, intent.client_secret);

    app.stripe.confirm(&intent.client_secret, Card::Slow).await.unwrap();
    app.stripe.delivered().await;
    assert_eq!(
        app.create_intent(&order).await.unwrap().status(),
        PaymentStatus::Processing,
        "it is the same intent"
    );
    app.stripe.settle_intent(&intent.id, bodega_stripe_double::Outcome::Succeeds);
    app.stripe.delivered().await;

    let order = app.get(&order.id).await;
    assert_eq!((history(&order), payment_of(&order)), (vec![Pending, Paid], PaymentStatus::Completed));
    use PaymentStatus::{Completed as Done, Processing, RequiresPayment};
    assert_eq!(payment_statuses(&order), [RequiresPayment, Processing, Done]);
    let last = order.history.last().unwrap();
    assert_eq!((last.status(), last.payment()), (Paid, Done), "one event");
    app.assert_consistent().await;
}

#[tokio::test]
async fn concurrent_calls_get_one_intent() {
    let app = StripeApp::start().await;
    let replica = app.replica().await;
    for delay in [0, 100] {
        let order = app.new_order(&[(MUG, 1)]).await;
        let owner = order.user_id.parse().unwrap();
        let before = app.stripe.calls_of(Operation::Create);
        app.stripe.fail_next(Operation::Create, Fault::DelayAfter(Duration::from_millis(delay)), 1);
        let calls = (0..50).map(|n| {
            let role = bodega_runtime::auth::Role::User;
            let client = if n % 2 == 0 { app.client(owner) } else { replica.client(owner, role) };
            create_intent(client, &order.id)
        });
        let intents: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
        assert!(intents.iter().all(|intent| *intent == intents[0]), "{intents:?}");
        assert_eq!(app.stripe.intents_of(&order.id).len(), 1);
        assert_eq!(app.stripe.calls_of(Operation::Create) - before, 1, "the other calls wait for the first");
    }
    replica.kill().await;
}

#[tokio::test]
async fn a_retry_after_a_lost_response_creates_no_second_intent() {
    let app = StripeApp::start().await;
    for fault in [Fault::DropAfter, Fault::DropBefore, Fault::RateLimited] {
        let order = app.new_order(&[(MUG, 1)]).await;
        app.stripe.fail_next(Operation::Create, fault, 20);
        let error = app.create_intent(&order).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{fault:?}: {error:?}");
        app.stripe.clear_faults();
        let intent = app.create_intent(&order).await.unwrap();
        assert_eq!(app.create_intent(&order).await.unwrap(), intent);
        assert_eq!(app.stripe.intents_of(&order.id).len(), 1, "{fault:?}");
    }
    app.assert_consistent().await;
}

#[tokio::test]
async fn an_unusable_key_is_replaced() {
    let app = StripeApp::start().await;
    for fault in [Fault::ErrorBefore, Fault::ErrorAfter] {
        let order = app.new_order(&[(MUG, 1)]).await;
        app.stripe.fail_next(Operation::Create, fault, 1);
        let mut intent = app.create_intent(&order).await;
        if intent.is_err() {
            intent = app.create_intent(&order).await;
        }
        let intent = intent.unwrap();
        app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
        app.wait_for(&order, Paid, PaymentStatus::Completed, Duration::from_secs(5)).await;
        assert_eq!(app.stripe.charges_of(&order.id).len(), 1);
    }
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_declined_intent_that_stripe_has_forgotten_does_not_delay_the_next() {
    let app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let declined = app.create_intent(&order).await.unwrap();
    app.stripe.confirm(&declined.client_secret, Card::Declined).await.unwrap();
    app.stripe.delivered().await;
    assert_eq!(payment_of(&app.get(&order.id).await), PaymentStatus::Failed);

    app.stripe.forget_intent(&declined.id);
    let next = app.create_intent(&order).await.unwrap();
    assert_ne!(next.id, declined.id);
    app.stripe.confirm(&next.client_secret, Card::Visa).await.unwrap();
    app.wait_for(&order, Paid, PaymentStatus::Completed, Duration::from_secs(10)).await;
    app.assert_consistent().await;
}

#[tokio::test]
async fn a_declined_card_can_be_followed_by_another_intent() {
    let app = StripeApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let first = app.create_intent(&order).await.unwrap();
    app.stripe.confirm(&first.client_secret, Card::Declined).await.unwrap();
    app.stripe.delivered().await;
    let declined = app.get(&order.id).await;
    assert_eq!((declined.status(), payment_of(&declined)), (Pending, PaymentStatus::Failed));

    let second = app.create_intent(&order).await.unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(
        app.stripe.intent(&first.id).unwrap().status,
        IntentStatus::Canceled,
        "the first intent cannot be paid any more"
    );
    app.stripe.confirm(&second.client_secret, Card::Visa).await.unwrap();
    app.stripe.delivered().await;
    let paid = app.get(&order.id).await;
    assert_eq!((paid.status(), payment_of(&paid)), (Paid, PaymentStatus::Completed));
    assert_eq!(app.stripe.charges_of(&order.id).len(), 1);
    app.assert_consistent().await;
}

#[tokio::test]
async fn only_one_of_two_concurrent_intents_is_charged() {
    let app = StripeApp::start().await;
    for _ in 0..20 {
        let order = app.new_order(&[(MUG, 1)]).await;
        let first = app.create_intent(&order).await.unwrap();
        app.stripe.confirm(&first.client_secret, Card::Declined).await.unwrap();
        app.stripe.delivered().await;
        let (retried, second) =
            tokio::join!(app.stripe.confirm(&first.client_secret, Card::Visa), app.create_intent(&order));
        retried.unwrap();
        // The first one is paid, or cancelled for the second one.
        match second {
            Ok(second) => drop(app.stripe.confirm(&second.client_secret, Card::Visa).await.unwrap()),
            Err(error) => assert_eq!(bodega_runtime::status::reason(&error), "already_paid"),
        }
        app.wait_for(&order, Paid, PaymentStatus::Completed, Duration::from_secs(5)).await;
        assert_eq!(app.stripe.charges_of(&order.id).len(), 1);
    }
    app.assert_consistent().await;
}

#[tokio::test]
async fn rejects_payments_of_paid_finished_free_and_other_users_orders() {
    let app = StripeApp::start().await;
    let paid = app.paid_order().await;
    assert_eq!(error_reason(app.create_intent(&paid).await), "already_paid");
    for steps in [&[Cancelled][..], &[Confirmed, Shipped, Completed], &[Paid, Shipped, Completed], &[Paid]] {
        let order = app.new_order(&[(MUG, 1)]).await;
        for step in steps {
            app.update_status(&order.id, *step).await.unwrap();
        }
        let reason = if steps.contains(&Paid) { "already_paid" } else { "order_not_payable" };
        assert_eq!(error_reason(app.create_intent(&order).await), reason, "{steps:?}");
    }
    let order = app.new_order(&[(MUG, 1)]).await;
    assert_eq!(
        error_reason(create_intent(app.client(user_without_orders()), &order.id).await),
        "order_not_found"
    );
    assert_eq!(error_reason(create_intent(app.admin(), &order.id).await), "order_not_found");

    app.catalog.add_stock(PEN, "Pen", 0, 1000);
    let free = app.new_order(&[(PEN, 1)]).await;
    assert_eq!(error_reason(app.create_intent(&free).await), "nothing_to_pay");
    assert_eq!(app.stripe.intents().len(), 1);
}

#[tokio::test]
async fn a_rejected_amount_can_still_be_paid_offline() {
    let app = StripeApp::start().await;
    app.catalog.add_stock(PEN, "Pen", 10, 1000);
    let order = app.new_order(&[(PEN, 1)]).await;
    assert_eq!(error_reason(app.create_intent(&order).await), "payment_refused", "below Stripe's minimum");
    assert_eq!(error_reason(app.create_intent(&order).await), "payment_refused");
    let paid = app.update_status(&order.id, Paid).await.unwrap();
    assert_eq!(paid.payment.as_ref().unwrap().provider, "offline");
    assert_eq!(payment_of(&paid), PaymentStatus::Completed);
    app.assert_consistent().await;
}

#[tokio::test]
async fn without_a_provider_admins_mark_orders_paid() {
    let app = TestApp::start().await;
    let order = app.new_order(&[(MUG, 1)]).await;
    let owner = order.user_id.parse().unwrap();
    let intent = create_intent(app.client(owner), &order.id).await.unwrap();
    assert_eq!(create_intent(app.client(owner), &order.id).await.unwrap(), intent);
    assert_eq!((intent.provider.as_str(), intent.client_secret.as_str()), ("offline", ""));
    assert_eq!((intent.amount_minor, intent.status()), (MUG_PRICE, PaymentStatus::RequiresPayment));

    let paid = app.update_status(&order.id, Paid).await.unwrap();
    assert_eq!(payment_of(&paid), PaymentStatus::Completed);
    let cancelled = app.cancel(owner, &order.id).await.unwrap();
    use PaymentStatus::{Completed, RefundPending, Refunded, RequiresPayment};
    assert_eq!(payment_statuses(&cancelled), [RequiresPayment, Completed, RefundPending, Refunded]);
    app.assert_consistent().await;
}
