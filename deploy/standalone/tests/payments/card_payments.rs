//! Paying by card: lines 7, 8, 74, 78 to 81, 111 to 115; row `POST /api/orders/{id}/payment` of the contract.

use std::collections::BTreeSet;

use bodega_stripe_double::{Card, Fault, IntentStatus, Operation, Outcome};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{
    payments::{Till, break_down, history, payment_of},
    responses::{INTENT, ORDER, assert_fields},
    store::eventually,
};

fn id_of(intent: &Value) -> &str {
    intent["paymentIntentId"].as_str().unwrap()
}

/// Lines 111 to 115, one after the other.
#[tokio::test]
async fn an_order_is_paid_by_card_and_the_webhook_says_so() {
    let till = Till::open().await;
    // The user places an order.
    let (ada, order) = till.order("ada").await;
    // The backend creates a payment intent.
    let begun = ada.begin_payment(&order).await.expect(200);
    let intent = &begun.json;
    assert_fields(intent, INTENT);
    assert!(
        begun.text.contains(r#""status":"requires_payment","amount":39.98,"currency":"USD""#),
        "{begun:?}"
    );
    assert_eq!(
        (&intent["provider"], &intent["publishableKey"]),
        (&json!("stripe"), &json!(till.stripe.options().publishable_key))
    );
    let id = id_of(intent);
    assert!(
        id.starts_with("pi_")
            && intent["clientSecret"].as_str().unwrap().starts_with(&format!("{id}_secret_"))
    );
    let waiting = ada.order(&order).await;
    assert_eq!(
        (payment_of(&waiting), &waiting["status"]),
        ("stripe requires_payment".to_owned(), &json!("pending"))
    );
    // The client completes the card payment.
    assert_eq!(till.pay(intent, Card::Visa).await, "succeeded");
    assert_eq!(till.stripe.total_charged(), 3998);
    // The webhook confirms it, and the order is paid, its payment completed.
    let paid = ada.see_order(&order, "paid").await;
    assert_fields(&paid, ORDER);
    assert_eq!(payment_of(&paid), "stripe completed");
    assert_eq!(history(&paid), ["pending", "pending requires_payment", "paid completed"]);
    assert_eq!(paid["history"][2]["at"], paid["updatedAt"]);
    till.verify().await;
}

/// Line 74.
#[tokio::test]
async fn a_payment_that_is_begun_fifty_times_at_once_is_one_intent() {
    let till = Till::open().await;
    let (ada, order) = till.order("ada").await;
    let answers = join_all((0..50).map(|_| ada.begin_payment(&order))).await;
    let intents: BTreeSet<_> = answers.into_iter().map(|answer| answer.expect(200).text).collect();
    assert_eq!(intents.len(), 1, "{intents:?}");
    assert_eq!(till.stripe.intents().len(), 1);
    let intent = ada.begin_payment(&order).await.expect(200).json;
    let [kept] = &till.stripe.intents()[..] else { panic!("one") };
    assert_eq!((kept.id.as_str(), kept.amount, &*kept.currency), (id_of(&intent), 3998, "usd"));
    assert_eq!(kept.metadata["order_id"], order["id"].as_str().unwrap());
    till.verify().await;
}

/// Line 74: who pays twice in two windows at once is charged once.
#[tokio::test]
async fn an_intent_that_is_confirmed_many_times_at_once_is_charged_once() {
    let till = Till::open().await;
    let (ada, order) = till.order("ada").await;
    let intent = ada.begin_payment(&order).await.expect(200).json;
    let statuses = join_all((0..8).map(|_| till.pay(&intent, Card::Visa))).await;
    assert!(statuses.iter().all(|status| status == "succeeded"), "{statuses:?}");
    let paid = ada.see_order(&order, "paid").await;
    assert_eq!(history(&paid).len(), 3);
    assert_eq!(till.stripe.charges().len(), 1);
    ada.begin_payment(&order).await.expect_problem(409, "already_paid");
    till.verify().await;
}

/// A declined card leaves the order payable: with another card, by the same intent.
#[tokio::test]
async fn who_is_declined_tries_another_card() {
    let till = Till::open().await;
    let (ada, order) = till.order("ada").await;
    let intent = ada.begin_payment(&order).await.expect(200).json;
    assert_eq!(till.pay(&intent, Card::Declined).await, "requires_payment_method");
    let seen = ada.see_payment(&order, "stripe failed").await;
    assert_eq!(seen["status"], "pending");
    till.pay(&intent, Card::Visa).await;
    let paid = ada.see_order(&order, "paid").await;
    assert_eq!(history(&paid), ["pending", "pending requires_payment", "pending failed", "paid completed"]);
    assert_eq!(payment_of(&paid), "stripe completed");
    till.verify().await;
}

/// The same, who asks for a new attempt: the intent before is called off first.
#[tokio::test]
async fn who_is_declined_begins_another_attempt() {
    let till = Till::open().await;
    let (ada, order) = till.order("ada").await;
    let first = ada.begin_payment(&order).await.expect(200).json;
    till.pay(&first, Card::Declined).await;
    ada.see_payment(&order, "stripe failed").await;

    let second = ada.begin_payment(&order).await.expect(200).json;
    assert_ne!(first["paymentIntentId"], second["paymentIntentId"]);
    assert_eq!(second["status"], "requires_payment");
    assert_eq!(till.pay(&first, Card::Visa).await, "canceled", "it can bring no money any more");
    till.pay(&second, Card::Visa).await;
    let paid = ada.see_order(&order, "paid").await;
    assert_eq!(payment_of(&paid), "stripe completed");
    assert_eq!(till.stripe.total_charged(), 3998);
    till.verify().await;
}

#[tokio::test]
async fn what_cannot_be_paid_is_a_conflict_that_says_why() {
    let till = Till::open().await;
    let admin = till.shop.admin();
    let (ada, order) = till.paid_order("ada").await;
    ada.begin_payment(&order).await.expect_problem(409, "already_paid");
    admin.update_order_status(&order, "shipped").await.expect(200);
    ada.begin_payment(&order).await.expect_problem(409, "already_paid");
    admin.update_order_status(&order, "completed").await.expect(200);
    ada.begin_payment(&order).await.expect_problem(409, "already_paid");

    let (grace, order) = till.order("grace").await;
    grace.cancel(&order).await.expect(200);
    grace.begin_payment(&order).await.expect_problem(409, "order_not_payable");

    // Paid at the door: it is over, whether or not money came by us.
    let (joan, order) = till.order("joan").await;
    for status in ["confirmed", "shipped", "completed"] {
        admin.update_order_status(&order, status).await.expect(200);
    }
    joan.begin_payment(&order).await.expect_problem(409, "order_not_payable");

    let (mary, order) = till.order("mary").await;
    admin.update_order_status(&order, "paid").await.expect(200);
    mary.begin_payment(&order).await.expect_problem(409, "already_paid");
    assert_eq!(till.stripe.intents().len(), 1, "of Ada's order");
    till.verify().await;
}

/// An order that was sent off on trust can be paid later, and keeps its state.
#[tokio::test]
async fn an_order_that_was_sent_off_is_paid_later() {
    let till = Till::open().await;
    let (ada, order) = till.order("ada").await;
    for status in ["confirmed", "shipped"] {
        till.shop.admin().update_order_status(&order, status).await.expect(200);
    }
    let intent = ada.begin_payment(&order).await.expect(200).json;
    till.pay(&intent, Card::Visa).await;
    let seen = ada.see_payment(&order, "stripe completed").await;
    assert_eq!(seen["status"], "shipped");
    ada.begin_payment(&order).await.expect_problem(409, "already_paid");
    till.verify().await;
}

/// An admin has seen the money, by some other way, while a shopper is at it: the intent is called off.
#[tokio::test]
async fn an_order_that_an_admin_marks_paid_can_not_be_paid_by_card_as_well() {
    let till = Till::open().await;
    let (ada, order) = till.order("ada").await;
    let intent = ada.begin_payment(&order).await.expect(200).json;
    till.shop.admin().update_order_status(&order, "paid").await.expect(200);
    eventually("it is called off", async || till.status_of(&intent) == IntentStatus::Canceled).await;
    assert_eq!(till.pay(&intent, Card::Visa).await, "canceled");
    assert_eq!(payment_of(&ada.order(&order).await), "offline completed");
    till.verify().await;
}

/// "Nobody reads or changes what is not theirs": not even an admin pays for others, who would be told their secret.
#[tokio::test]
async fn nobody_pays_for_somebody_else() {
    let till = Till::open().await;
    let (_, order) = till.order("ada").await;
    let eve = till.shop.register("mallory").await;
    for person in [&eve, till.shop.admin()] {
        person.begin_payment(&order).await.expect_problem(404, "order_not_found");
    }
    till.shop.guest().begin_payment(&order).await.expect_problem(401, "unauthenticated");
    assert_eq!(till.stripe.intents().len(), 0);
}

/// The secret of an intent is for its shopper alone.
#[tokio::test]
async fn the_secret_of_an_intent_is_told_to_nobody_else() {
    let till = Till::open().await;
    let (ada, order) = till.order("ada").await;
    let intent = ada.begin_payment(&order).await.expect(200).json;
    let secret = intent["clientSecret"].as_str().unwrap();
    for (person, path) in [
        (&ada, crate::harness::payments::path_of(&order)),
        (till.shop.admin(), "/api/admin/orders".to_owned()),
    ] {
        let seen = person.get(&path).await.expect(200);
        assert!(!seen.text.contains(secret) && !seen.text.contains("pi_"), "{seen:?}");
    }
}

/// What Stripe does not do now is a 503, and the same call goes on from there.
#[tokio::test]
async fn a_provider_that_is_down_is_asked_again_by_the_same_call() {
    let till = Till::open().await;
    let (ada, order) = till.order("ada").await;
    break_down(&till.stripe);
    let answer = ada.begin_payment(&order).await.expect_problem(503, "payment_provider_unavailable");
    assert_ne!(answer.header("retry-after"), "");
    till.shop.guest().get("/api/products").await.expect(200);
    till.stripe.clear_faults();
    let intent = ada.begin_payment(&order).await.expect(200).json;
    till.pay(&intent, Card::Visa).await;
    ada.see_order(&order, "paid").await;
    assert_eq!(till.stripe.intents().len(), 1);
    till.verify().await;
}

/// An error that Stripe keeps answering to the same call is no reason never to be paid.
#[tokio::test]
async fn an_error_that_stripe_remembers_is_passed_by_with_another_attempt() {
    let till = Till::open().await;
    for (name, fault) in [("ada", Fault::ErrorBefore), ("grace", Fault::ErrorAfter)] {
        let (buyer, order) = till.order(name).await;
        till.stripe.fail_next(Operation::Create, fault, 1);
        let mut answer = buyer.begin_payment(&order).await;
        while answer.status == 503 {
            answer = buyer.begin_payment(&order).await;
        }
        till.pay(&answer.expect(200).json, Card::Visa).await;
        buyer.see_order(&order, "paid").await;
        assert_eq!(till.stripe.charges_of(order["id"].as_str().unwrap()).len(), 1);
    }
    till.verify().await;
}

/// What Stripe will not do is a conflict that says why: here, an amount below what it charges.
#[tokio::test]
async fn an_amount_that_stripe_does_not_take_is_a_conflict() {
    let till = Till::open().await;
    let pin = till.shop.admin().create_product("Pin", "0.20", 9).await;
    let ada = till.shop.register("ada").await;
    let order = ada.buy(pin, 1).await;
    let refused = ada.begin_payment(&order).await.expect_problem(409, "payment_refused");
    assert!(refused.json["detail"].as_str().unwrap().contains("at least $0.50"), "{refused:?}");
    assert_eq!(ada.order(&order).await["status"], "pending", "it may be paid some other way");
    till.verify().await;
}

/// The bank asks its customer; or takes its time.
#[tokio::test]
async fn a_payment_that_takes_its_time_is_processing() {
    let till = Till::open().await;
    for (name, card, waiting) in
        [("ada", Card::AuthenticationRequired, "requires_payment"), ("grace", Card::Slow, "processing")]
    {
        let (buyer, order) = till.order(name).await;
        let intent = buyer.begin_payment(&order).await.expect(200).json;
        till.pay(&intent, card).await;
        till.stripe.delivered().await;
        let seen = buyer.see_payment(&order, &format!("stripe {waiting}")).await;
        assert_eq!(seen["status"], "pending");
        assert_eq!(buyer.begin_payment(&order).await.expect(200).json["status"], waiting, "the same intent");
        assert!(till.stripe.settle_intent(id_of(&intent), Outcome::Succeeds));
        buyer.see_order(&order, "paid").await;
    }
    let (joan, order) = till.order("joan").await;
    let intent = joan.begin_payment(&order).await.expect(200).json;
    till.pay(&intent, Card::Slow).await;
    joan.see_payment(&order, "stripe processing").await;
    till.stripe.settle_intent(id_of(&intent), Outcome::Fails);
    let seen = joan.see_payment(&order, "stripe failed").await;
    assert_eq!(
        history(&seen),
        ["pending", "pending requires_payment", "pending processing", "pending failed"]
    );
    till.verify().await;
}
