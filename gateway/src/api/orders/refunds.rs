//! `/api/orders/{id}/refunds`.

use axum::extract::State;
use bodega_proto::order::v1::{self as pb, CreateRefundRequest, GetOrderRequest};
use serde::{Deserialize, Serialize};
use tonic::Status;
use utoipa::ToSchema;
use uuid::Uuid;

use super::forget_products;
use crate::{
    app::App,
    extract::{AdminOrKey, IdempotencyKey, Json, Path},
    json::{Amount, AmountInput, Object, Timestamp, non_empty},
    problem::Problem,
    response::{Created, present},
};

/// Status of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundStatus {
    /// The payment provider has not confirmed it yet.
    Pending,
    /// The money was returned to the customer.
    Succeeded,
    /// The payment provider could not return the money. The amount can be refunded again.
    Failed,
}

impl RefundStatus {
    /// # Errors
    /// An internal problem for a status that this gateway does not know.
    fn from_proto(status: pb::RefundStatus) -> Result<Self, Problem> {
        present(match status {
            pb::RefundStatus::Unspecified => None,
            pb::RefundStatus::Pending => Some(Self::Pending),
            pb::RefundStatus::Succeeded => Some(Self::Succeeded),
            pb::RefundStatus::Failed => Some(Self::Failed),
        })
    }
}

/// A refund of a part of what was paid for an order. Amounts include taxes, and do not change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0197f0c5-c1d8-7b12-8d43-52b8f6a0c977", "status": "succeeded", "amount": 12.50, "tax": 2.00, "shipping": 0.00,
    "lines": [{"variantId": 7, "quantity": 1, "amount": 12.50, "tax": 2.00}], "restock": true, "reason": "too small",
    "failureReason": null, "external": false, "providerRefundId": "re_3PBodega", "createdAt": "2026-11-25T09:30:00.123456Z"
}))]
pub(crate) struct Refund {
    /// Id of the refund, a UUIDv7.
    pub(crate) id: String,
    /// Status of the refund.
    status: RefundStatus,
    /// Refunded amount, in major units of the order's currency.
    amount: Amount,
    /// Part of the amount that is tax.
    tax: Amount,
    /// Part of the amount that was paid for shipping.
    shipping: Amount,
    /// Lines whose units are returned, or among which an amount is divided.
    lines: Vec<RefundLine>,
    /// Whether the returned units are added back to the stock.
    restock: bool,
    /// Reason that the admin has given, or null. Only for admins and API keys; absent for customers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    reason: Option<Option<String>>,
    /// Why it has failed; null unless it has. Only for admins and API keys; absent for customers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    failure_reason: Option<Option<String>>,
    /// Whether it was made at the payment provider, not with this API.
    external: bool,
    /// Id of the refund at the payment provider, or null. Only for admins and API keys; absent for customers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    provider_refund_id: Option<Option<String>>,
    /// When it was requested, or found at the provider.
    created_at: Timestamp,
}

/// What a refund returns of a line of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefundLine {
    /// Id of the variant: that of the product if the product has one variant.
    variant_id: i32,
    /// Number of returned units; 0 if only money is refunded.
    quantity: i32,
    /// Refunded amount, in major units of the order's currency.
    amount: Amount,
    /// Part of the amount that is tax.
    tax: Amount,
}

impl Refund {
    /// A refund of an order in a currency.
    ///
    /// # Errors
    /// An internal problem for a status that this gateway does not know.
    pub(crate) fn new(refund: pb::Refund, currency: &str) -> Result<Self, Problem> {
        let line = |line: pb::RefundLine| RefundLine {
            variant_id: line.variant_id,
            quantity: line.quantity,
            amount: Amount::new(line.amount_minor, currency),
            tax: Amount::new(line.tax_minor, currency),
        };
        let for_admins = |text| (!refund.redacted).then(|| non_empty(text));
        Ok(Self {
            status: RefundStatus::from_proto(refund.status())?,
            id: refund.id,
            amount: Amount::new(refund.amount_minor, currency),
            tax: Amount::new(refund.tax_minor, currency),
            shipping: Amount::new(refund.shipping_minor, currency),
            lines: refund.lines.into_iter().map(line).collect(),
            restock: refund.restock,
            reason: for_admins(refund.reason),
            failure_reason: for_admins(refund.failure),
            external: refund.external,
            provider_refund_id: for_admins(refund.provider_refund_id),
            created_at: refund.created_at.into(),
        })
    }
}

/// What is refunded: lines, shipping or both, or an amount.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"lines": [{"variantId": 7, "quantity": 1}], "restock": true, "reason": "too small"}))]
pub(crate) struct RefundInput {
    /// Lines of which units are returned, at most 200.
    #[serde(default)]
    #[schema(value_type = Vec<ReturnedLineInput>, max_items = 200)]
    lines: Vec<Object<ReturnedLineInput>>,
    /// Whether all that is left of the price of shipping is refunded.
    #[serde(default)]
    shipping: bool,
    /// Amount in major units of the order's currency. It is divided among the lines and shipping, and returns no units.
    #[serde(default)]
    amount: Option<AmountInput>,
    /// Whether the returned units are added back to the stock.
    #[serde(default)]
    restock: bool,
    /// Reason for other admins, at most 1,000 characters.
    #[serde(default)]
    reason: Option<String>,
}

/// A line of an order of which units are returned.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ReturnedLineInput {
    /// Id of the variant: that of the product if the product has one variant.
    #[serde(alias = "productId")]
    variant_id: i32,
    /// Number of returned units.
    quantity: i32,
    /// Of them, the number of units that were not shipped, and will not be; without it, those that exceed the shipped units.
    #[serde(default)]
    unshipped_quantity: Option<i32>,
}

/// Refunds a part of what was paid for an order.
///
/// Requires an admin's access token. The amounts follow from what was paid for each line and for shipping: returning all
/// units, in however many refunds, gives back exactly what was paid. The status of the order does not change. Safe to retry:
/// an `Idempotency-Key` gives one refund.
#[utoipa::path(
    post, path = "/api/orders/{id}/refunds", tag = "Orders", request_body = RefundInput,
    params(
        ("id" = Uuid, Path, description = "Id of the order."),
        ("idempotency-key" = String, Header, max_length = 255,
            description = "Chosen by the client for one refund: a retry with the same key returns the same refund."),
    ),
    security(("bearer" = ["payments:write"])),
    responses(
        (status = CREATED, description = "Refund created. It is `failed` if the payment provider has rejected it.", body = Refund,
            headers(("location" = String, description = "Path of the order."))),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The order does not exist (`order_not_found`)."),
        (status = CONFLICT, description = "No payment of the order is completed (`not_paid`), its payment needs review \
            (`payment_in_review`), or less is left than the request returns (`refund_exceeds_paid`; `errors` names each \
            line)."),
        (status = UNPROCESSABLE_ENTITY, description = "A field is missing, unknown or invalid (`invalid_field`; `errors` \
            names it), or the `Idempotency-Key` was used for a different request (`idempotency_key_reused`)."),
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<Uuid>,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    Json(input): Json<RefundInput>,
) -> Result<Created<Refund>, Problem> {
    let RefundInput { lines, shipping, amount, restock, reason } = input;
    let currency = app.currency();
    let amount_minor = amount.map(|amount| amount.minor(currency, "amount")).transpose()?;
    let lines = lines.into_iter().map(|Object(line)| pb::ReturnedLine {
        variant_id: line.variant_id,
        quantity: line.quantity,
        unshipped_quantity: line.unshipped_quantity,
    });
    let request = CreateRefundRequest {
        order_id: id.to_string(),
        idempotency_key,
        lines: lines.collect(),
        shipping,
        amount_minor,
        restock,
        reason: reason.unwrap_or_default(),
    };
    let rejected = |status: Status| {
        Problem::from(status).renaming("idempotencyKey", "Idempotency-Key").renaming("amountMinor", "amount")
    };
    let response = app.orders().create_refund(request).await.map_err(rejected)?.into_inner();
    let refund = present(response.refund)?;
    if refund.restock {
        // Lines of refunds name variants. The order has their products.
        let order =
            app.orders().get_order(GetOrderRequest { id: id.to_string(), ..Default::default() }).await;
        if let Some(order) = order.ok().and_then(|response| response.into_inner().order) {
            forget_products(&app, &order);
        }
    }
    Ok(Created::at(format!("/api/orders/{id}"), Refund::new(refund, currency.code())?))
}
