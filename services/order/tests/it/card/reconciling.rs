//! Payments without webhook events, and payments that do not arrive.

use std::time::Duration;

use bodega_embedded_postgres::testing::statements::count;
use bodega_order::PaymentProviders;
use bodega_proto::order::v1::{
    OrderStatus::{Cancelled, Paid, Pending},
    PaymentStatus::{Completed, Failed, Refunded, RequiresPayment},
};
use bodega_stripe_double::{Card, DeliveryPolicy, Fault, IntentStatus, Operation};

use super::{CardShop, pay, payment_of};
use crate::shop::{MUG, id, refused};

/// What is stuck is resolved within this time of its services being up.
const SOON: Duration = Duration::from_secs(10);

fn lost() -> DeliveryPolicy {
    DeliveryPolicy { loss: 1.0, ..DeliveryPolicy::default() }
}

#[tokio::test]
async fn an_order_whose_events_are_all_lost_is_paid_within_seconds() {
    let shop = CardShop::open().await;
    shop.stripe.set_delivery_policy(lost());
    let order = shop.shop.order(&[(MUG, 1)]).await;
    let declined = shop.shop.order(&[(MUG, 1)]).await;
    let intent = shop.pay(&order).await.unwrap();
    shop.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    let intent = shop.pay(&declined).await.unwrap();
    shop.stripe.confirm(&intent.client_secret, Card::Declined).await.unwrap();
    // While Stripe does not answer, it is asked again.
    shop.stripe.fail_next(Operation::Retrieve, Fault::DropAfter, 2);
    shop.until(&order, Paid, Completed, SOON).await;
    shop.until(&declined, Pending, Failed, SOON).await;
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_payment_is_looked_at_by_one_replica_at_a_time_and_less_and_less_often() {
    let shop = CardShop::open().await;
    let replicas = [shop.shop.replica().await, shop.shop.replica().await];
    let order = shop.shop.order(&[(MUG, 1)]).await;
    shop.pay(&order).await.unwrap();
    tokio::time::sleep(Duration::from_secs(8)).await;
    let looks = shop.stripe.calls_of(Operation::Retrieve);
    assert!((1..=5).contains(&looks), "{looks} looks in 8 seconds");
    for replica in replicas {
        replica.kill().await;
    }
}

#[tokio::test]
async fn an_order_expires_with_its_payment_intent_first_and_stock_last() {
    let shop = CardShop::with_window("1s").await;
    let order = shop.shop.order(&[(MUG, 1)]).await;
    let without = shop.shop.order(&[(MUG, 1)]).await;
    let intent = shop.pay(&order).await.unwrap();
    // While the intent cannot be called off, the order stays.
    shop.stripe.fail_next(Operation::Cancel, Fault::DropBefore, 4);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(shop.shop.get(&order.id).await.status(), Pending);
    shop.stripe.clear_faults();
    let expired = shop.until(&order, Cancelled, Failed, SOON).await;
    assert_eq!(shop.stripe.intent(&intent.id).unwrap().status, IntentStatus::Canceled);
    let actor: Option<uuid::Uuid> = sqlx::query_scalar(
        "select actor from orders.order_events where order_id = $1 and status_changed and status = 'cancelled'",
    )
    .bind(id(&expired))
    .fetch_one(&shop.shop.db)
    .await
    .unwrap();
    assert_eq!(actor, None, "nobody asked");
    shop.assert_sound().await;
    assert_eq!(shop.shop.catalog.left(MUG), 999);
    assert_eq!(shop.shop.get(&without.id).await.status(), Pending, "nobody has begun to pay it");
}

#[tokio::test]
async fn an_order_that_turns_out_paid_does_not_expire() {
    let shop = CardShop::with_window("2s").await;
    shop.stripe.set_delivery_policy(lost());
    let order = shop.shop.order(&[(MUG, 1)]).await;
    let intent = shop.pay(&order).await.unwrap();
    shop.stripe.fail_next(Operation::Retrieve, Fault::RateLimited, 100);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    shop.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    shop.stripe.clear_faults();
    shop.until(&order, Paid, Completed, SOON).await;
    assert_eq!(shop.stripe.refunds(), []);
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_declined_order_expires_and_one_whose_money_is_on_its_way_does_not() {
    let shop = CardShop::with_window("1s").await;
    let declined = shop.shop.order(&[(MUG, 1)]).await;
    let slow = shop.shop.order(&[(MUG, 1)]).await;
    let unheard = shop.shop.order(&[(MUG, 1)]).await;
    let intent = shop.pay(&declined).await.unwrap();
    shop.stripe.confirm(&intent.client_secret, Card::Declined).await.unwrap();
    let intent = shop.pay(&slow).await.unwrap();
    shop.stripe.confirm(&intent.client_secret, Card::Slow).await.unwrap();
    shop.stripe.fail_next(Operation::Create, Fault::DropBefore, 20);
    shop.pay(&unheard).await.unwrap_err();
    shop.stripe.clear_faults();
    shop.until(&declined, Cancelled, Failed, SOON).await;
    shop.until(&unheard, Cancelled, Failed, SOON).await;
    let order = shop.shop.get(&slow.id).await;
    assert_eq!(order.status(), Pending);
    assert_ne!(payment_of(&order), RequiresPayment);
    shop.stripe.settle_intent(&intent.id, bodega_stripe_double::Outcome::Succeeds);
    shop.until(&slow, Paid, Completed, SOON).await;
    shop.assert_sound().await;
}

#[tokio::test]
async fn what_was_told_to_a_process_that_died_is_applied_by_the_next() {
    let mut shop = CardShop::open().await;
    let order = shop.paid_order().await;
    // As if it had been killed between writing the event down and applying it.
    let undo = [
        "update orders.provider_events set applied_at = null, outcome = null, next_attempt_at = now()
         where kind = 'payment_intent.succeeded'",
        "delete from orders.order_events where payment_status = 'completed'",
        "update orders.payments set status = 'requires_payment'",
        "update orders.orders set status = 'pending'",
    ];
    for statement in undo {
        sqlx::query(statement).execute(&shop.shop.db).await.unwrap();
    }
    shop.shop.restart().await;
    shop.until(&order, Paid, Completed, Duration::from_secs(5)).await;
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_payment_whose_maker_died_is_given_up_soon_after_its_order_was_cancelled() {
    let shop = CardShop::open().await;
    let order = shop.shop.order(&[(MUG, 1)]).await;
    let owner = order.user_id.parse().unwrap();
    shop.stripe.set_delivery_policy(lost());
    shop.stripe.fail_next(Operation::Create, Fault::DelayAfter(Duration::from_secs(60)), 1);
    let id = order.id.clone();
    let killed = shop
        .shop
        .killed_after(Duration::from_millis(500), owner, |client| async move { pay(client, &id).await });
    assert!(killed.await.is_none());
    shop.shop.cancel(owner, &order.id).await.unwrap();
    // Looking at it does not lengthen the time that its maker has.
    shop.until(&order, Cancelled, Failed, SOON).await;
    shop.assert_sound().await;
}

#[tokio::test]
async fn an_intent_that_is_made_while_its_order_is_cancelled_is_called_off() {
    let shop = CardShop::open().await;
    let order = shop.shop.order(&[(MUG, 1)]).await;
    shop.stripe.set_delivery_policy(lost());
    shop.stripe.fail_next(Operation::Create, Fault::DelayAfter(Duration::from_secs(2)), 1);
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        shop.shop.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    };
    let (refusal, ()) = tokio::join!(shop.pay(&order), cancel);
    assert_eq!(refused(refusal), "order_not_payable", "nobody is given what is to be called off");
    shop.until(&order, Cancelled, Failed, SOON).await;
    assert_eq!(shop.stripe.intents_of(&order.id)[0].status, IntentStatus::Canceled);
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_provider_that_is_configured_away_and_back_leaves_one_charge() {
    let mut shop = CardShop::open().await;
    let order = shop.shop.order(&[(MUG, 1)]).await;
    let owner = order.user_id.parse().unwrap();
    let intent = shop.pay(&order).await.unwrap();
    let card = shop.shop.now_paid_by(PaymentProviders::offline()).await;
    // It could still be paid: nothing else is begun, and nobody is kept waiting for it.
    let (refused, statements) = count(shop.pay(&order)).await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::Unavailable);
    assert!(statements < 10, "{statements} statements");
    shop.shop.change(&order.id, Paid).await.unwrap();
    shop.shop.cancel(owner, &order.id).await.unwrap();
    let cancelled = shop.shop.get(&order.id).await;
    assert_eq!(payment_of(&cancelled), Refunded, "what changed hands elsewhere went back elsewhere");

    let due = "update orders.payments set next_poll_at = now() where provider = 'stripe'";
    sqlx::query(due).execute(&shop.shop.db).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let left_alone = "select bool_and(next_poll_at <= now()) from orders.payments where provider = 'stripe'";
    let left_alone: bool = sqlx::query_scalar(left_alone).fetch_one(&shop.shop.db).await.unwrap();
    assert!(left_alone, "nobody claims what nobody can look at");

    shop.stripe.set_delivery_policy(lost());
    shop.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    shop.shop.now_paid_by(card).await;
    let started = std::time::Instant::now();
    while shop.stripe.total_refunded() == 0 {
        assert!(started.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    shop.assert_sound().await;
}
