//! `/api/orders/{id}/payment`.

use axum::extract::State;
use bodega_proto::order::v1::{self as pb, CreatePaymentIntentRequest};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::App,
    extract::{Json, OrderAccess, Path},
    json::{Amount, non_empty},
    problem::Problem,
    response::present,
};

/// Status of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PaymentStatus {
    /// Waits for the customer to pay.
    RequiresPayment,
    /// The customer has paid; the provider has not received the money yet.
    Processing,
    /// The provider has received the money.
    Completed,
    /// The money is to be refunded.
    RefundPending,
    /// The money was refunded.
    Refunded,
    /// Part of the money was refunded.
    PartiallyRefunded,
    /// Declined. Another payment may be started.
    Failed,
    /// Cancelled before money was received. Another payment may be started.
    Cancelled,
    /// What the provider reports contradicts the order: an admin has to decide.
    NeedsReview,
}

impl PaymentStatus {
    /// # Errors
    /// An internal problem for a status that this gateway does not know.
    fn from_proto(status: pb::PaymentStatus) -> Result<Self, Problem> {
        present(match status {
            pb::PaymentStatus::Unspecified => None,
            pb::PaymentStatus::RequiresPayment => Some(Self::RequiresPayment),
            pb::PaymentStatus::Processing => Some(Self::Processing),
            pb::PaymentStatus::Completed => Some(Self::Completed),
            pb::PaymentStatus::RefundPending => Some(Self::RefundPending),
            pb::PaymentStatus::Refunded => Some(Self::Refunded),
            pb::PaymentStatus::Failed => Some(Self::Failed),
        })
    }

    /// The status of a payment. The service's own status is the one that older gateways know.
    ///
    /// # Errors
    /// As [`Self::from_proto`].
    pub(crate) fn of(payment: &pb::Payment) -> Result<Self, Problem> {
        Ok(match Self::from_proto(payment.status())? {
            _ if payment.needs_review => Self::NeedsReview,
            _ if payment.cancelled => Self::Cancelled,
            Self::Completed if payment.refunded_minor > 0 => Self::PartiallyRefunded,
            status => status,
        })
    }

    /// The payment status of an event of an order; `None` when the payment did not change.
    ///
    /// # Errors
    /// As [`Self::from_proto`].
    pub(crate) fn of_event(status: i32, cancelled: bool) -> Result<Option<Self>, Problem> {
        match present(pb::PaymentStatus::try_from(status).ok())? {
            pb::PaymentStatus::Unspecified => Ok(None),
            _ if cancelled => Ok(Some(Self::Cancelled)),
            status => Self::from_proto(status).map(Some),
        }
    }
}

/// The payment of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payment {
    /// `offline` for money that an admin has confirmed, `stripe` for a card.
    provider: String,
    /// Status of the payment.
    status: PaymentStatus,
    /// Id of the payment intent at the provider, or null.
    #[schema(required)]
    payment_intent_id: Option<String>,
    /// Id of the latest refund at the provider; null when there is none, or it was made elsewhere.
    #[schema(required)]
    refund_id: Option<String>,
    /// Amount that was refunded, in major units of the order's currency.
    refunded_amount: Amount,
}

impl Payment {
    /// The payment of an order in a currency.
    ///
    /// # Errors
    /// An internal problem for a status that this gateway does not know.
    pub(crate) fn new(payment: pb::Payment, currency: &str) -> Result<Self, Problem> {
        Ok(Self {
            status: PaymentStatus::of(&payment)?,
            provider: payment.provider,
            payment_intent_id: non_empty(payment.intent_id),
            refund_id: non_empty(payment.refund_id),
            refunded_amount: Amount::new(payment.refunded_minor, currency),
        })
    }
}

/// A payment intent, with which a client lets the customer pay an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "provider": "stripe", "paymentIntentId": "pi_3PBodega",
    "clientSecret": "pi_3PBodega_secret_1Example",
    "publishableKey": "pk_test_Example", "status": "requires_payment", "amount": 25.00,
    "currency": "USD"
}))]
pub(crate) struct PaymentIntent {
    /// `stripe` for a card; `offline` when there is no online payment.
    provider: String,
    /// Id of the payment intent at the provider, or null when the provider has none.
    #[schema(required)]
    payment_intent_id: Option<String>,
    /// Secret for the provider's library in the browser, which allows paying this intent only; or null.
    #[schema(required)]
    client_secret: Option<String>,
    /// Publishable key for the provider's library in the browser, or null.
    #[schema(required)]
    publishable_key: Option<String>,
    /// Status of the payment.
    status: PaymentStatus,
    /// Total of the order, in major units of the currency.
    amount: Amount,
    /// ISO 4217 code of the currency of the order.
    currency: String,
}

impl TryFrom<pb::PaymentIntent> for PaymentIntent {
    type Error = Problem;

    fn try_from(intent: pb::PaymentIntent) -> Result<Self, Problem> {
        Ok(Self {
            status: PaymentStatus::from_proto(intent.status())?,
            provider: intent.provider,
            payment_intent_id: non_empty(intent.id),
            client_secret: non_empty(intent.client_secret),
            publishable_key: non_empty(intent.publishable_key),
            amount: Amount::new(intent.amount_minor, &intent.currency),
            currency: intent.currency,
        })
    }
}

/// Creates the payment intent of an order, or returns the open one.
///
/// Requires the access token of the user who placed the order, or the token of the order. Safe to retry: an order has at most one open payment
/// intent.
#[utoipa::path(
    post, path = "/api/orders/{id}/payment", tag = "Orders",
    params(("id" = Uuid, Path, description = "Id of the order.")), security(("bearer" = []), ("orderToken" = [])),
    responses(
        (status = OK, description = "The open payment intent.", body = PaymentIntent),
        (status = NOT_FOUND, description = "The order does not exist or belongs to another user, or the token of the order \
            is wrong (`order_not_found`)."),
        (status = CONFLICT, description = "The order is paid (`already_paid`), is cancelled or completed, was not paid in \
            time or has a payment that needs review (`order_not_payable`), has a total of zero (`nothing_to_pay`), or the provider does not accept its amount \
            or currency (`payment_refused`)."),
        (status = SERVICE_UNAVAILABLE, description = "The payment provider is unavailable \
            (`payment_provider_unavailable`), the gateway or a service is overloaded (`overloaded`), a service is \
            unavailable (`upstream_unavailable`), or it did not respond in time (`timeout`). `Retry-After` says when to \
            retry."),
    )
)]
pub(crate) async fn create_intent(
    State(app): State<App>,
    OrderAccess { token: access_token }: OrderAccess,
    Path(id): Path<Uuid>,
) -> Result<Json<PaymentIntent>, Problem> {
    let request = CreatePaymentIntentRequest { id: id.to_string(), access_token };
    let response = app.orders().create_payment_intent(request).await?.into_inner();
    Ok(Json(present(response.intent)?.try_into()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_every_status() {
        use pb::PaymentStatus::{Completed, Failed, Processing, RefundPending, Refunded, RequiresPayment};
        for (status, name) in [
            (RequiresPayment, "requires_payment"),
            (Processing, "processing"),
            (Completed, "completed"),
            (RefundPending, "refund_pending"),
            (Refunded, "refunded"),
            (Failed, "failed"),
        ] {
            let payment =
                pb::Payment { provider: "stripe".to_owned(), status: status.into(), ..Default::default() };
            let json = serde_json::to_string(&Payment::new(payment, "USD").unwrap()).unwrap();
            let expected = format!(
                r#"{{"provider":"stripe","status":"{name}","paymentIntentId":null,"refundId":null,"refundedAmount":0.00}}"#
            );
            assert_eq!(json, expected);
            let status = PaymentStatus::of_event(status.into(), false).unwrap();
            assert_eq!(serde_json::to_value(status).unwrap(), name);
        }
    }

    #[test]
    fn writes_statuses_that_older_gateways_do_not_know() {
        use pb::PaymentStatus::{Completed, Failed, RefundPending};
        let payment = |status: pb::PaymentStatus| pb::Payment { status: status.into(), ..Default::default() };
        for (payment, name) in [
            (pb::Payment { cancelled: true, ..payment(Failed) }, "cancelled"),
            (pb::Payment { needs_review: true, ..payment(RefundPending) }, "needs_review"),
            (pb::Payment { needs_review: true, cancelled: true, ..payment(Failed) }, "needs_review"),
            (pb::Payment { refunded_minor: 1, ..payment(Completed) }, "partially_refunded"),
        ] {
            assert_eq!(serde_json::to_value(PaymentStatus::of(&payment).unwrap()).unwrap(), name);
        }
        assert_eq!(PaymentStatus::of_event(Failed.into(), true).unwrap(), Some(PaymentStatus::Cancelled));
    }

    #[test]
    fn distinguishes_an_unchanged_payment_from_an_unknown_status() {
        assert_eq!(PaymentStatus::of_event(0, false).unwrap(), None);
        assert!(PaymentStatus::of_event(99, false).is_err());
    }
}
