//! Refunds. See <https://docs.stripe.com/api/refunds/object>.

use serde::Serialize;
use serde_json::{Value, json};

use super::{ChargeStatus, Ledger, Metadata, Outcome};
use crate::{api::Error, id};

/// Money that goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// `re_...`.
    pub id: String,
    /// What it is taken from.
    pub charge: String,
    /// The intent of that charge.
    pub payment_intent: String,
    /// In the currency's smallest unit, as Stripe counts.
    pub amount: i64,
    /// Three small letters.
    pub currency: String,
    /// How it goes.
    pub status: RefundStatus,
    /// Why, if that was said.
    pub reason: Option<String>,
    /// What the client keeps with it.
    pub metadata: Metadata,
    /// Seconds since 1970.
    pub created: i64,
}

/// How a refund goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// The money has gone back, as far as is known: it may fail yet.
    #[default]
    Succeeded,
    /// It is on its way.
    Pending,
    /// It is where it was.
    Failed,
}

/// A refund to be made.
#[derive(Debug)]
pub(crate) struct NewRefund {
    pub(crate) payment_intent: Option<String>,
    pub(crate) charge: Option<String>,
    /// All that is left, when `None`.
    pub(crate) amount: Option<i64>,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: Metadata,
}

impl Ledger {
    /// Gives money back.
    ///
    /// # Errors
    /// When there is no such charge, none that took money, or not that much is left of it.
    pub(crate) fn create_refund(&mut self, new: NewRefund) -> Result<Value, Error> {
        let charge_at = self.charge_to_refund(&new)?;
        let charge = &mut self.charges[charge_at];
        let left = charge.amount - charge.amount_refunded;
        if left == 0 {
            let message = format!("Charge {} has already been refunded.", charge.id);
            return Err(Error::invalid(message).code("charge_already_refunded"));
        }
        let amount = new.amount.unwrap_or(left);
        if amount > left {
            let message =
                format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})");
            return Err(Error::invalid(message).with("param", "amount"));
        }
        let refund = Refund {
            id: id::new("re"),
            charge: charge.id.clone(),
            payment_intent: charge.payment_intent.clone(),
            amount,
            currency: charge.currency.clone(),
            status: self.refund_status,
            reason: new.reason,
            metadata: new.metadata,
            created: id::now(),
        };
        if refund.status != RefundStatus::Failed {
            charge.amount_refunded += amount;
        }
        let id = refund.id.clone();
        let at = self.refunds.add(&id, refund);
        self.refund_changed(at, "refund.created", None);
        match self.refunds[at].status {
            RefundStatus::Succeeded | RefundStatus::Pending => {
                self.charge_changed(charge_at, "charge.refunded");
            }
            RefundStatus::Failed => self.refund_changed(at, "refund.failed", None),
        }
        Ok(self.refunds[at].json())
    }

    /// Ends a refund that is pending, or lets one fail that had succeeded. Answers whether it could.
    pub(crate) fn settle_refund(&mut self, id: &str, outcome: Outcome) -> bool {
        let Some(at) = self.refunds.place(id) else { return false };
        let refund = &mut self.refunds[at];
        let before = refund.status;
        refund.status = match (before, outcome) {
            (RefundStatus::Pending, Outcome::Succeeds) => RefundStatus::Succeeded,
            (RefundStatus::Pending | RefundStatus::Succeeded, Outcome::Fails) => RefundStatus::Failed,
            _ => return false,
        };
        if outcome == Outcome::Fails
            && let Some(charge) = self.charges.place(&refund.charge)
        {
            self.charges[charge].amount_refunded -= refund.amount;
        }
        let previous = json!({ "status": before });
        self.refund_changed(at, "refund.updated", Some(previous));
        if outcome == Outcome::Fails {
            self.refund_changed(at, "refund.failed", None);
        }
        true
    }

    fn charge_to_refund(&self, new: &NewRefund) -> Result<usize, Error> {
        let charge = match (&new.charge, &new.payment_intent) {
            (Some(charge), intent) => {
                let no_such = || Error::no_such("charge", charge, "charge");
                let at = self.charges.place(charge).ok_or_else(no_such)?;
                if intent.as_ref().is_some_and(|intent| *intent != self.charges[at].payment_intent) {
                    return Err(no_such());
                }
                Some(at)
            }
            (None, Some(intent)) => {
                let no_such = || Error::no_such("payment_intent", intent, "payment_intent");
                let intent = self.intents.get(intent).ok_or_else(no_such)?;
                intent.latest_charge.as_deref().and_then(|id| self.charges.place(id))
            }
            (None, None) => {
                return Err(Error::invalid(
                    "One of the following params should be provided for this request: payment_intent or charge.",
                ));
            }
        };
        let charge = charge.filter(|at| self.charges[*at].status == ChargeStatus::Succeeded);
        charge.ok_or_else(|| {
            let what = new.payment_intent.as_ref().or(new.charge.as_ref()).map_or("", String::as_str);
            Error::invalid(format!(
                "This PaymentIntent ({what}) does not have a successful charge to refund."
            ))
        })
    }
}

impl Refund {
    /// As the API shows it.
    pub(crate) fn json(&self) -> Value {
        let failure_reason = (self.status == RefundStatus::Failed).then_some("expired_or_canceled_card");
        let pending_reason = (self.status == RefundStatus::Pending).then_some("insufficient_funds");
        json!({
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": null,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "failure_reason": failure_reason,
            "metadata": self.metadata,
            "payment_intent": self.payment_intent,
            "pending_reason": pending_reason,
            "reason": self.reason,
            "receipt_number": null,
            "status": self.status,
        })
    }
}
