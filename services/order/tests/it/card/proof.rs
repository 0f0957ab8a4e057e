//! Many paid checkouts while a third of all replies is lost.

use std::{collections::BTreeMap, time::Duration};

use bodega_proto::order::v1::{
    Order,
    OrderStatus::{Cancelled, Paid},
    PaymentStatus::{Completed, Refunded},
};
use bodega_stripe_double::{Card, DeliveryPolicy, Fault, Operation};
use futures_util::{StreamExt as _, stream};

use super::{CardShop, payment_of};
use crate::shop::{MUG, PEN};

const CHECKOUTS: usize = 500;
const SHOPPERS: usize = 16;

/// Orders, pays, and comes back until it is done; every fifth shopper then changes their mind.
async fn checkout(shop: &CardShop, n: usize) -> Order {
    let quantity = i32::try_from(n % 3).unwrap() + 1;
    let order = shop.shop.order(&[(if n.is_multiple_of(2) { MUG } else { PEN }, quantity)]).await;
    let mut tries = 0;
    let intent = loop {
        match shop.pay(&order).await {
            Ok(intent) => break intent,
            Err(refused) => assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused:?}"),
        }
        tries += 1;
        assert!(tries < 50, "no intent for order {}", order.id);
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    shop.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    if n.is_multiple_of(5) {
        shop.shop.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    }
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn every_paid_order_has_one_charge_of_its_amount_though_a_third_of_all_replies_is_lost() {
    let shop = CardShop::open().await;
    shop.shop.catalog.stock(MUG, "Mug", 1000, 2000);
    shop.shop.catalog.stock(PEN, "Pen", 250, 2000);
    let operations =
        [Operation::Create, Operation::Confirm, Operation::Cancel, Operation::Refund, Operation::Retrieve];
    for operation in operations {
        shop.stripe.fail_sometimes(operation, Fault::DropAfter, 0.3);
    }
    shop.stripe.set_delivery_policy(DeliveryPolicy {
        loss: 0.3,
        duplicates: 1,
        window: Duration::from_millis(200),
        ..DeliveryPolicy::default()
    });
    let checkouts = stream::iter(0..CHECKOUTS).map(|n| checkout(&shop, n)).buffer_unordered(SHOPPERS);
    let orders: Vec<_> = checkouts.collect().await;
    shop.stripe.clear_faults();

    let mut ends = BTreeMap::<_, usize>::new();
    for order in &orders {
        let (status, payment) = match shop.shop.get(&order.id).await.status() {
            Cancelled => (Cancelled, Refunded),
            _ => (Paid, Completed),
        };
        let order = shop.until(order, status, payment, Duration::from_secs(60)).await;
        *ends.entry((order.status().as_str_name(), payment_of(&order).as_str_name())).or_default() += 1;

        let charges = shop.stripe.charges_of(&order.id);
        assert_eq!(charges.len(), 1, "{order:?}");
        assert_eq!(charges[0].amount, order.total_minor);
        let refunded = if status == Cancelled { order.total_minor } else { 0 };
        assert_eq!(charges[0].amount_refunded, refunded);
        assert_eq!(shop.stripe.refunds_of(&order.id).len(), usize::from(status == Cancelled));
    }
    assert_eq!(ends.into_values().collect::<Vec<_>>(), [CHECKOUTS / 5, CHECKOUTS - CHECKOUTS / 5]);
    shop.assert_sound().await;
}
