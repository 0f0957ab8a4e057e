//! The fields of Stripe's objects that are used here.
//!
//! Unknown fields are ignored: Stripe adds some with every version. None of these types has `Debug`, as some contain a
//! client secret.

use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use uuid::Uuid;

use super::amounts;
use crate::payments::provider::{self, IntentSnapshot, IntentState, ListedRefund, RefundState};

/// <https://docs.stripe.com/api/payment_intents/object>
#[derive(Deserialize)]
pub(super) struct PaymentIntent {
    pub id: String,
    pub client_secret: Option<String>,
    status: IntentStatus,
    amount: i64,
    /// The amount that was paid so far.
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

/// Metadata that this service sets on intents, and on refunds of parts. Stripe copies that of intents to their charges.
#[derive(Default, Deserialize)]
struct Metadata {
    order_id: Option<String>,
    payment_id: Option<String>,
    refund_id: Option<String>,
}

/// Another object: its id, or the object itself if the request expands it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Expandable<T> {
    Id(String),
    Object(T),
}

/// The expanded charge of an intent.
#[derive(Deserialize)]
struct LatestCharge {
    #[serde(default)]
    refunded: bool,
    #[serde(default)]
    amount_refunded: i64,
}

#[derive(Deserialize)]
struct IntentId {
    id: String,
}

/// <https://docs.stripe.com/api/charges/object>
#[derive(Deserialize)]
pub(super) struct Charge {
    payment_intent: Option<Expandable<IntentId>>,
    amount: i64,
    currency: String,
    /// Whether the charge was refunded in full.
    refunded: bool,
    #[serde(default)]
    amount_refunded: i64,
    metadata: Option<Metadata>,
}

/// <https://docs.stripe.com/api/refunds/object>
#[derive(Deserialize)]
pub(super) struct Refund {
    pub id: String,
    status: Option<String>,
    payment_intent: Option<Expandable<IntentId>>,
    #[serde(default)]
    amount: i64,
    #[serde(default)]
    currency: String,
    metadata: Option<Metadata>,
}

/// <https://docs.stripe.com/api/refunds/list>
#[derive(Deserialize)]
pub(super) struct RefundList {
    pub data: Vec<Refund>,
    pub has_more: bool,
}

impl PaymentIntent {
    pub(super) fn state(&self) -> IntentState {
        match self.status {
            IntentStatus::RequiresPaymentMethod if self.last_payment_error.is_some() => IntentState::Declined,
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            // A status of a later version changes nothing.
            | IntentStatus::Unknown => IntentState::Open,
            IntentStatus::Processing | IntentStatus::RequiresCapture => IntentState::Processing,
            IntentStatus::Canceled => IntentState::Cancelled,
            IntentStatus::Succeeded => match &self.latest_charge {
                Some(Expandable::Object(charge)) if charge.refunded => IntentState::Refunded,
                _ => IntentState::Succeeded,
            },
        }
    }

    /// Returns `None` if the amount is not a whole number of minor units.
    pub(super) fn snapshot(&self, state: IntentState) -> Option<IntentSnapshot> {
        let amount = match state {
            // The paid amount, in case it differs from the requested one.
            IntentState::Succeeded | IntentState::Refunded => self.amount_received.unwrap_or(self.amount),
            IntentState::Open | IntentState::Processing | IntentState::Declined | IntentState::Cancelled => {
                self.amount
            }
        };
        let refunded = match &self.latest_charge {
            Some(Expandable::Object(charge)) => charge.amount_refunded,
            Some(Expandable::Id(_)) | None => 0,
        };
        snapshot(&self.id, self.metadata.as_ref(), [amount, refunded], &self.currency, state)
    }
}

impl Charge {
    /// Returns whether it is the charge of an intent.
    pub(super) fn is_of_intent(&self) -> bool {
        self.payment_intent.is_some()
    }

    /// Returns the intent of a charge of which some or all was refunded; `None` if the charge has no intent, or its amount is
    /// not a whole number of minor units.
    pub(super) fn snapshot(&self) -> Option<IntentSnapshot> {
        let intent_id = self.payment_intent.as_ref()?.id();
        let state = if self.refunded { IntentState::Refunded } else { IntentState::Succeeded };
        let amounts = [self.amount, self.amount_refunded];
        snapshot(intent_id, self.metadata.as_ref(), amounts, &self.currency, state)
    }
}

impl Expandable<IntentId> {
    fn id(&self) -> &str {
        let (Self::Id(id) | Self::Object(IntentId { id })) = self;
        id
    }
}

impl Refund {
    /// Returns the intent of a refund that has failed; `None` for others, and for refunds of charges without an intent.
    pub(super) fn failed_snapshot(&self) -> Option<IntentSnapshot> {
        let intent_id = self.payment_intent.as_ref().filter(|_| self.state() == RefundState::Failed)?.id();
        let failed_refund = Some(self.id.clone());
        let snapshot = snapshot(intent_id, None, [self.amount, 0], &self.currency, IntentState::Succeeded)?;
        Some(IntentSnapshot { failed_refund, ..snapshot })
    }

    /// Returns `None` if the amount is not a whole number of minor units.
    pub(super) fn listed(&self) -> Option<ListedRefund> {
        let refund_id = self.metadata.as_ref().and_then(|metadata| metadata.refund_id.as_ref()?.parse().ok());
        let amount_minor = amounts::from_stripe(&self.currency.to_ascii_uppercase(), self.amount)?;
        let refund = provider::Refund { id: self.id.clone(), state: self.state() };
        Some(ListedRefund { refund, amount_minor, refund_id })
    }

    pub(super) fn state(&self) -> RefundState {
        match self.status.as_deref() {
            Some("succeeded") => RefundState::Succeeded,
            Some("failed" | "canceled") => RefundState::Failed,
            // `pending`, `requires_action`, or a status of a later version.
            _ => RefundState::Pending,
        }
    }
}

fn snapshot(
    intent_id: &str,
    metadata: Option<&Metadata>,
    [amount, refunded]: [i64; 2],
    currency: &str,
    state: IntentState,
) -> Option<IntentSnapshot> {
    // Other programs may create intents in the same account, with any metadata.
    let id = |field: fn(&Metadata) -> Option<&String>| metadata.and_then(field)?.parse::<Uuid>().ok();
    let currency = currency.to_ascii_uppercase();
    Some(IntentSnapshot {
        intent_id: intent_id.to_owned(),
        order_id: id(|metadata| metadata.order_id.as_ref()),
        payment_id: id(|metadata| metadata.payment_id.as_ref()),
        amount_minor: amounts::from_stripe(&currency, amount)?,
        refunded_minor: amounts::from_stripe(&currency, refunded).unwrap_or_default(),
        failed_refund: None,
        currency,
        state,
    })
}

/// Parses an object.
///
/// # Errors
/// The position of the error, without any of the content.
pub(super) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    serde_json::from_slice(json)
        .map_err(|error| format!("malformed JSON at line {}, column {}", error.line(), error.column()))
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
    fn every_intent_status_is_mapped() {
        for (over, state) in [
            (json!({}), IntentState::Open),
            (json!({"last_payment_error": null}), IntentState::Open),
            (json!({"last_payment_error": {"code": "card_declined"}}), IntentState::Declined),
            (json!({"status": "requires_confirmation"}), IntentState::Open),
            (json!({"status": "requires_action"}), IntentState::Open),
            // After a declined card, another one requires authentication.
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
    fn the_paid_amount_is_reported_once_it_is_known() {
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
    fn ignores_metadata_of_other_programs() {
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
    fn every_refund_status_is_mapped() {
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
