//! What a test looks at.

use serde_json::Value;

use crate::{
    Operation,
    double::StripeDouble,
    ledger::{Charge, ChargeStatus, Intent, Refund, RefundStatus},
    webhooks::Delivery,
};

/// What an order is called in the metadata of its intents.
const ORDER_ID: &str = "order_id";

/// A call that was made with a key of ours, and whatever became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its kind.
    pub operation: Operation,
    /// Its path, without the query.
    pub path: String,
    /// Its `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// Its `Stripe-Version`.
    pub version: Option<String>,
}

impl StripeDouble {
    /// All intents, the oldest first.
    #[must_use]
    pub fn intents(&self) -> Vec<Intent> {
        self.shared.lock().ledger.intents.iter().cloned().collect()
    }

    /// An intent.
    #[must_use]
    pub fn intent(&self, id: &str) -> Option<Intent> {
        self.shared.lock().ledger.intents.get(id).cloned()
    }

    /// All charges, the oldest first, those that failed as well.
    #[must_use]
    pub fn charges(&self) -> Vec<Charge> {
        self.shared.lock().ledger.charges.iter().cloned().collect()
    }

    /// All refunds, the oldest first.
    #[must_use]
    pub fn refunds(&self) -> Vec<Refund> {
        self.shared.lock().ledger.refunds.iter().cloned().collect()
    }

    /// The intents that have `order_id` in their metadata, the oldest first.
    #[must_use]
    pub fn intents_of(&self, order_id: &str) -> Vec<Intent> {
        let is_of = |intent: &Intent| intent.metadata.get(ORDER_ID).is_some_and(|id| id == order_id);
        self.intents().into_iter().filter(is_of).collect()
    }

    /// The charges for an order that took money, whether it has gone back or not.
    #[must_use]
    pub fn charges_of(&self, order_id: &str) -> Vec<Charge> {
        let is_of = |charge: &Charge| charge.metadata.get(ORDER_ID).is_some_and(|id| id == order_id);
        let took = |charge: &Charge| charge.status == ChargeStatus::Succeeded;
        self.charges().into_iter().filter(|charge| took(charge) && is_of(charge)).collect()
    }

    /// The refunds for an order that have not failed.
    #[must_use]
    pub fn refunds_of(&self, order_id: &str) -> Vec<Refund> {
        let charges: Vec<_> = self.charges_of(order_id).into_iter().map(|charge| charge.id).collect();
        let is_of = |refund: &Refund| charges.contains(&refund.charge);
        let stands = |refund: &Refund| refund.status != RefundStatus::Failed;
        self.refunds().into_iter().filter(|refund| stands(refund) && is_of(refund)).collect()
    }

    /// All that was ever charged, in smallest units.
    #[must_use]
    pub fn total_charged(&self) -> i64 {
        let took = |charge: &&Charge| charge.status == ChargeStatus::Succeeded;
        self.shared.lock().ledger.charges.iter().filter(took).map(|charge| charge.amount).sum()
    }

    /// All that has gone back, or is on its way, in smallest units.
    #[must_use]
    pub fn total_refunded(&self) -> i64 {
        self.shared.lock().ledger.charges.iter().map(|charge| charge.amount_refunded).sum()
    }

    /// An intent, charge or refund as the API shows it.
    #[must_use]
    pub fn object(&self, id: &str) -> Option<Value> {
        self.shared.lock().ledger.object(id)
    }

    /// All events, the oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.shared.lock().events.clone()
    }

    /// All attempts to deliver events, in the order they ended.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.lock().endpoint.log.clone()
    }

    /// All calls, the oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().calls.clone()
    }

    /// How many calls of a kind there were.
    #[must_use]
    pub fn calls_of(&self, operation: Operation) -> usize {
        self.shared.lock().calls.iter().filter(|call| call.operation == operation).count()
    }

    /// What does not add up in the ledger, in words: an intent with two charges, more refunded than charged. Empty
    /// unless the double itself is wrong.
    #[must_use]
    pub fn check(&self) -> Vec<String> {
        self.shared.lock().ledger.check()
    }
}
