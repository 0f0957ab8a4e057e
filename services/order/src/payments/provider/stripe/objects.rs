//! What Stripe tells of its objects, as far as it matters here.
//!
//! Fields that we do not know are ignored: Stripe adds some with every version. None of these types has `Debug`: some
//! hold a client secret.

use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use uuid::Uuid;

use super::amounts;
use crate::provider::{IntentSnapshot, IntentState, RefundState};

/// <https://docs.stripe.com/api/payment_intents/object>
#[derive(Deserialize)]
pub(super) struct PaymentIntent {
    pub id: String,
    pub client_secret: Option<String>,
    status: IntentStatus,
    amount: i64,
    /// What has come in so far.
    amount_received: Option<i64>,
    currency: String,
    metadata: Option<Metadata>,
    last_payment_error: Option<IgnoredAny>,
    latest_charge: Option<Expandable<LatestCharge>>,
}

/// <https://docs.stripe.com/payments/paymentintents/lifecycle>
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum IntentStatus {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Canceled,
    Succeeded,
    #[serde(other)]
    Unknown,
}

/// What we have noted down on an intent. Stripe copies it to the charges that come of it.
#[derive(Default, Deserialize)]
struct Metadata {
    order_id: Option<String>,
    payment_id: Option<String>,
}

/// Another object: its id, or where it was asked for (`expand`), the object.
#[derive(Deserialize)]
#[serde(untagged)]
enum Expandable<T> {
    Id(String),
    Object(T),
}

/// A charge inside of its intent.
#[derive(Deserialize)]
struct LatestCharge {
    #[serde(default)]
    refunded: bool,
}

/// An object of which only the id matters.
#[derive(Deserialize)]
struct Named {
    id: String,
}

/// <https://docs.stripe.com/api/charges/object>
#[derive(Deserialize)]
pub(super) struct Charge {
    payment_intent: Option<Expandable<Named>>,
    amount: i64,
    currency: String,
    /// In full.
    refunded: bool,
    metadata: Option<Metadata>,
}

/// <https://docs.stripe.com/api/refunds/object>
#[derive(Deserialize)]
pub(super) struct Refund {
    pub id: String,
    status: Option<String>,
}

impl PaymentIntent {
    /// How far it has come.
    pub(super) fn state(&self) -> IntentState {
        match self.status {
            IntentStatus::RequiresPaymentMethod if self.last_payment_error.is_some() => IntentState::Declined,
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            // Nothing is concluded from what we do not understand.
            | IntentStatus::Unknown => IntentState::Open,
            IntentStatus::Processing | IntentStatus::RequiresCapture => IntentState::Processing,
            IntentStatus::Canceled => IntentState::Cancelled,
            IntentStatus::Succeeded => match &self.latest_charge {
                Some(Expandable::Object(charge)) if charge.refunded => IntentState::Refunded,
                _ => IntentState::Succeeded,
            },
        }
    }

    /// What is state of it where it has come this far; `None` when the amount cannot be told in minor units.
    pub(super) fn snapshot(&self, state: IntentState) -> Option<IntentSnapshot> {
        let amount = match state {
            // What was paid, should it be another amount than what was asked for.
            IntentState::Succeeded | IntentState::Refunded => self.amount_received.unwrap_or(self.amount),
            IntentState::Open | IntentState::Processing | IntentState::Declined | IntentState::Cancelled => {
                self.amount
            }
        };
        snapshot(&self.id, self.metadata.as_ref(), amount, &self.currency, state)
    }
}

impl Charge {
    /// Whether all of it went back, of an intent.
    pub(super) fn is_refunded_intent(&self) -> bool {
        self.refunded && self.payment_intent.is_some()
    }

    /// What is state of its intent when all of it went back; `None` when there is no intent, or the amount cannot be
    /// told in minor units.
    pub(super) fn snapshot(&self) -> Option<IntentSnapshot> {
        let (Expandable::Id(intent_id) | Expandable::Object(Named { id: intent_id })) =
            self.payment_intent.as_ref()?;
        snapshot(intent_id, self.metadata.as_ref(), self.amount, &self.currency, IntentState::Refunded)
    }
}

impl Refund {
    /// Where it stands.
    pub(super) fn state(&self) -> RefundState {
        match self.status.as_deref() {
            Some("succeeded") => RefundState::Succeeded,
            Some("failed" | "canceled") => RefundState::Failed,
            // `pending`, `requires_action`, or something new: nothing is concluded from it.
            _ => RefundState::Pending,
        }
    }
}

fn snapshot(
    intent_id: &str,
    metadata: Option<&Metadata>,
    amount: i64,
    currency: &str,
    state: IntentState,
) -> Option<IntentSnapshot> {
    // Others may make intents in the same account, and write there what they like.
    let ours = |field: fn(&Metadata) -> Option<&String>| metadata.and_then(field)?.parse::<Uuid>().ok();
    let currency = currency.to_ascii_uppercase();
    Some(IntentSnapshot {
        intent_id: intent_id.to_owned(),
        order_id: ours(|metadata| metadata.order_id.as_ref()),
        payment_id: ours(|metadata| metadata.payment_id.as_ref()),
        amount_minor: amounts::from_stripe(&currency, amount)?,
        currency,
        state,
    })
}

/// Reads an object.
///
/// # Errors
/// Where reading stopped, without a word of what is there.
pub(super) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    serde_json::from_slice(json)
        .map_err(|cause| format!("cannot be read (line {}, column {})", cause.line(), cause.column()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn intent(over: Value) -> PaymentIntent {
        let mut intent = json!({
            "id": "pi_1", "object": "payment_intent", "amount": 1999, "currency": "eur",
            "status": "requires_payment_method", "new_in_a_later_version": {"a": [1]},
        });
        intent.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        serde_json::from_value(intent).unwrap()
    }

    #[test]
    fn every_status_of_an_intent_is_seen_for_what_it_is() {
        for (over, state) in [
            (json!({}), IntentState::Open),
            (json!({"last_payment_error": null}), IntentState::Open),
            (json!({"last_payment_error": {"code": "card_declined"}}), IntentState::Declined),
            (json!({"status": "requires_confirmation"}), IntentState::Open),
            (json!({"status": "requires_action"}), IntentState::Open),
            // A card that was declined before, and another that is being asked.
            (json!({"status": "requires_action", "last_payment_error": {}}), IntentState::Open),
            (json!({"status": "processing"}), IntentState::Processing),
            (json!({"status": "requires_capture"}), IntentState::Processing),
            (json!({"status": "canceled"}), IntentState::Cancelled),
            (json!({"status": "succeeded"}), IntentState::Succeeded),
            (json!({"status": "succeeded", "latest_charge": "ch_1"}), IntentState::Succeeded),
            (
                json!({"status": "succeeded", "latest_charge": {"id": "ch_1", "refunded": false}}),
                IntentState::Succeeded,
            ),
            (json!({"status": "succeeded", "latest_charge": {"id": "ch_1"}}), IntentState::Succeeded),
            (
                json!({"status": "succeeded", "latest_charge": {"id": "ch_1", "refunded": true}}),
                IntentState::Refunded,
            ),
            (json!({"status": "of_a_later_version"}), IntentState::Open),
        ] {
            assert_eq!(intent(over.clone()).state(), state, "{over}");
        }
    }

    #[test]
    fn what_was_paid_counts_and_not_what_was_asked_for() {
        let amount = |over: Value| {
            let intent = intent(over);
            intent.snapshot(intent.state()).unwrap().amount_minor
        };
        assert_eq!(amount(json!({"amount_received": 0})), 1999);
        assert_eq!(amount(json!({"status": "succeeded", "amount_received": 1999})), 1999);
        assert_eq!(amount(json!({"status": "succeeded", "amount_received": 1000})), 1000);
        assert_eq!(amount(json!({"status": "succeeded"})), 1999);
    }

    #[test]
    fn metadata_of_others_names_nothing_of_ours() {
        let (order_id, payment_id) = (Uuid::now_v7(), Uuid::now_v7());
        let ids = |metadata: Value| {
            let snapshot = intent(json!({"metadata": metadata})).snapshot(IntentState::Open).unwrap();
            (snapshot.order_id, snapshot.payment_id)
        };
        let both = json!({"order_id": order_id, "payment_id": payment_id, "attempt": "1"});
        assert_eq!(ids(both), (Some(order_id), Some(payment_id)));
        assert_eq!(ids(json!({"order_id": "4711", "payment_id": payment_id})), (None, Some(payment_id)));
        assert_eq!(ids(json!({})), (None, None));
        assert_eq!(ids(json!(null)), (None, None));
    }

    #[test]
    fn a_refund_is_over_only_when_stripe_says_so() {
        for (status, state) in [
            (json!("succeeded"), RefundState::Succeeded),
            (json!("pending"), RefundState::Pending),
            (json!("requires_action"), RefundState::Pending),
            (json!("failed"), RefundState::Failed),
            (json!("canceled"), RefundState::Failed),
            (json!("of_a_later_version"), RefundState::Pending),
            (json!(null), RefundState::Pending),
        ] {
            let refund: Refund = serde_json::from_value(json!({"id": "re_1", "status": status})).unwrap();
            assert_eq!(refund.state(), state, "{status}");
        }
    }
}
