use bodega_proto::order::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{api::payments::PaymentStatus, json::Timestamp, problem::Problem, response::present};

/// Status of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderStatus {
    /// Placed; the units are taken from the stock.
    Pending = pb::OrderStatus::Pending as isize,
    /// Accepted by the merchant.
    Confirmed = pb::OrderStatus::Confirmed as isize,
    /// Paid.
    Paid = pb::OrderStatus::Paid as isize,
    /// Sent to the customer.
    Shipped = pb::OrderStatus::Shipped as isize,
    /// Delivered. Final.
    Completed = pb::OrderStatus::Completed as isize,
    /// Cancelled; the units are back in stock. Final.
    Cancelled = pb::OrderStatus::Cancelled as isize,
}

impl OrderStatus {
    const ALL: [Self; 6] =
        [Self::Pending, Self::Confirmed, Self::Paid, Self::Shipped, Self::Completed, Self::Cancelled];

    /// # Errors
    /// An internal problem for a status that this gateway does not know.
    pub(super) fn from_proto(status: pb::OrderStatus) -> Result<Self, Problem> {
        present(Self::ALL.into_iter().find(|known| pb::OrderStatus::from(*known) == status))
    }
}

impl From<OrderStatus> for pb::OrderStatus {
    fn from(status: OrderStatus) -> Self {
        Self::try_from(status as i32).unwrap_or_default()
    }
}

/// The new status of an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "shipped"}))]
pub(crate) struct OrderStatusInput {
    /// Status that may follow the current one.
    pub(crate) status: OrderStatus,
}

/// A change of the status of an order or of its payment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderEvent {
    /// Status of the order after the change.
    status: OrderStatus,
    /// Time of the change.
    at: Timestamp,
    /// Status of the payment after the change. Absent when only the order changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    payment: Option<PaymentStatus>,
}

impl TryFrom<pb::OrderEvent> for OrderEvent {
    type Error = Problem;

    fn try_from(event: pb::OrderEvent) -> Result<Self, Problem> {
        Ok(Self {
            status: OrderStatus::from_proto(event.status())?,
            at: event.at.into(),
            payment: PaymentStatus::of_event(event.payment, event.payment_cancelled)?,
        })
    }
}
