//! Conversions between the domain's types and protobuf.

use bodega_proto::order::v1 as pb;
use bodega_runtime::{auth::Caller, status::Violations, timestamp};
use uuid::Uuid;

use super::returns::redacted;
use crate::{
    checkout::place_order::PlacedOrder,
    orders::{
        db::{Event, Item, Order, OrderPayment},
        status::OrderStatus,
    },
    payments::{
        db::reviews::{ListedPayment, ListedReview},
        payment::PaymentStatus,
        review::{Decision, Resolution, ReviewReason},
        start::PayableIntent,
    },
};

const MAX_NOTE_LENGTH: usize = 1_000;

impl From<OrderStatus> for pb::OrderStatus {
    fn from(status: OrderStatus) -> Self {
        match status {
            OrderStatus::Pending => Self::Pending,
            OrderStatus::Confirmed => Self::Confirmed,
            OrderStatus::Paid => Self::Paid,
            OrderStatus::Shipped => Self::Shipped,
            OrderStatus::Completed => Self::Completed,
            OrderStatus::Cancelled => Self::Cancelled,
        }
    }
}

/// Returns the status in a request, or `None` if it is unspecified.
pub(super) fn optional_status(status: i32) -> Result<Option<OrderStatus>, Violations> {
    if status == i32::from(pb::OrderStatus::Unspecified) {
        return Ok(None);
    }
    let known = OrderStatus::ALL.into_iter().find(|known| i32::from(pb::OrderStatus::from(*known)) == status);
    known.map(Some).ok_or_else(invalid_status)
}

pub(super) fn required_status(status: i32) -> Result<OrderStatus, Violations> {
    optional_status(status)?.ok_or_else(invalid_status)
}

fn invalid_status() -> Violations {
    let mut violations = Violations::new();
    let names = OrderStatus::ALL.map(OrderStatus::as_str).join(", ");
    violations.add("status", format!("must be one of {names}"));
    violations
}

/// Returns what `viewer` may see of an order. Without one, it is for a guest.
pub(super) fn order_for(viewer: Option<&Caller>, order: Order) -> pb::Order {
    let is_customer = viewer.is_none_or(|viewer| !viewer.is_admin() && !viewer.is_api_key());
    let refund = if is_customer { redacted } else { pb::Refund::from };
    pb::Order {
        id: order.id.to_string(),
        number: order.number.unwrap_or_default(),
        breakdown: order.breakdown.map(Into::into),
        form: (!order.form.is_empty()).then(|| order.form.into()),
        user_id: order.user_id.map(|id| id.to_string()).unwrap_or_default(),
        items: order.items.into_iter().map(Into::into).collect(),
        total_minor: order.total_minor,
        currency: order.currency,
        status: pb::OrderStatus::from(order.status).into(),
        payment: order.payment.map(Into::into),
        history: order.history.into_iter().map(Into::into).collect(),
        refunds: order.refunds.into_iter().map(refund).collect(),
        shipments: order.shipments.into_iter().map(Into::into).collect(),
        created_at: Some(timestamp::to_proto(order.placed_at)),
        updated_at: Some(timestamp::to_proto(order.updated_at)),
    }
}

/// Returns what `viewer` may see of the order that it has placed.
pub(super) fn placed_order_for(viewer: Option<&Caller>, placed: PlacedOrder) -> pb::PlaceOrderResponse {
    let versions = placed.product_versions.into_iter();
    let versions = versions
        .map(|product| pb::ProductVersion { product_id: product.product_id, version: product.version });
    pb::PlaceOrderResponse {
        order: Some(order_for(viewer, placed.order)),
        product_versions: versions.collect(),
        access_token: placed.access_token.unwrap_or_default(),
    }
}

impl From<Item> for pb::OrderItem {
    fn from(item: Item) -> Self {
        Self {
            product_id: item.product_id,
            name: item.name,
            price_minor: item.price_minor,
            quantity: item.quantity,
            // Cannot saturate: the order's total fits.
            line_total_minor: item.price_minor.saturating_mul(i64::from(item.quantity)),
            discount_minor: item.discount_minor,
            tax_minor: item.tax_minor,
            total_minor: item.total_minor,
            variant_of: item.variant_of.unwrap_or_default(),
            sku: item.sku.unwrap_or_default(),
            variant_name: item.variant_name.unwrap_or_default(),
        }
    }
}

impl From<OrderPayment> for pb::Payment {
    fn from(payment: OrderPayment) -> Self {
        Self {
            provider: payment.provider,
            status: pb::PaymentStatus::from(payment.status).into(),
            cancelled: payment.status == PaymentStatus::Cancelled,
            needs_review: payment.needs_review,
            intent_id: payment.intent_id.unwrap_or_default(),
            refund_id: payment.refund_id.unwrap_or_default(),
            refunded_minor: payment.refunded_minor,
        }
    }
}

impl From<ListedPayment> for pb::PaymentDetails {
    fn from(listed: ListedPayment) -> Self {
        let is_open = |review: &ListedReview| review.resolved_at.is_none();
        let is_returned = |review: &ListedReview| review.resolution == Some(Resolution::Refunded);
        // Money without a payment has arrived, or a person has returned it.
        let status = listed.status.unwrap_or(match &listed.review {
            Some(review) if is_returned(review) => PaymentStatus::Refunded,
            Some(_) | None => PaymentStatus::Completed,
        });
        let payment = pb::Payment {
            provider: listed.provider,
            status: pb::PaymentStatus::from(status).into(),
            cancelled: status == PaymentStatus::Cancelled,
            needs_review: listed.review.as_ref().is_some_and(is_open),
            intent_id: listed.intent_id.unwrap_or_default(),
            refund_id: listed.refund_id.unwrap_or_default(),
            refunded_minor: listed.refunded_minor,
        };
        Self {
            id: listed.id.to_string(),
            order_id: listed.order_id.to_string(),
            user_id: listed.user_id.map(|id| id.to_string()).unwrap_or_default(),
            payment: Some(payment),
            amount_minor: listed.amount_minor,
            currency: listed.currency,
            created_at: Some(timestamp::to_proto(listed.created_at)),
            updated_at: Some(timestamp::to_proto(listed.updated_at)),
            review: listed.review.map(Into::into),
        }
    }
}

impl From<ListedReview> for pb::PaymentReview {
    fn from(review: ListedReview) -> Self {
        Self {
            reason: pb::ReviewReason::from(review.reason).into(),
            reported_minor: review.amount_minor,
            reported_currency: review.currency.unwrap_or_default(),
            opened_at: Some(timestamp::to_proto(review.created_at)),
            resolution: review.resolution.map_or(pb::ReviewResolution::Unspecified, Into::into).into(),
            note: review.note.unwrap_or_default(),
            resolved_by: review.resolved_by.map(|id| id.to_string()).unwrap_or_default(),
            resolved_at: review.resolved_at.map(timestamp::to_proto),
        }
    }
}

impl From<ReviewReason> for pb::ReviewReason {
    fn from(reason: ReviewReason) -> Self {
        match reason {
            ReviewReason::WrongAmount => Self::WrongAmount,
            ReviewReason::WrongCurrency => Self::WrongCurrency,
            ReviewReason::WrongOrder => Self::WrongOrder,
            ReviewReason::RefundFailed => Self::RefundFailed,
            ReviewReason::RefundedElsewhere => Self::RefundedElsewhere,
            ReviewReason::OrderMissing => Self::OrderMissing,
            ReviewReason::Unsettled => Self::Unsettled,
        }
    }
}

impl From<Resolution> for pb::ReviewResolution {
    fn from(resolution: Resolution) -> Self {
        match resolution {
            Resolution::Completed => Self::Completed,
            Resolution::Refunded => Self::Refunded,
            Resolution::Cancelled => Self::Cancelled,
            Resolution::Retry => Self::Retry,
        }
    }
}

/// Returns the decision in a request.
pub(super) fn decision(
    resolution: pb::ReviewResolution,
    note: String,
    actor: Uuid,
) -> Result<Decision, Violations> {
    let resolution = match resolution {
        pb::ReviewResolution::Unspecified => None,
        pb::ReviewResolution::Completed => Some(Resolution::Completed),
        pb::ReviewResolution::Refunded => Some(Resolution::Refunded),
        pb::ReviewResolution::Cancelled => Some(Resolution::Cancelled),
        pb::ReviewResolution::Retry => Some(Resolution::Retry),
    };
    let mut violations = Violations::new();
    let names = "must be one of completed, refunded, cancelled, retry";
    violations.require(resolution.is_some(), "resolution", names);
    violations.require_text(&note, 0, MAX_NOTE_LENGTH, "note");
    violations.finish()?;
    let resolution = resolution.unwrap_or(Resolution::Retry);
    Ok(Decision { resolution, note: Some(note).filter(|note| !note.is_empty()), actor })
}

impl From<PaymentStatus> for pb::PaymentStatus {
    fn from(status: PaymentStatus) -> Self {
        match status {
            PaymentStatus::RequiresPayment => Self::RequiresPayment,
            PaymentStatus::Processing => Self::Processing,
            // With a field of its own for cancelled ones, which older gateways do not know.
            PaymentStatus::Failed | PaymentStatus::Cancelled => Self::Failed,
            PaymentStatus::Completed => Self::Completed,
            PaymentStatus::RefundPending => Self::RefundPending,
            PaymentStatus::Refunded => Self::Refunded,
        }
    }
}

impl From<PayableIntent> for pb::PaymentIntent {
    fn from(intent: PayableIntent) -> Self {
        Self {
            provider: intent.provider,
            id: intent.id,
            client_secret: intent.client_secret,
            publishable_key: intent.publishable_key,
            status: pb::PaymentStatus::from(intent.status).into(),
            amount_minor: intent.amount_minor,
            currency: intent.currency,
        }
    }
}

impl From<Event> for pb::OrderEvent {
    fn from(event: Event) -> Self {
        let payment = event.payment_status.map_or(pb::PaymentStatus::Unspecified, Into::into);
        Self {
            status: pb::OrderStatus::from(event.status).into(),
            at: Some(timestamp::to_proto(event.created_at)),
            payment: payment.into(),
            payment_cancelled: event.payment_cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_converted_and_others_are_rejected() {
        for status in OrderStatus::ALL {
            let proto = i32::from(pb::OrderStatus::from(status));
            assert_eq!(required_status(proto), Ok(status));
        }
        assert_eq!(optional_status(0), Ok(None));
        for unknown in [0, 7, -1] {
            assert!(required_status(unknown).is_err(), "{unknown}");
        }
    }
}
