//! Work that somebody else has finished by the time its first worker goes on.
//!
//! Attempts that are overtaken are in [`crashes`](crate::crashes), refunds in [`card`](crate::card).

use std::time::Duration;

use bodega_proto::order::v1::{
    CancelOrderRequest, CreatePaymentIntentRequest,
    OrderStatus::{Cancelled, Paid, Pending},
    PaymentStatus::{Completed, RequiresPayment},
};
use bodega_stripe_double::{Card, Fault as StripeFault, Operation};
use futures_util::future::join_all;
use tonic::Code;

use crate::{
    card::{CardShop, outcomes, pay, payment_of, payment_steps},
    faults::Fault,
    shop::{Client, MUG, Shop, id, place},
};

/// Ends leases again and again, for as long as it is polled: everybody is overtaken by everybody.
async fn greed(shop: &Shop, statement: &'static str) {
    loop {
        sqlx::query(statement).execute(&shop.db).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_cart_that_is_told_of_its_order_once_more_long_after_keeps_what_came_since() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.cart.faults().once("ClearOrdered", Fault::Down);
    // The loop that takes it from there is held before its call arrives.
    shop.cart.faults().once("ClearOrdered", Fault::Slow(Duration::from_millis(1300)));
    shop.place(user, "").await.unwrap();
    shop.cart.faults().all_met("ClearOrdered").await;

    let replica = shop.replica().await;
    sqlx::query("update orders.outbox set next_attempt_at = now()").execute(&shop.db).await.unwrap();
    while !shop.cart.holds(user).is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(shop.cart.calls().1, 1, "the second has overtaken the first");
    shop.put(user, &[(MUG, 1)]);
    while shop.cart.calls().1 == 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(shop.cart.holds(user), [(MUG, 1)].into());
    shop.assert_sound().await;
    replica.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_every_replica_is_at_are_applied_once() {
    let shop = CardShop::open().await;
    let mut orders = Vec::new();
    for _ in 0..40 {
        orders.push(shop.paid_order().await);
    }
    // As if nobody had come to apply any of them.
    let undo = [
        "update orders.provider_events set applied_at = null, outcome = null, next_attempt_at = now()
         where kind = 'payment_intent.succeeded'",
        "delete from orders.order_events where payment_status = 'completed'",
        "update orders.payments set status = 'requires_payment', next_poll_at = null",
        "update orders.orders set status = 'pending'",
    ];
    let replicas = [shop.shop.replica().await, shop.shop.replica().await];
    let mut transaction = shop.shop.db.begin().await.unwrap();
    for statement in undo {
        sqlx::query(statement).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();

    // Whoever applies one holds it until the orders are let go; the others that it has claimed wait for a connection,
    // and are there for everybody.
    let mut held = shop.shop.db.begin().await.unwrap();
    sqlx::query("select from orders.orders for update").execute(&mut *held).await.unwrap();
    let greed = greed(
        &shop.shop,
        "update orders.provider_events e set next_attempt_at = now()
         from (
             select provider, id from orders.provider_events where next_attempt_at is not null
             for update skip locked
         ) as due
         where e.provider = due.provider and e.id = due.id",
    );
    let applied = async {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        held.rollback().await.unwrap();
        for order in &orders {
            let order = shop.until(order, Paid, Completed, Duration::from_secs(10)).await;
            assert_eq!(payment_steps(&order), [RequiresPayment, Completed]);
        }
    };
    tokio::select! {
        () = greed => {}
        () = applied => {}
    }
    let attempts: i32 = sqlx::query_scalar("select max(attempts) from orders.provider_events")
        .fetch_one(&shop.shop.db)
        .await
        .unwrap();
    assert!(attempts > 1, "some were overtaken");
    for (kind, outcome) in outcomes(&shop.shop).await {
        let once = kind != "payment_intent.succeeded" || outcome.as_deref() == Some("applied");
        assert!(once, "{kind}: {outcome:?}, after it was applied by another");
    }
    for replica in replicas {
        replica.kill().await;
    }
    shop.assert_sound().await;
}

#[tokio::test]
async fn an_intent_that_comes_after_others_have_found_it_and_gone_on_changes_nothing() {
    let shop = CardShop::open().await;
    let order = shop.shop.order(&[(MUG, 1)]).await;
    shop.stripe.fail_next(Operation::Create, StripeFault::DelayAfter(Duration::from_secs(3)), 1);
    let overtaken = shop.pay(&order);
    let others = async {
        while shop.stripe.intents_of(&order.id).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        sqlx::query("update orders.payments set intent_lease_until = now()")
            .execute(&shop.shop.db)
            .await
            .unwrap();
        let first = shop.pay(&order).await.unwrap();
        shop.stripe.confirm(&first.client_secret, Card::Declined).await.unwrap();
        shop.stripe.delivered().await;
        let second = shop.pay(&order).await.unwrap();
        assert_ne!(first.id, second.id);
        second
    };
    let (overtaken, second) = tokio::join!(overtaken, others);
    assert_eq!(overtaken.unwrap(), second, "it answers what is the case now");
    assert_eq!(shop.pay(&order).await.unwrap(), second);
    shop.stripe.confirm(&second.client_secret, Card::Visa).await.unwrap();
    shop.until(&order, Paid, Completed, Duration::from_secs(5)).await;
    assert_eq!(shop.stripe.charges_of(&order.id).len(), 1);
    shop.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_that_every_replica_looks_at_are_taken_in_once() {
    let shop = CardShop::open().await;
    shop.stripe.pause_deliveries();
    let replicas = [shop.shop.replica().await, shop.shop.replica().await];
    let mut orders = Vec::new();
    for n in 0..20 {
        let order = shop.shop.order(&[(MUG, 1)]).await;
        let intent = shop.pay(&order).await.unwrap();
        shop.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
        if n % 2 == 0 {
            shop.shop.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
        }
        orders.push(order);
    }
    let greed =
        greed(&shop.shop, "update orders.payments set next_poll_at = now() where next_poll_at is not null");
    let settled = async {
        for (n, order) in orders.iter().enumerate() {
            let started = std::time::Instant::now();
            while !is_settled(&shop, &order.id).await {
                assert!(started.elapsed() < Duration::from_secs(10), "order {n}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let refunds = shop.stripe.refunds_of(&order.id).len();
            assert_eq!((shop.stripe.charges_of(&order.id).len(), refunds), (1, usize::from(n % 2 == 0)));
        }
    };
    tokio::select! {
        () = greed => {}
        () = settled => {}
    }
    for replica in replicas {
        replica.kill().await;
    }
    shop.assert_sound().await;
}

/// Whether nothing is to be done about an order's payment any more.
async fn is_settled(shop: &CardShop, order: &str) -> bool {
    let query = "select bool_and(next_poll_at is null) from orders.payments where order_id = $1";
    sqlx::query_scalar(query)
        .bind(order.parse::<uuid::Uuid>().unwrap())
        .fetch_one(&shop.shop.db)
        .await
        .unwrap()
}

/// Longer than every lease, and than what is left behind may last.
const FROZEN: Duration = Duration::from_secs(11);

/// Orders, begins to pay, and cancels, for as long as there are answers.
async fn shop_around(client: Client) {
    let Ok(order) = place(client.clone(), "key", None).await else { return };
    let id = order.id;
    let _ = client.clone().create_payment_intent(CreatePaymentIntentRequest { id: id.clone() }).await;
    let _ = { client }.cancel_order(CancelOrderRequest { id }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_frozen_for_longer_than_every_lease_does_no_harm_when_it_goes_on() {
    let shop = CardShop::open().await;
    let shop = &shop;
    let users: Vec<_> = (0..8).map(|_| shop.shop.shopper(&[(MUG, 1)])).collect();
    let frozen = users.iter().enumerate().map(|(n, user)| {
        let moment = Duration::from_millis(u64::try_from(n).unwrap() * 8);
        shop.shop.frozen_after(moment, FROZEN, *user, shop_around)
    });
    let others = async {
        // They are frozen by now.
        tokio::time::sleep(Duration::from_secs(1)).await;
        shop.assert_sound().await;
        let mut ends = Vec::new();
        for user in &users {
            // Those who come back, while the others are still asleep.
            let order = shop.shop.place(*user, "key").await.unwrap();
            if order.status() == Pending {
                let intent = loop {
                    match pay(shop.shop.client(*user), &order.id).await {
                        // As a client does: the provider may be slow on a machine that has much else to do.
                        Err(status) if status.code() == Code::Unavailable => {
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                        answer => break answer.unwrap(),
                    }
                };
                shop.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
                shop.until(&order, Paid, Completed, Duration::from_secs(10)).await;
            }
            ends.push(order);
        }
        ends
    };
    let (_, orders) = tokio::join!(join_all(frozen), others);
    for (order, user) in orders.iter().zip(users) {
        assert_eq!(shop.shop.orders_of(user).await, 1);
        let now = shop.shop.get(&order.id).await;
        // Whoever woke up may have had its own cancellation before it: then the money goes back.
        match now.status() {
            Paid => assert_eq!(payment_of(&now), Completed),
            status => assert_eq!(status, Cancelled),
        }
        let left = usize::from(now.status() == Cancelled);
        assert_eq!(shop.shop.catalog.gave_back(id(&now)), left);
    }
    shop.assert_sound().await;
}
