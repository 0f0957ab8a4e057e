//! What is sent, made from what is known.

use bodega_proto::order::v1 as pb;
use bodega_runtime::timestamp;

use crate::{
    order::{Event, Item, Order, PaymentView},
    pay::Payable,
    payment::PaymentStatus,
    status::OrderStatus,
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

impl From<Item> for pb::OrderItem {
    fn from(item: Item) -> Self {
        Self {
            product_id: item.product_id,
            name: item.name,
            price_minor: item.price_minor,
            quantity: item.quantity,
            // Part of a total that was found to fit.
            line_total_minor: item.price_minor.saturating_mul(i64::from(item.quantity)),
        }
    }
}

impl From<PaymentView> for pb::Payment {
    fn from(payment: PaymentView) -> Self {
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

impl From<Payable> for pb::PaymentIntent {
    fn from(payable: Payable) -> Self {
        Self {
            provider: payable.provider,
            id: payable.intent_id,
            client_secret: payable.client_secret,
            publishable_key: payable.publishable_key,
            status: pb::PaymentStatus::from(payable.status).into(),
            amount_minor: payable.amount_minor,
            currency: payable.currency,
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
