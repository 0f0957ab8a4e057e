//! Refunds. See <https://docs.stripe.com/api/refunds/object>.

use serde::Serialize;
use serde_json::{Value, json};

use super::{ChargeStatus, Ledger, Metadata, Outcome};
use crate::{error::Error, id};

/// A refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// `re_...`.
    pub id: String,
    /// The id of the charge.
    pub charge: String,
    /// The id of the intent.
    pub payment_intent: String,
    /// In minor units.
    pub amount: i64,
    /// ISO 4217, in lower case.
    pub currency: String,
    /// The status.
    pub status: RefundStatus,
    /// The reason given by the client.
    pub reason: Option<String>,
    /// The metadata given by the client.
    pub metadata: Metadata,
    /// Unix seconds.
    pub created: i64,
}

/// The status of a refund.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// Succeeded; it may still fail later.
    #[default]
    Succeeded,
    /// In progress.
    Pending,
    /// Failed: the money was not returned.
    Failed,
}

/// The parameters of a new refund.
#[derive(Debug)]
pub(crate) struct NewRefund {
    pub(crate) payment_intent: Option<String>,
    pub(crate) charge: Option<String>,
    /// `None`: the remaining amount.
    pub(crate) amount: Option<i64>,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: Metadata,
}

impl Ledger {
    /// Creates a refund.
    ///
    /// # Errors
    /// When there is no such charge, the charge did not succeed, or its remaining amount is too small.
    pub(crate) fn create_refund(&mut self, new: NewRefund) -> Result<Value, Error> {
        let charge_index = self.charge_to_refund(&new)?;
        let charge = &mut self.charges[charge_index];
        let remaining = charge.amount - charge.amount_refunded;
        if remaining == 0 {
            let message = format!("Charge {} has already been refunded.", charge.id);
            return Err(Error::invalid(message).code("charge_already_refunded"));
        }
        let amount = new.amount.unwrap_or(remaining);
        if amount > remaining {
            let message =
                format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({remaining})");
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
        let index = self.refunds.add(&id, refund);
        self.refund_changed(index, "refund.created", None);
        match self.refunds[index].status {
            RefundStatus::Succeeded | RefundStatus::Pending => {
                self.charge_changed(charge_index, "charge.refunded");
            }
            RefundStatus::Failed => self.refund_changed(index, "refund.failed", None),
        }
        Ok(self.refunds[index].json())
    }

    /// Completes a pending refund, or makes a successful one fail. Returns `false` for other transitions.
    pub(crate) fn settle_refund(&mut self, id: &str, outcome: Outcome) -> bool {
        let Some(index) = self.refunds.index_of(id) else { return false };
        let refund = &mut self.refunds[index];
        let before = refund.status;
        refund.status = match (before, outcome) {
            (RefundStatus::Pending, Outcome::Succeeds) => RefundStatus::Succeeded,
            (RefundStatus::Pending | RefundStatus::Succeeded, Outcome::Fails) => RefundStatus::Failed,
            _ => return false,
        };
        if outcome == Outcome::Fails
            && let Some(charge) = self.charges.index_of(&refund.charge)
        {
            self.charges[charge].amount_refunded -= refund.amount;
        }
        let previous = json!({ "status": before });
        self.refund_changed(index, "refund.updated", Some(previous));
        if outcome == Outcome::Fails {
            self.refund_changed(index, "refund.failed", None);
        }
        true
    }

    fn charge_to_refund(&self, new: &NewRefund) -> Result<usize, Error> {
        let charge = match (&new.charge, &new.payment_intent) {
            (Some(charge), intent) => {
                let no_such = || Error::no_such("charge", charge, "charge");
                let index = self.charges.index_of(charge).ok_or_else(no_such)?;
                if intent.as_ref().is_some_and(|intent| *intent != self.charges[index].payment_intent) {
                    return Err(no_such());
                }
                Some(index)
            }
            (None, Some(intent)) => {
                let no_such = || Error::no_such("payment_intent", intent, "payment_intent");
                let intent = self.intents.get(intent).ok_or_else(no_such)?;
                intent.latest_charge.as_deref().and_then(|id| self.charges.index_of(id))
            }
            (None, None) => {
                return Err(Error::invalid(
                    "One of the following params should be provided for this request: payment_intent or charge.",
                ));
            }
        };
        let charge = charge.filter(|index| self.charges[*index].status == ChargeStatus::Succeeded);
        charge.ok_or_else(|| {
            let id = new.payment_intent.as_ref().or(new.charge.as_ref()).map_or("", String::as_str);
            Error::invalid(format!("This PaymentIntent ({id}) does not have a successful charge to refund."))
        })
    }
}

impl Refund {
    /// Returns the JSON of the API.
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
