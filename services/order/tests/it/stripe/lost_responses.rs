//! Many paid checkouts while 30% of all responses are lost.

use std::{collections::BTreeMap, time::Duration};

use bodega_proto::order::v1::{
    Order,
    OrderStatus::{Cancelled, Paid},
    PaymentStatus::{Completed, Refunded},
};
use bodega_stripe_double::{Card, DeliveryPolicy, Fault, Operation};
use futures_util::{StreamExt as _, stream};

use super::{StripeApp, payment_of};
use crate::test_app::{MUG, PEN};

const CHECKOUTS: usize = 500;
const CONCURRENCY: usize = 16;

/// Places and pays an order, with retries. Every fifth one is cancelled.
async fn checkout(app: &StripeApp, n: usize) -> Order {
    let quantity = i32::try_from(n % 3).unwrap() + 1;
    let order = app.new_order(&[(if n.is_multiple_of(2) { MUG } else { PEN }, quantity)]).await;
    let mut tries = 0;
    let intent = loop {
        match app.create_intent(&order).await {
            Ok(intent) => break intent,
            Err(error) => assert_eq!(error.code(), tonic::Code::Unavailable, "{error:?}"),
        }
        tries += 1;
        assert!(tries < 50, "no intent for order {}", order.id);
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    app.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
    if n.is_multiple_of(5) {
        app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    }
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn every_paid_order_has_one_charge_despite_lost_responses() {
    let app = StripeApp::start().await;
    app.catalog.add_stock(MUG, "Mug", 1000, 2000);
    app.catalog.add_stock(PEN, "Pen", 250, 2000);
    let operations =
        [Operation::Create, Operation::Confirm, Operation::Cancel, Operation::Refund, Operation::Retrieve];
    for operation in operations {
        app.stripe.fail_sometimes(operation, Fault::DropAfter, 0.3);
    }
    app.stripe.set_delivery_policy(DeliveryPolicy {
        loss: 0.3,
        duplicates: 1,
        window: Duration::from_millis(200),
        ..DeliveryPolicy::default()
    });
    let checkouts = stream::iter(0..CHECKOUTS).map(|n| checkout(&app, n)).buffer_unordered(CONCURRENCY);
    let orders: Vec<_> = checkouts.collect().await;
    app.stripe.clear_faults();

    let mut ends = BTreeMap::<_, usize>::new();
    for order in &orders {
        let (status, payment) = match app.get(&order.id).await.status() {
            Cancelled => (Cancelled, Refunded),
            _ => (Paid, Completed),
        };
        let order = app.wait_for(order, status, payment, Duration::from_secs(60)).await;
        *ends.entry((order.status().as_str_name(), payment_of(&order).as_str_name())).or_default() += 1;

        let charges = app.stripe.charges_of(&order.id);
        assert_eq!(charges.len(), 1, "{order:?}");
        assert_eq!(charges[0].amount, order.total_minor);
        let refunded = if status == Cancelled { order.total_minor } else { 0 };
        assert_eq!(charges[0].amount_refunded, refunded);
        assert_eq!(app.stripe.refunds_of(&order.id).len(), usize::from(status == Cancelled));
    }
    assert_eq!(ends.into_values().collect::<Vec<_>>(), [CHECKOUTS / 5, CHECKOUTS - CHECKOUTS / 5]);
    app.assert_consistent().await;
}
