//! Checks the consistency of the ledger.

use super::{ChargeStatus, Intent, IntentStatus, Ledger, RefundStatus};

impl Ledger {
    /// Describes the inconsistencies, which are bugs of the double.
    pub(crate) fn check(&self) -> Vec<String> {
        let mut problems: Vec<_> =
            self.intents.iter().filter_map(|intent| self.check_intent(intent)).collect();
        for charge in self.charges.iter() {
            let refunds = self.refunds.iter().filter(|refund| refund.charge == charge.id);
            let counted = refunds.filter(|refund| refund.status != RefundStatus::Failed);
            let refunded: i64 = counted.map(|refund| refund.amount).sum();
            let refundable = if charge.status == ChargeStatus::Succeeded { charge.amount } else { 0 };
            if refunded != charge.amount_refunded || refunded > refundable {
                let (id, recorded) = (&charge.id, charge.amount_refunded);
                problems
                    .push(format!("{refunded} of {refundable} refunded from {id}, which records {recorded}"));
            }
        }
        problems
    }

    fn check_intent(&self, intent: &Intent) -> Option<String> {
        let charges = self.charges.iter().filter(|charge| charge.payment_intent == intent.id);
        let paid = charges.filter(|charge| charge.status == ChargeStatus::Succeeded);
        let paid: Vec<_> = paid.map(|charge| charge.amount).collect();
        let is_consistent = match intent.status {
            IntentStatus::Succeeded => paid == [intent.amount] && intent.amount_received == intent.amount,
            _ => paid.is_empty() && intent.amount_received == 0,
        };
        (!is_consistent).then(|| {
            format!("{} is {} with successful charges of {paid:?}", intent.id, intent.status.as_str())
        })
    }
}
