//! Beginning a payment.

use std::time::Duration;

use bodega_proto::order::v1::{
    OrderStatus::{Cancelled, Completed, Confirmed, Paid, Pending, Shipped},
    PaymentStatus,
};
use bodega_stripe_double::{Card, Fault, IntentStatus, Operation};
use futures_util::future::join_all;
use tonic::Code;

use super::{CardShop, pay, payment_of, payment_steps, stranger};
use crate::shop::{MUG, MUG_PRICE, PEN, Shop, history, refused};

#[tokio::test]
async fn an_order_is_paid_by_card_and_remembers_each_step() {
    let shop = CardShop::open().await;
    let order = shop.shop.order(&[(MUG, 2)]).await;
    let intent = shop.pay(&order).await.unwrap();
    let options = shop.stripe.options();
    assert_eq!((intent.provider.as_str(), intent.status()), ("stripe", PaymentStatus::RequiresPayment));
    assert_eq!((intent.amount_minor, intent.currency.as_str()), (2 * MUG_PRICE, "USD"));
    assert_eq!(intent.publishable_key, options.publishable_key);
    let made = shop.stripe.intent(&intent.id).unwrap();
    assert_eq!((made.amount, made.currency.as_str()), (2 * MUG_PRICE, "usd"));
    assert_eq!(made.client_secret, intent.client_secret);

    shop.stripe.confirm(&intent.client_secret, Card::Slow).await.unwrap();
    shop.stripe.delivered().await;
    assert_eq!(shop.pay(&order).await.unwrap().status(), PaymentStatus::Processing, "it is still the one");
    shop.stripe.settle_intent(&intent.id, bodega_stripe_double::Outcome::Succeeds);
    shop.stripe.delivered().await;

    let order = shop.shop.get(&order.id).await;
    assert_eq!((history(&order), payment_of(&order)), (vec![Pending, Paid], PaymentStatus::Completed));
    use PaymentStatus::{Completed as Done, Processing, RequiresPayment};
    assert_eq!(payment_steps(&order), [RequiresPayment, Processing, Done]);
    let last = order.history.last().unwrap();
    assert_eq!((last.status(), last.payment()), (Paid, Done), "one step");
    shop.assert_sound().await;
}

#[tokio::test]
async fn all_who_ask_at_once_are_given_one_intent() {
    let shop = CardShop::open().await;
    let replica = shop.shop.replica().await;
    for delay in [0, 100] {
        let order = shop.shop.order(&[(MUG, 1)]).await;
        let owner = order.user_id.parse().unwrap();
        let before = shop.stripe.calls_of(Operation::Create);
        shop.stripe.fail_next(Operation::Create, Fault::DelayAfter(Duration::from_millis(delay)), 1);
        let calls = (0..50).map(|n| {
            let role = bodega_runtime::auth::Role::User;
            let client = if n % 2 == 0 { shop.shop.client(owner) } else { replica.client(owner, role) };
            pay(client, &order.id)
        });
        let intents: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
        assert!(intents.iter().all(|intent| *intent == intents[0]), "{intents:?}");
        assert_eq!(shop.stripe.intents_of(&order.id).len(), 1);
        assert_eq!(shop.stripe.calls_of(Operation::Create) - before, 1, "the others wait for the first");
    }
    replica.kill().await;
}

#[tokio::test]
async fn a_reply_that_is_lost_costs_another_call_and_no_other_intent() {
    let shop = CardShop::open().await;
    for fault in [Fault::DropAfter, Fault::DropBefore, Fault::RateLimited] {
        let order = shop.shop.order(&[(MUG, 1)]).await;
        shop.stripe.fail_next(Operation::Create, fault, 20);
        let refused = shop.pay(&order).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{fault:?}: {refused:?}");
        shop.stripe.clear_faults();
        let intent = shop.pay(&order).await.unwrap();
        assert_eq!(shop.pay(&order).await.unwrap(), intent);
        assert_eq!(shop.stripe.intents_of(&order.id).len(), 1, "{fault:?}");
    }
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_key_that_stripe_answers_with_an_error_for_good_is_left_for_another() {
    let shop = CardShop::open().await;
    for fault in [Fault::ErrorBefore, Fault::ErrorAfter] {
        let order = shop.shop.order(&[(MUG, 1)]).await;
        shop.stripe.fail_next(Operation::Create, fault, 1);
        let mut intent = shop.pay(&order).await;
        if intent.is_err() {
            intent = shop.pay(&order).await;
        }
        let intent = intent.unwrap();
        shop.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
        shop.until(&order, Paid, PaymentStatus::Completed, Duration::from_secs(5)).await;
        assert_eq!(shop.stripe.charges_of(&order.id).len(), 1);
    }
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_declined_card_leaves_the_order_payable_by_another_intent() {
    let shop = CardShop::open().await;
    let order = shop.shop.order(&[(MUG, 1)]).await;
    let first = shop.pay(&order).await.unwrap();
    shop.stripe.confirm(&first.client_secret, Card::Declined).await.unwrap();
    shop.stripe.delivered().await;
    let declined = shop.shop.get(&order.id).await;
    assert_eq!((declined.status(), payment_of(&declined)), (Pending, PaymentStatus::Failed));

    let second = shop.pay(&order).await.unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(
        shop.stripe.intent(&first.id).unwrap().status,
        IntentStatus::Canceled,
        "it cannot be paid too"
    );
    shop.stripe.confirm(&second.client_secret, Card::Visa).await.unwrap();
    shop.stripe.delivered().await;
    let paid = shop.shop.get(&order.id).await;
    assert_eq!((paid.status(), payment_of(&paid)), (Paid, PaymentStatus::Completed));
    assert_eq!(shop.stripe.charges_of(&order.id).len(), 1);
    shop.assert_sound().await;
}

#[tokio::test]
async fn an_intent_that_is_paid_while_another_is_asked_for_is_the_only_one_charged() {
    let shop = CardShop::open().await;
    for _ in 0..20 {
        let order = shop.shop.order(&[(MUG, 1)]).await;
        let first = shop.pay(&order).await.unwrap();
        shop.stripe.confirm(&first.client_secret, Card::Declined).await.unwrap();
        shop.stripe.delivered().await;
        let (retried, second) =
            tokio::join!(shop.stripe.confirm(&first.client_secret, Card::Visa), shop.pay(&order));
        retried.unwrap();
        // Paid by the first, or called off for the second.
        match second {
            Ok(second) => drop(shop.stripe.confirm(&second.client_secret, Card::Visa).await.unwrap()),
            Err(refused) => assert_eq!(bodega_runtime::status::reason(&refused), "already_paid"),
        }
        shop.until(&order, Paid, PaymentStatus::Completed, Duration::from_secs(5)).await;
        assert_eq!(shop.stripe.charges_of(&order.id).len(), 1);
    }
    shop.assert_sound().await;
}

#[tokio::test]
async fn only_what_is_unpaid_and_not_over_can_be_paid_and_only_by_its_owner() {
    let shop = CardShop::open().await;
    let paid = shop.paid_order().await;
    assert_eq!(refused(shop.pay(&paid).await), "already_paid");
    for way in [&[Cancelled][..], &[Confirmed, Shipped, Completed], &[Paid, Shipped, Completed], &[Paid]] {
        let order = shop.shop.order(&[(MUG, 1)]).await;
        for step in way {
            shop.shop.change(&order.id, *step).await.unwrap();
        }
        let reason = if way.contains(&Paid) { "already_paid" } else { "order_not_payable" };
        assert_eq!(refused(shop.pay(&order).await), reason, "{way:?}");
    }
    let order = shop.shop.order(&[(MUG, 1)]).await;
    assert_eq!(refused(pay(shop.shop.client(stranger()), &order.id).await), "order_not_found");
    assert_eq!(refused(pay(shop.shop.admin(), &order.id).await), "order_not_found");

    shop.shop.catalog.stock(PEN, "Pen", 0, 1000);
    let free = shop.shop.order(&[(PEN, 1)]).await;
    assert_eq!(refused(shop.pay(&free).await), "nothing_to_pay");
    assert_eq!(shop.stripe.intents().len(), 1);
}

#[tokio::test]
async fn what_the_provider_will_not_take_is_said_and_another_way_is_open() {
    let shop = CardShop::open().await;
    shop.shop.catalog.stock(PEN, "Pen", 10, 1000);
    let order = shop.shop.order(&[(PEN, 1)]).await;
    assert_eq!(refused(shop.pay(&order).await), "payment_refused", "10 cents are too little");
    assert_eq!(refused(shop.pay(&order).await), "payment_refused");
    let paid = shop.shop.change(&order.id, Paid).await.unwrap();
    assert_eq!(paid.payment.as_ref().unwrap().provider, "offline");
    assert_eq!(payment_of(&paid), PaymentStatus::Completed);
    shop.assert_sound().await;
}

#[tokio::test]
async fn where_no_provider_is_configured_an_admin_marks_orders_paid() {
    let shop = Shop::open().await;
    let order = shop.order(&[(MUG, 1)]).await;
    let owner = order.user_id.parse().unwrap();
    let intent = pay(shop.client(owner), &order.id).await.unwrap();
    assert_eq!(pay(shop.client(owner), &order.id).await.unwrap(), intent);
    assert_eq!((intent.provider.as_str(), intent.client_secret.as_str()), ("offline", ""));
    assert_eq!((intent.amount_minor, intent.status()), (MUG_PRICE, PaymentStatus::RequiresPayment));

    let paid = shop.change(&order.id, Paid).await.unwrap();
    assert_eq!(payment_of(&paid), PaymentStatus::Completed);
    let cancelled = shop.cancel(owner, &order.id).await.unwrap();
    use PaymentStatus::{Completed, RefundPending, Refunded, RequiresPayment};
    assert_eq!(payment_steps(&cancelled), [RequiresPayment, Completed, RefundPending, Refunded]);
    shop.assert_sound().await;
}
