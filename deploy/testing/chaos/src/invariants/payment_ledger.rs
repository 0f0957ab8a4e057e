//! Stripe's view of the payments.

use std::fmt;

use bodega_stripe_double::{Charge, ChargeStatus, IntentStatus, Refund, RefundStatus, StripeDouble};

#[derive(Debug, Default)]
pub(super) struct PaymentLedger {
    /// Successful charges, refunded or not.
    pub(super) charges: Vec<Charge>,
    /// Without failed refunds.
    pub(super) refunds: Vec<Refund>,
    /// The ids of the intents that have succeeded.
    pub(super) succeeded_intents: Vec<String>,
    pub(super) inconsistencies: Vec<String>,
}

impl PaymentLedger {
    pub(super) fn of(stripe: &StripeDouble) -> Self {
        let succeeded =
            stripe.intents().into_iter().filter(|intent| intent.status == IntentStatus::Succeeded);
        let is_charged = |charge: &Charge| charge.status == ChargeStatus::Succeeded;
        let is_valid = |refund: &Refund| refund.status != RefundStatus::Failed;
        Self {
            charges: stripe.charges().into_iter().filter(is_charged).collect(),
            refunds: stripe.refunds().into_iter().filter(is_valid).collect(),
            succeeded_intents: succeeded.map(|intent| intent.id).collect(),
            inconsistencies: stripe.check(),
        }
    }

    pub(super) fn pending_refunds(&self) -> impl Iterator<Item = &Refund> {
        self.refunds.iter().filter(|refund| refund.status == RefundStatus::Pending)
    }
}

/// Formats an amount in the smallest unit: `1999 usd`.
pub(super) fn format_amount(amount: i64, currency: &str) -> impl fmt::Display {
    format!("{amount} {}", currency.to_ascii_lowercase())
}
