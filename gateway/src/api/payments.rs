//! Payments: where they stand, and what a shopper pays by.

use bodega_proto::order::v1 as pb;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    answer::present,
    json::{Amount, non_empty},
    problem::Problem,
};

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PaymentStatus {
    /// The shopper is to pay.
    RequiresPayment,
    /// The shopper has paid; the money is on its way.
    Processing,
    /// The money is there.
    Completed,
    /// The money is to go back.
    RefundPending,
    /// The money went back.
    Refunded,
    /// Declined, or called off before any money moved; another may be begun.
    Failed,
}

impl PaymentStatus {
    /// `None` for what is no status, and for one that this gateway does not know.
    fn of(status: pb::PaymentStatus) -> Option<Self> {
        match status {
            pb::PaymentStatus::Unspecified => None,
            pb::PaymentStatus::RequiresPayment => Some(Self::RequiresPayment),
            pb::PaymentStatus::Processing => Some(Self::Processing),
            pb::PaymentStatus::Completed => Some(Self::Completed),
            pb::PaymentStatus::RefundPending => Some(Self::RefundPending),
            pb::PaymentStatus::Refunded => Some(Self::Refunded),
            pb::PaymentStatus::Failed => Some(Self::Failed),
        }
    }

    /// Where a payment came to with a step; `None` when it did not move.
    ///
    /// # Errors
    /// An internal problem when this gateway does not know the status.
    pub(crate) fn reached(status: i32) -> Result<Option<Self>, Problem> {
        match pb::PaymentStatus::try_from(status) {
            Ok(pb::PaymentStatus::Unspecified) => Ok(None),
            known => present(known.ok().and_then(Self::of)).map(Some),
        }
    }
}

/// How an order is paid.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Payment {
    /// `offline`: money that an admin has seen; `stripe`: a card.
    provider: String,
    /// Where it stands.
    status: PaymentStatus,
}

impl TryFrom<pb::Payment> for Payment {
    type Error = Problem;

    fn try_from(payment: pb::Payment) -> Result<Self, Problem> {
        Ok(Self { status: present(PaymentStatus::of(payment.status()))?, provider: payment.provider })
    }
}

/// What a shopper pays an order by.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "provider": "stripe", "paymentIntentId": "pi_3PBodega",
    "clientSecret": "pi_3PBodega_secret_1Example",
    "publishableKey": "pk_test_Example", "status": "requires_payment", "amount": 25.00,
    "currency": "USD"
}))]
pub(crate) struct PaymentIntent {
    /// `offline`: there is nothing to do online; `stripe`: a card.
    provider: String,
    /// The provider's name for it; null where it has none.
    #[schema(required)]
    payment_intent_id: Option<String>,
    /// For the provider's library in a browser: lets its bearer pay this, and no more. Null where there is none.
    #[schema(required)]
    client_secret: Option<String>,
    /// The key that the provider's library is used with in a browser; null where there is none.
    #[schema(required)]
    publishable_key: Option<String>,
    /// Where it stands.
    status: PaymentStatus,
    /// The order's own total.
    amount: Amount,
    /// The order's own, ISO 4217.
    currency: String,
}

impl TryFrom<pb::PaymentIntent> for PaymentIntent {
    type Error = Problem;

    fn try_from(intent: pb::PaymentIntent) -> Result<Self, Problem> {
        Ok(Self {
            status: present(PaymentStatus::of(intent.status()))?,
            provider: intent.provider,
            payment_intent_id: non_empty(intent.id),
            client_secret: non_empty(intent.client_secret),
            publishable_key: non_empty(intent.publishable_key),
            amount: Amount::new(intent.amount_minor, &intent.currency),
            currency: intent.currency,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_word() {
        use pb::PaymentStatus::{Completed, Failed, Processing, RefundPending, Refunded, RequiresPayment};
        for (status, word) in [
            (RequiresPayment, "requires_payment"),
            (Processing, "processing"),
            (Completed, "completed"),
            (RefundPending, "refund_pending"),
            (Refunded, "refunded"),
            (Failed, "failed"),
        ] {
            let payment = pb::Payment { provider: "stripe".to_owned(), status: status.into() };
            let json = serde_json::to_value(Payment::try_from(payment).unwrap()).unwrap();
            assert_eq!(json, serde_json::json!({"provider": "stripe", "status": word}));
            let reached = PaymentStatus::reached(status.into()).unwrap();
            assert_eq!(serde_json::to_value(reached).unwrap(), word);
        }
    }

    #[test]
    fn a_payment_that_did_not_move_is_no_status_and_an_unknown_one_is_not_guessed() {
        assert_eq!(PaymentStatus::reached(0).unwrap(), None);
        assert!(PaymentStatus::reached(99).is_err());
    }
}
