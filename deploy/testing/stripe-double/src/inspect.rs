//! Reads the double's state, for tests.

use serde_json::Value;

use crate::{
    call::{Call, Operation},
    double::StripeDouble,
    endpoint::Delivery,
    ledger::{Charge, ChargeStatus, Intent, Refund, RefundStatus},
};

/// The metadata key of the order id.
const ORDER_ID: &str = "order_id";

impl StripeDouble {
    /// All intents, oldest first.
    #[must_use]
    pub fn intents(&self) -> Vec<Intent> {
        self.shared.lock().ledger.intents.iter().cloned().collect()
    }

    /// Returns an intent.
    #[must_use]
    pub fn intent(&self, id: &str) -> Option<Intent> {
        self.shared.lock().ledger.intents.get(id).cloned()
    }

    /// All charges including failed ones, oldest first.
    #[must_use]
    pub fn charges(&self) -> Vec<Charge> {
        self.shared.lock().ledger.charges.iter().cloned().collect()
    }

    /// All refunds, oldest first.
    #[must_use]
    pub fn refunds(&self) -> Vec<Refund> {
        self.shared.lock().ledger.refunds.iter().cloned().collect()
    }

    /// The intents with this `order_id` in their metadata, oldest first.
    #[must_use]
    pub fn intents_of(&self, order_id: &str) -> Vec<Intent> {
        let is_of = |intent: &Intent| intent.metadata.get(ORDER_ID).is_some_and(|id| id == order_id);
        self.intents().into_iter().filter(is_of).collect()
    }

    /// The successful charges of an order, whether refunded or not.
    #[must_use]
    pub fn charges_of(&self, order_id: &str) -> Vec<Charge> {
        let is_of = |charge: &Charge| charge.metadata.get(ORDER_ID).is_some_and(|id| id == order_id);
        let succeeded = |charge: &Charge| charge.status == ChargeStatus::Succeeded;
        self.charges().into_iter().filter(|charge| succeeded(charge) && is_of(charge)).collect()
    }

    /// The refunds of an order that have not failed.
    #[must_use]
    pub fn refunds_of(&self, order_id: &str) -> Vec<Refund> {
        let charges: Vec<_> = self.charges_of(order_id).into_iter().map(|charge| charge.id).collect();
        let is_of = |refund: &Refund| charges.contains(&refund.charge);
        let counts = |refund: &Refund| refund.status != RefundStatus::Failed;
        self.refunds().into_iter().filter(|refund| counts(refund) && is_of(refund)).collect()
    }

    /// The sum of all successful charges, in minor units.
    #[must_use]
    pub fn total_charged(&self) -> i64 {
        let succeeded = |charge: &&Charge| charge.status == ChargeStatus::Succeeded;
        self.shared.lock().ledger.charges.iter().filter(succeeded).map(|charge| charge.amount).sum()
    }

    /// The sum of all successful and pending refunds, in minor units.
    #[must_use]
    pub fn total_refunded(&self) -> i64 {
        self.shared.lock().ledger.charges.iter().map(|charge| charge.amount_refunded).sum()
    }

    /// Returns an intent, charge or refund as JSON.
    #[must_use]
    pub fn object(&self, id: &str) -> Option<Value> {
        self.shared.lock().ledger.object(id)
    }

    /// All events, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.shared.lock().events.clone()
    }

    /// All delivery attempts, in the order of completion.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.lock().endpoint.deliveries.clone()
    }

    /// All authenticated requests, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().calls.clone()
    }

    /// The number of authenticated requests of a kind.
    #[must_use]
    pub fn calls_of(&self, operation: Operation) -> usize {
        self.shared.lock().calls.iter().filter(|call| call.operation == operation).count()
    }

    /// Returns the inconsistencies of the ledger, such as an intent with two charges or a refund larger than its charge.
    /// They are bugs of the double.
    #[must_use]
    pub fn check(&self) -> Vec<String> {
        self.shared.lock().ledger.check()
    }
}
