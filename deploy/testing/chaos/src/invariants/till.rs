//! What Stripe says of the money.

use std::fmt;

use bodega_stripe_double::{Charge, ChargeStatus, IntentStatus, Refund, RefundStatus, StripeDouble};

/// Stripe's ledger, as far as money moved.
#[derive(Debug, Default)]
pub(super) struct Till {
    /// Those that took money; whether it has gone back does not matter.
    pub(super) charges: Vec<Charge>,
    /// Those that have not failed.
    pub(super) refunds: Vec<Refund>,
    /// The ids of intents that are paid.
    pub(super) succeeded: Vec<String>,
    /// What is wrong with the ledger itself.
    pub(super) faults: Vec<String>,
}

impl Till {
    /// What the ledger says now.
    pub(super) fn of(stripe: &StripeDouble) -> Self {
        let paid = stripe.intents().into_iter().filter(|intent| intent.status == IntentStatus::Succeeded);
        let took = |charge: &Charge| charge.status == ChargeStatus::Succeeded;
        let stands = |refund: &Refund| refund.status != RefundStatus::Failed;
        Self {
            charges: stripe.charges().into_iter().filter(took).collect(),
            refunds: stripe.refunds().into_iter().filter(stands).collect(),
            succeeded: paid.map(|intent| intent.id).collect(),
            faults: stripe.check(),
        }
    }

    /// Money that is on its way back.
    pub(super) fn pending_refunds(&self) -> impl Iterator<Item = &Refund> {
        self.refunds.iter().filter(|refund| refund.status == RefundStatus::Pending)
    }
}

/// An amount in the smallest unit, as one reads it: `1999 usd`.
pub(super) fn money(amount: i64, currency: &str) -> impl fmt::Display {
    format!("{amount} {}", currency.to_ascii_lowercase())
}
