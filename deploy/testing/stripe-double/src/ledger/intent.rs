//! Payment intents. See <https://docs.stripe.com/api/payment_intents/object>.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Ledger, Metadata};
use crate::{api::Error, id};

/// The wish to be paid an amount, once.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// `pi_...`.
    pub id: String,
    /// `pi_..._secret_...`: whoever has it may pay.
    pub client_secret: String,
    /// In the currency's smallest unit, as Stripe counts.
    pub amount: i64,
    /// What was paid.
    pub amount_received: i64,
    /// Three small letters.
    pub currency: String,
    /// Where it is.
    pub status: IntentStatus,
    /// Its last attempt that came as far as a charge.
    pub latest_charge: Option<String>,
    /// Why its last attempt failed, as the API shows it.
    pub last_payment_error: Option<Value>,
    /// What it is being paid with.
    pub payment_method: Option<String>,
    /// Why it was cancelled, if that was said.
    pub cancellation_reason: Option<String>,
    /// When, in seconds since 1970.
    pub canceled_at: Option<i64>,
    /// For people.
    pub description: Option<String>,
    /// What the client keeps with it.
    pub metadata: Metadata,
    /// Seconds since 1970.
    pub created: i64,
    allow_redirects: Option<String>,
}

/// Where an intent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentStatus {
    /// It can be paid; perhaps an attempt has failed.
    RequiresPaymentMethod,
    /// The shopper has to say yes to the bank.
    RequiresAction,
    /// It is not known yet whether it is paid.
    Processing,
    /// It cannot be paid any more.
    Canceled,
    /// It is paid.
    Succeeded,
}

impl IntentStatus {
    /// The word for it in the API.
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

    /// Whether nothing is under way and nothing is decided.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::RequiresPaymentMethod | Self::RequiresAction)
    }
}

/// An intent to be made.
#[derive(Debug)]
pub(crate) struct NewIntent {
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Metadata,
    /// Of the automatic payment methods, unless these are off.
    pub(crate) allow_redirects: Option<String>,
}

impl Ledger {
    /// Makes an intent.
    ///
    /// # Errors
    /// When the amount is less than what cards are charged for.
    pub(crate) fn create_intent(&mut self, new: NewIntent) -> Result<Value, Error> {
        let least = least_amount(&new.currency);
        if new.amount < least {
            let message = format!("Amount must be at least {}", in_words(least, &new.currency));
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
        let at = self.intents.add(&id, intent);
        self.intent_changed(at, "payment_intent.created");
        Ok(self.intents[at].json())
    }

    /// Cancels an intent.
    ///
    /// # Errors
    /// When there is none, or it is paid, being paid, or cancelled.
    pub(crate) fn cancel_intent(&mut self, id: &str, reason: Option<String>) -> Result<Value, Error> {
        let at = self.intent(id)?;
        let intent = &mut self.intents[at];
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
        self.intent_changed(at, "payment_intent.canceled");
        Ok(self.intents[at].json())
    }

    /// The place of an intent.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn intent(&self, id: &str) -> Result<usize, Error> {
        self.intents.place(id).ok_or_else(|| Error::no_such("payment_intent", id, "intent"))
    }
}

impl Intent {
    /// The refusal of what cannot be done in this status.
    pub(crate) fn unexpected(&self, message: &str) -> Error {
        Error::invalid(message).code("payment_intent_unexpected_state").with("payment_intent", self.json())
    }

    /// As the API shows it.
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

/// The least that a card is charged for, of the currencies where it is not 50.
/// See <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>.
fn least_amount(currency: &str) -> i64 {
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

fn in_words(amount: i64, currency: &str) -> String {
    match currency {
        "usd" => format!("${}.{:02} usd", amount / 100, amount % 100),
        _ => format!("{amount} {currency}, in its smallest unit"),
    }
}
