//! Charges. See <https://docs.stripe.com/api/charges/object>.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Metadata, intent::Intent};
use crate::id;

/// An attempt to charge a payment method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// `ch_...`.
    pub id: String,
    /// The id of its intent.
    pub payment_intent: String,
    /// The id of the payment method.
    pub payment_method: String,
    /// In minor units.
    pub amount: i64,
    /// The refunded amount, including pending refunds.
    pub amount_refunded: i64,
    /// ISO 4217, in lower case.
    pub currency: String,
    /// The status.
    pub status: ChargeStatus,
    /// The code and message of a failure.
    pub failure: Option<(String, String)>,
    /// A copy of the intent's metadata.
    pub metadata: Metadata,
    /// Unix seconds.
    pub created: i64,
}

/// The status of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeStatus {
    /// The payment succeeded.
    Succeeded,
    /// The result is not known yet.
    Pending,
    /// The payment failed.
    Failed,
}

impl Charge {
    /// Creates a pending charge of an intent.
    pub(crate) fn new(intent: &Intent, payment_method: &str) -> Self {
        Self {
            id: id::new("ch"),
            payment_intent: intent.id.clone(),
            payment_method: payment_method.to_owned(),
            amount: intent.amount,
            amount_refunded: 0,
            currency: intent.currency.clone(),
            status: ChargeStatus::Pending,
            failure: None,
            metadata: intent.metadata.clone(),
            created: id::now(),
        }
    }

    /// Whether the charge is refunded in full, including pending refunds.
    #[must_use]
    pub fn is_refunded(&self) -> bool {
        self.status == ChargeStatus::Succeeded && self.amount_refunded == self.amount
    }

    /// Returns the JSON of the API.
    pub(crate) fn json(&self) -> Value {
        let paid = self.status != ChargeStatus::Failed;
        let captured = if paid { self.amount } else { 0 };
        let (failure_code, failure_message) = self.failure.clone().unzip();
        json!({
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": captured,
            "amount_refunded": self.amount_refunded,
            "balance_transaction": null,
            "billing_details": {"address": null, "email": null, "name": null, "phone": null, "tax_id": null},
            "captured": paid,
            "created": self.created,
            "currency": self.currency,
            "customer": null,
            "description": null,
            "disputed": false,
            "failure_code": failure_code,
            "failure_message": failure_message,
            "livemode": false,
            "metadata": self.metadata,
            "paid": paid,
            "payment_intent": self.payment_intent,
            "payment_method": self.payment_method,
            "receipt_email": null,
            "refunded": self.is_refunded(),
            "status": self.status,
        })
    }
}
