//! Conversions between the domain's types and protobuf.

use bodega_proto::order::v1 as pb;
use bodega_runtime::{status::Violations, timestamp};

use crate::{
    checkout::place_order::PlacedOrder,
    orders::{
        db::{Event, Item, Order, OrderPayment},
        status::OrderStatus,
    },
    payments::{payment::PaymentStatus, start::PayableIntent},
};

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

impl From<Order> for pb::Order {
    fn from(order: Order) -> Self {
        Self {
            id: order.id.to_string(),
            user_id: order.user_id.to_string(),
            items: order.items.into_iter().map(Into::into).collect(),
            total_minor: order.total_minor,
            currency: order.currency,
            status: pb::OrderStatus::from(order.status).into(),
            payment: order.payment.map(Into::into),
            history: order.history.into_iter().map(Into::into).collect(),
            created_at: Some(timestamp::to_proto(order.placed_at)),
            updated_at: Some(timestamp::to_proto(order.updated_at)),
        }
    }
}

impl From<PlacedOrder> for pb::PlaceOrderResponse {
    fn from(placed: PlacedOrder) -> Self {
        let versions = placed.product_versions.into_iter();
        let versions = versions
            .map(|product| pb::ProductVersion { product_id: product.product_id, version: product.version });
        Self { order: Some(placed.order.into()), product_versions: versions.collect() }
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
        }
    }
}

impl From<OrderPayment> for pb::Payment {
    fn from(payment: OrderPayment) -> Self {
        Self { provider: payment.provider, status: pb::PaymentStatus::from(payment.status).into() }
    }
}

impl From<PaymentStatus> for pb::PaymentStatus {
    fn from(status: PaymentStatus) -> Self {
        match status {
            PaymentStatus::RequiresPayment => Self::RequiresPayment,
            PaymentStatus::Processing => Self::Processing,
            PaymentStatus::Failed => Self::Failed,
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
