//! `/api/orders/{id}/payment`.

use axum::extract::State;
use bodega_proto::order::v1::{self as pb, CreatePaymentIntentRequest};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::App,
    extract::{Json, Path, SignedIn},
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
    /// Declined or cancelled before money was received. Another payment may be started.
    Failed,
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

    /// The payment status of an event of an order; `None` when the payment did not change.
    ///
    /// # Errors
    /// As [`Self::from_proto`].
    pub(crate) fn of_event(status: i32) -> Result<Option<Self>, Problem> {
        match present(pb::PaymentStatus::try_from(status).ok())? {
            pb::PaymentStatus::Unspecified => Ok(None),
            status => Self::from_proto(status).map(Some),
        }
    }
}

/// The payment of an order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Payment {
    /// `offline` for money that an admin has confirmed, `stripe` for a card.
    provider: String,
    /// Status of the payment.
    status: PaymentStatus,
}

impl TryFrom<pb::Payment> for Payment {
    type Error = Problem;

    fn try_from(payment: pb::Payment) -> Result<Self, Problem> {
        Ok(Self { status: PaymentStatus::from_proto(payment.status())?, provider: payment.provider })
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
/// Requires the access token of the user who placed the order. Safe to retry: an order has at most one open payment
/// intent.
#[utoipa::path(
    post, path = "/api/orders/{id}/payment", tag = "Orders",
    params(("id" = Uuid, Path, description = "Id of the order.")), security(("bearer" = [])),
    responses(
        (status = OK, description = "The open payment intent.", body = PaymentIntent),
        (status = NOT_FOUND, description = "The order does not exist or belongs to another user (`order_not_found`)."),
        (status = CONFLICT, description = "The order is paid (`already_paid`), is cancelled or completed \
            (`order_not_payable`), has a total of zero (`nothing_to_pay`), or the provider does not accept its amount \
            or currency (`payment_refused`)."),
        (status = SERVICE_UNAVAILABLE, description = "The payment provider is unavailable \
            (`payment_provider_unavailable`), the gateway or a service is overloaded (`overloaded`), a service is \
            unavailable (`upstream_unavailable`), or it did not respond in time (`timeout`). `Retry-After` says when to \
            retry."),
    )
)]
pub(crate) async fn create_intent(
    State(app): State<App>,
    _: SignedIn,
    Path(id): Path<Uuid>,
) -> Result<Json<PaymentIntent>, Problem> {
    let request = CreatePaymentIntentRequest { id: id.to_string() };
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
            let payment = pb::Payment { provider: "stripe".to_owned(), status: status.into() };
            let json = serde_json::to_value(Payment::try_from(payment).unwrap()).unwrap();
            assert_eq!(json, serde_json::json!({"provider": "stripe", "status": name}));
            let status = PaymentStatus::of_event(status.into()).unwrap();
            assert_eq!(serde_json::to_value(status).unwrap(), name);
        }
    }

    #[test]
    fn distinguishes_an_unchanged_payment_from_an_unknown_status() {
        assert_eq!(PaymentStatus::of_event(0).unwrap(), None);
        assert!(PaymentStatus::of_event(99).is_err());
    }
}
