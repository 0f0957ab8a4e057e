//! `/api/admin/payments`.

use axum::extract::State;
use bodega_proto::order::v1::{self as pb, ListPaymentsRequest, ResolvePaymentRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    api::payments::PaymentStatus,
    app::App,
    extract::{AdminOrKey, Json, Limit, Path, Query},
    json::{Amount, Page, Timestamp, non_empty},
    problem::Problem,
    response::present,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct PaymentsQuery {
    /// Only payments that need review, or only the others. Money for an order that was deleted is listed among those that need
    /// review only.
    needs_review: Option<bool>,
    /// Maximum number of items in the page.
    #[serde(default)]
    #[param(value_type = Option<i32>, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    /// `nextCursor` of the previous page, with the same filter.
    #[serde(default)]
    cursor: String,
}

/// The reason why a person has to decide about a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReviewReason {
    /// The paid amount is not that of the order.
    WrongAmount,
    /// The paid currency is not that of the order.
    WrongCurrency,
    /// The provider's payment intent names another order.
    WrongOrder,
    /// A refund has failed after it was reported as successful, or has failed too often.
    RefundFailed,
    /// The money was refunded at the provider, and the event about it was lost.
    RefundedElsewhere,
    /// The money is for an order that does not exist.
    OrderMissing,
    /// The provider has not reported a final state within weeks, or does not know a refund that may have been made.
    Unsettled,
}

impl ReviewReason {
    /// # Errors
    /// An internal problem for a reason that this gateway does not know.
    fn from_proto(reason: pb::ReviewReason) -> Result<Self, Problem> {
        present(match reason {
            pb::ReviewReason::Unspecified => None,
            pb::ReviewReason::WrongAmount => Some(Self::WrongAmount),
            pb::ReviewReason::WrongCurrency => Some(Self::WrongCurrency),
            pb::ReviewReason::WrongOrder => Some(Self::WrongOrder),
            pb::ReviewReason::RefundFailed => Some(Self::RefundFailed),
            pb::ReviewReason::RefundedElsewhere => Some(Self::RefundedElsewhere),
            pb::ReviewReason::OrderMissing => Some(Self::OrderMissing),
            pb::ReviewReason::Unsettled => Some(Self::Unsettled),
        })
    }
}

/// What a person has found out about a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Resolution {
    /// The shop has the money, and it pays the order. If the order does not need it, it is refunded.
    Completed = pb::ReviewResolution::Completed as isize,
    /// The customer has the money back. An order that it had paid is cancelled, unless it was shipped.
    Refunded = pb::ReviewResolution::Refunded as isize,
    /// No money has arrived. Only for payments that are not completed.
    Cancelled = pb::ReviewResolution::Cancelled as isize,
    /// The provider is to be asked again. Only for payments that are not completed, and for pending refunds.
    Retry = pb::ReviewResolution::Retry as isize,
}

impl Resolution {
    fn from_proto(resolution: pb::ReviewResolution) -> Option<Self> {
        match resolution {
            pb::ReviewResolution::Unspecified => None,
            pb::ReviewResolution::Completed => Some(Self::Completed),
            pb::ReviewResolution::Refunded => Some(Self::Refunded),
            pb::ReviewResolution::Cancelled => Some(Self::Cancelled),
            pb::ReviewResolution::Retry => Some(Self::Retry),
        }
    }
}

/// The review of a payment by a person.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentReview {
    /// Why it is needed.
    reason: ReviewReason,
    /// Amount that the provider reports, in major units of its currency; null when it is not the reason.
    #[schema(required)]
    reported_amount: Option<Amount>,
    /// ISO 4217 code of the currency that the provider reports; null when it is not the reason.
    #[schema(required)]
    reported_currency: Option<String>,
    /// When the problem was found.
    opened_at: Timestamp,
    /// What the admin has decided; null while the review is open.
    #[schema(required)]
    resolution: Option<Resolution>,
    /// Note of the admin, or null.
    #[schema(required)]
    note: Option<String>,
    /// Id of the admin; null while the review is open.
    #[schema(required)]
    resolved_by: Option<String>,
    /// When the admin has decided; null while the review is open.
    #[schema(required)]
    resolved_at: Option<Timestamp>,
}

/// A payment with its state at the provider.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0197f0c6-10a2-7f4e-8a56-0d3a2c0b7f11", "orderId": "0197f0c5-b3d8-71e2-9d43-52b8f6a0c911",
    "userId": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10", "provider": "stripe", "status": "needs_review",
    "paymentIntentId": "pi_3PBodega", "refundId": null, "amount": 25.00, "refundedAmount": 0.00, "currency": "USD",
    "review": {
        "reason": "wrong_amount", "reportedAmount": 20.00, "reportedCurrency": "USD",
        "openedAt": "2026-11-21T10:15:00.123456Z", "resolution": null, "note": null, "resolvedBy": null,
        "resolvedAt": null
    },
    "createdAt": "2026-11-21T09:31:00.123456Z", "updatedAt": "2026-11-21T10:15:00.123456Z"
}))]
pub(crate) struct AdminPayment {
    /// Id of the payment, a UUIDv7.
    id: String,
    /// Id of its order, which may have been deleted.
    order_id: String,
    /// Id of the user who placed the order; null when the order was deleted.
    #[schema(required)]
    user_id: Option<String>,
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
    /// Amount of the payment, in major units of the currency.
    amount: Amount,
    /// Amount that was refunded, in major units of the currency.
    refunded_amount: Amount,
    /// ISO 4217 code of the currency.
    currency: String,
    /// The latest review by a person, or null.
    #[schema(required)]
    review: Option<PaymentReview>,
    /// When the payment was started.
    created_at: Timestamp,
    /// When the payment last changed, or its provider was last asked.
    updated_at: Timestamp,
}

impl TryFrom<pb::PaymentDetails> for AdminPayment {
    type Error = Problem;

    fn try_from(details: pb::PaymentDetails) -> Result<Self, Problem> {
        let payment = present(details.payment)?;
        Ok(Self {
            id: details.id,
            order_id: details.order_id,
            user_id: non_empty(details.user_id),
            status: PaymentStatus::of(&payment)?,
            provider: payment.provider,
            payment_intent_id: non_empty(payment.intent_id),
            refund_id: non_empty(payment.refund_id),
            amount: Amount::new(details.amount_minor, &details.currency),
            refunded_amount: Amount::new(payment.refunded_minor, &details.currency),
            currency: details.currency,
            review: details.review.map(PaymentReview::try_from).transpose()?,
            created_at: details.created_at.into(),
            updated_at: details.updated_at.into(),
        })
    }
}

impl TryFrom<pb::PaymentReview> for PaymentReview {
    type Error = Problem;

    fn try_from(review: pb::PaymentReview) -> Result<Self, Problem> {
        Ok(Self {
            reason: ReviewReason::from_proto(review.reason())?,
            resolution: Resolution::from_proto(review.resolution()),
            reported_amount: review.reported_minor.map(|minor| Amount::new(minor, &review.reported_currency)),
            reported_currency: non_empty(review.reported_currency),
            opened_at: review.opened_at.into(),
            note: non_empty(review.note),
            resolved_by: non_empty(review.resolved_by),
            resolved_at: Timestamp::of(review.resolved_at),
        })
    }
}

/// A person's decision about a payment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"resolution": "refunded", "note": "Returned by bank transfer."}))]
pub(crate) struct ResolutionInput {
    /// What the person has found out.
    resolution: Resolution,
    /// Note for other admins.
    #[serde(default)]
    #[schema(max_length = 1000)]
    note: String,
}

/// Lists payments.
///
/// Requires an admin's access token. Newest payments first. A payment needs review when the shop's data and the provider
/// contradict each other: it stays as it is until an admin has decided.
#[utoipa::path(
    get, path = "/api/admin/payments", tag = "Orders", params(PaymentsQuery), security(("bearer" = ["orders:read"])),
    responses(
        (status = OK, description = "A page of payments.", body = Page<AdminPayment>),
        (status = FORBIDDEN),
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: AdminOrKey,
    Query(query): Query<PaymentsQuery>,
) -> Result<Json<Page<AdminPayment>>, Problem> {
    let PaymentsQuery { needs_review, limit, cursor } = query;
    let request = ListPaymentsRequest { needs_review, limit: limit.get(), cursor };
    let page = app.orders().list_payments(request).await?.into_inner();
    let items = page.payments.into_iter().map(AdminPayment::try_from).collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
}

/// Resolves the review of a payment.
///
/// Requires an admin's access token. Records the decision, and changes the payment and its order accordingly.
#[utoipa::path(
    post, path = "/api/admin/payments/{id}/resolve", tag = "Orders",
    params(("id" = Uuid, Path, description = "Id of the payment.")), request_body = ResolutionInput,
    security(("bearer" = ["payments:write"])),
    responses(
        (status = OK, description = "The payment after the decision.", body = AdminPayment),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The payment does not exist (`payment_not_found`)."),
        (status = CONFLICT, description = "The payment needs no review (`payment_not_in_review`), or its status does not \
            allow the resolution (`invalid_resolution`)."),
    )
)]
pub(crate) async fn resolve(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<Uuid>,
    Json(input): Json<ResolutionInput>,
) -> Result<Json<AdminPayment>, Problem> {
    let resolution = input.resolution as i32;
    let request = ResolvePaymentRequest { id: id.to_string(), resolution, note: input.note };
    let response = app.orders().resolve_payment(request).await?.into_inner();
    Ok(Json(present(response.payment)?.try_into()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_and_resolution_has_its_name() {
        for number in 1..=7 {
            let reason = pb::ReviewReason::try_from(number).unwrap();
            let json = serde_json::to_value(ReviewReason::from_proto(reason).unwrap()).unwrap();
            assert_eq!(
                reason.as_str_name(),
                format!("REVIEW_REASON_{}", json.as_str().unwrap().to_uppercase())
            );
        }
        assert!(pb::ReviewReason::try_from(8).is_err());
        for name in ["completed", "refunded", "cancelled", "retry"] {
            let input: ResolutionInput =
                serde_json::from_value(serde_json::json!({"resolution": name})).unwrap();
            let resolution = pb::ReviewResolution::try_from(input.resolution as i32).unwrap();
            assert_eq!(resolution.as_str_name(), format!("REVIEW_RESOLUTION_{}", name.to_uppercase()));
            assert_eq!(Resolution::from_proto(resolution), Some(input.resolution));
        }
    }
}
