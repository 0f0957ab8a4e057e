//! Random sequences of status changes, compared with a model.

use bodega_proto::order::v1::{
    OrderStatus::{self, Cancelled, Completed, Confirmed, Paid, Pending, Shipped},
    PaymentStatus,
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::test_app::{MUG, TestApp, history};

/// The allowed status changes.
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
async fn random_status_sequences_match_the_model() {
    let app = TestApp::start().await;
    let mut runner = TestRunner::default();
    let step = prop::sample::select(vec![Pending, Confirmed, Paid, Shipped, Completed, Cancelled]);
    let sequences = prop::collection::vec((step, any::<bool>()), 1..10);
    for _ in 0..64 {
        let sequence = sequences.new_tree(&mut runner).unwrap().current();
        let order = app.new_order(&[(MUG, 1)]).await;
        let owner = order.user_id.parse().unwrap();
        let mut model = vec![Pending];
        for (to, by_owner) in &sequence {
            let result = match (to, by_owner) {
                (Cancelled, true) => app.cancel(owner, &order.id).await,
                _ => app.update_status(&order.id, *to).await,
            };
            let here = model[model.len() - 1];
            // An owner who cancels again gets the order as it is.
            let is_repeated = (here, *to, *by_owner) == (Cancelled, Cancelled, true);
            assert_eq!(
                result.is_ok(),
                allowed(here).contains(to) || is_repeated,
                "{sequence:?}: {here:?} -> {to:?}: {result:?}"
            );
            if result.is_ok() && !is_repeated {
                model.push(*to);
            }
        }
        let order = app.get(&order.id).await;
        assert_eq!(history(&order), model);
        let payment = match (model.contains(&Paid), model.contains(&Cancelled)) {
            (false, _) => None,
            (true, false) => Some(PaymentStatus::Completed),
            (true, true) => Some(PaymentStatus::Refunded),
        };
        assert_eq!(order.payment.map(|payment| payment.status()), payment);
    }
    app.assert_consistent().await;
}
