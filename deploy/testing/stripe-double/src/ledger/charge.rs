//! Charges: money that was taken, or not. See <https://docs.stripe.com/api/charges/object>.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Metadata, intent::Intent};
use crate::id;

/// An attempt to take money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// `ch_...`.
    pub id: String,
    /// The intent it is for.
    pub payment_intent: String,
    /// What was to be charged.
    pub payment_method: String,
    /// In the currency's smallest unit, as Stripe counts.
    pub amount: i64,
    /// What has gone back, or is on its way.
    pub amount_refunded: i64,
    /// Three small letters.
    pub currency: String,
    /// How it went.
    pub status: ChargeStatus,
    /// Why it failed: a code and a text.
    pub failure: Option<(String, String)>,
    /// The intent's, as it was then.
    pub metadata: Metadata,
    /// Seconds since 1970.
    pub created: i64,
}

/// How a charge went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeStatus {
    /// The money was taken.
    Succeeded,
    /// It is not known yet.
    Pending,
    /// Nothing was taken.
    Failed,
}

impl Charge {
    /// A charge of an intent that is under way.
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

    /// Whether all of it has gone back, or is on its way.
    #[must_use]
    pub fn is_refunded(&self) -> bool {
        self.status == ChargeStatus::Succeeded && self.amount_refunded == self.amount
    }

    /// As the API shows it.
    pub(crate) fn json(&self) -> Value {
        let taken = self.status != ChargeStatus::Failed;
        let captured = if taken { self.amount } else { 0 };
        let (failure_code, failure_message) = self.failure.clone().unzip();
        json!({
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": captured,
            "amount_refunded": self.amount_refunded,
            "balance_transaction": null,
            "billing_details": {"address": null, "email": null, "name": null, "phone": null, "tax_id": null},
            "captured": taken,
            "created": self.created,
            "currency": self.currency,
            "customer": null,
            "description": null,
            "disputed": false,
            "failure_code": failure_code,
            "failure_message": failure_message,
            "livemode": false,
            "metadata": self.metadata,
            "paid": taken,
            "payment_intent": self.payment_intent,
            "payment_method": self.payment_method,
            "receipt_email": null,
            "refunded": self.is_refunded(),
            "status": self.status,
        })
    }
}
