//! Random ways of an order, against a model of its states.

use bodega_proto::order::v1::{
    OrderStatus::{self, Cancelled, Completed, Confirmed, Paid, Pending, Shipped},
    PaymentStatus,
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::shop::{MUG, Shop, history};

/// The contract's states, told in its own words.
fn allowed(from: OrderStatus) -> &'static [OrderStatus] {
    match from {
        Pending => &[Confirmed, Paid, Cancelled],
        Confirmed => &[Paid, Shipped, Cancelled],
        Paid => &[Shipped, Cancelled],
        Shipped => &[Completed],
        Completed | Cancelled | OrderStatus::Unspecified => &[],
    }
}

#[tokio::test]
async fn any_sequence_of_moves_ends_where_the_model_does() {
    let shop = Shop::open().await;
    let mut runner = TestRunner::default();
    let step = prop::sample::select(vec![Pending, Confirmed, Paid, Shipped, Completed, Cancelled]);
    let walks = prop::collection::vec((step, any::<bool>()), 1..10);
    for _ in 0..64 {
        let walk = walks.new_tree(&mut runner).unwrap().current();
        let order = shop.order(&[(MUG, 1)]).await;
        let owner = order.user_id.parse().unwrap();
        let mut model = vec![Pending];
        for (to, by_owner) in &walk {
            let answer = match (to, by_owner) {
                (Cancelled, true) => shop.cancel(owner, &order.id).await,
                _ => shop.change(&order.id, *to).await,
            };
            let here = model[model.len() - 1];
            assert_eq!(
                answer.is_ok(),
                allowed(here).contains(to),
                "{walk:?}: {here:?} -> {to:?}: {answer:?}"
            );
            if answer.is_ok() {
                model.push(*to);
            }
        }
        let order = shop.get(&order.id).await;
        assert_eq!(history(&order), model);
        let payment = match (model.contains(&Paid), model.contains(&Cancelled)) {
            (false, _) => None,
            (true, false) => Some(PaymentStatus::Completed),
            (true, true) => Some(PaymentStatus::Refunded),
        };
        assert_eq!(order.payment.map(|payment| payment.status()), payment);
    }
    shop.assert_sound().await;
}
