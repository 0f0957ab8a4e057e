//! Whether the ledger adds up.

use super::{ChargeStatus, Intent, IntentStatus, Ledger, RefundStatus};

impl Ledger {
    /// What does not add up, in words. Empty unless the double itself is wrong.
    pub(crate) fn check(&self) -> Vec<String> {
        let mut wrong: Vec<_> = self.intents.iter().filter_map(|intent| self.check_intent(intent)).collect();
        for charge in self.charges.iter() {
            let refunds = self.refunds.iter().filter(|refund| refund.charge == charge.id);
            let back = refunds.filter(|refund| refund.status != RefundStatus::Failed);
            let back: i64 = back.map(|refund| refund.amount).sum();
            let may_go_back = if charge.status == ChargeStatus::Succeeded { charge.amount } else { 0 };
            if back != charge.amount_refunded || back > may_go_back {
                let (id, says) = (&charge.id, charge.amount_refunded);
                wrong.push(format!("{back} of {may_go_back} have gone back from {id}, which says {says}"));
            }
        }
        wrong
    }

    fn check_intent(&self, intent: &Intent) -> Option<String> {
        let charges = self.charges.iter().filter(|charge| charge.payment_intent == intent.id);
        let paid = charges.filter(|charge| charge.status == ChargeStatus::Succeeded);
        let paid: Vec<_> = paid.map(|charge| charge.amount).collect();
        let is_right = match intent.status {
            IntentStatus::Succeeded => paid == [intent.amount] && intent.amount_received == intent.amount,
            _ => paid.is_empty() && intent.amount_received == 0,
        };
        (!is_right).then(|| format!("{} is {} with charges of {paid:?}", intent.id, intent.status.as_str()))
    }
}
