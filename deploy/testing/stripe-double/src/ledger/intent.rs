//! Payment intents. See <https://docs.stripe.com/api/payment_intents/object>.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Ledger, Metadata};
use crate::{error::Error, id};

/// A payment intent: it is paid at most once.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// `pi_...`.
    pub id: String,
    /// `pi_..._secret_...`: allows a client to pay.
    pub client_secret: String,
    /// In minor units.
    pub amount: i64,
    /// The paid amount.
    pub amount_received: i64,
    /// ISO 4217, in lower case.
    pub currency: String,
    /// The status.
    pub status: IntentStatus,
    /// The id of the last charge.
    pub latest_charge: Option<String>,
    /// The error of the last attempt.
    pub last_payment_error: Option<Value>,
    /// The id of the payment method.
    pub payment_method: Option<String>,
    /// The reason given for cancelling it.
    pub cancellation_reason: Option<String>,
    /// Unix seconds.
    pub canceled_at: Option<i64>,
    /// The description given by the client.
    pub description: Option<String>,
    /// The metadata given by the client.
    pub metadata: Metadata,
    /// Unix seconds.
    pub created: i64,
    allow_redirects: Option<String>,
}

/// The status of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentStatus {
    /// Can be paid; an attempt may have failed.
    RequiresPaymentMethod,
    /// The customer must authenticate.
    RequiresAction,
    /// The result is not known yet.
    Processing,
    /// Cannot be paid any more.
    Canceled,
    /// Paid.
    Succeeded,
}

impl IntentStatus {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::Canceled => "canceled",
            Self::Succeeded => "succeeded",
        }
    }

    /// Whether it can be confirmed and cancelled.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::RequiresPaymentMethod | Self::RequiresAction)
    }
}

/// The parameters of a new intent.
#[derive(Debug)]
pub(crate) struct NewIntent {
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Metadata,
    /// Whether automatic payment methods may redirect: `always` or `never`; `None` when those methods are off.
    pub(crate) allow_redirects: Option<String>,
}

impl Ledger {
    /// Creates an intent.
    ///
    /// # Errors
    /// When the amount is below the minimum.
    pub(crate) fn create_intent(&mut self, new: NewIntent) -> Result<Value, Error> {
        let minimum = minimum_amount(&new.currency);
        if new.amount < minimum {
            let message = format!("Amount must be at least {}", display_amount(minimum, &new.currency));
            return Err(Error::invalid(message).code("amount_too_small").with("param", "amount"));
        }
        let id = id::new("pi");
        let intent = Intent {
            client_secret: format!("{id}_secret_{}", id::random(25)),
            id,
            amount: new.amount,
            amount_received: 0,
            currency: new.currency,
            status: IntentStatus::RequiresPaymentMethod,
            latest_charge: None,
            last_payment_error: None,
            payment_method: None,
            cancellation_reason: None,
            canceled_at: None,
            description: new.description,
            metadata: new.metadata,
            created: id::now(),
            allow_redirects: new.allow_redirects,
        };
        let id = intent.id.clone();
        let index = self.intents.add(&id, intent);
        self.intent_changed(index, "payment_intent.created");
        Ok(self.intents[index].json())
    }

    /// Cancels an intent.
    ///
    /// # Errors
    /// When there is no such intent, or it has succeeded, is processing or is canceled.
    pub(crate) fn cancel_intent(&mut self, id: &str, reason: Option<String>) -> Result<Value, Error> {
        let index = self.intent_index(id)?;
        let intent = &mut self.intents[index];
        if !intent.status.is_open() {
            return Err(intent.unexpected(&format!(
                "You cannot cancel this PaymentIntent because it has a status of {}. Only a PaymentIntent with one of \
                 the following statuses may be canceled: requires_payment_method, requires_capture, \
                 requires_confirmation, requires_action, processing.",
                intent.status.as_str()
            )));
        }
        intent.status = IntentStatus::Canceled;
        intent.canceled_at = Some(id::now());
        intent.cancellation_reason = reason;
        self.intent_changed(index, "payment_intent.canceled");
        Ok(self.intents[index].json())
    }

    /// Returns the index of an intent.
    ///
    /// # Errors
    /// When there is no such intent.
    pub(crate) fn intent_index(&self, id: &str) -> Result<usize, Error> {
        self.intents.index_of(id).ok_or_else(|| Error::no_such("payment_intent", id, "intent"))
    }
}

impl Intent {
    /// Returns the error for an operation that is not possible in the current status.
    pub(crate) fn unexpected(&self, message: &str) -> Error {
        Error::invalid(message).code("payment_intent_unexpected_state").with("payment_intent", self.json())
    }

    /// Returns the JSON of the API.
    pub(crate) fn json(&self) -> Value {
        let automatic = self.allow_redirects.as_ref();
        let automatic = automatic.map(|redirects| json!({"allow_redirects": redirects, "enabled": true}));
        let next_action = (self.status == IntentStatus::RequiresAction).then(
            || json!({"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}),
        );
        json!({
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_capturable": 0,
            "amount_received": self.amount_received,
            "automatic_payment_methods": automatic,
            "canceled_at": self.canceled_at,
            "cancellation_reason": self.cancellation_reason,
            "capture_method": "automatic_async",
            "client_secret": self.client_secret,
            "confirmation_method": "automatic",
            "created": self.created,
            "currency": self.currency,
            "customer": null,
            "description": self.description,
            "last_payment_error": self.last_payment_error,
            "latest_charge": self.latest_charge,
            "livemode": false,
            "metadata": self.metadata,
            "next_action": next_action,
            "payment_method": self.payment_method,
            "payment_method_types": ["card"],
            "processing": null,
            "receipt_email": null,
            "setup_future_usage": null,
            "shipping": null,
            "status": self.status,
        })
    }
}

/// The minimum charge in minor units; 50 for most currencies.
/// See <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>.
fn minimum_amount(currency: &str) -> i64 {
    match currency {
        "gbp" => 30,
        "aed" | "pln" | "ron" => 200,
        "dkk" => 250,
        "nok" | "sek" => 300,
        "hkd" => 400,
        "mxn" | "thb" => 1000,
        "czk" => 1500,
        "huf" => 17500,
        _ => 50,
    }
}

fn display_amount(amount: i64, currency: &str) -> String {
    match currency {
        "usd" => format!("${}.{:02} usd", amount / 100, amount % 100),
        _ => format!("{amount} {currency}, in its smallest unit"),
    }
}
