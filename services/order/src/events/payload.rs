//! The data of events, version 1. The schemas are in `services/shared/events/schemas`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// What happened to an order.
#[derive(Clone, Copy, Debug, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(super) enum Kind {
    Placed,
    Paid,
    Shipped,
    Cancelled,
    Refunded,
}

impl Kind {
    /// Returns the name of the event's type.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Placed => "order.placed",
            Self::Paid => "order.paid",
            Self::Shipped => "order.shipped",
            Self::Cancelled => "order.cancelled",
            Self::Refunded => "order.refunded",
        }
    }
}

/// The data of an event. Amounts are in minor units of their currency.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data {
    pub(super) order_id: Uuid,
    /// Null for an order of a guest.
    pub(super) user_id: Option<Uuid>,
    pub(super) total_minor: i64,
    pub(super) currency: String,
    /// Of an order that was placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) items: Option<Vec<Item>>,
    /// That was completed or refunded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payment: Option<Payment>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all(serialize = "camelCase"))]
pub(super) struct Item {
    product_id: i32,
    name: String,
    price_minor: i64,
    quantity: i32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all(serialize = "camelCase"))]
pub(super) struct Payment {
    id: Uuid,
    provider: String,
    amount_minor: i64,
    currency: String,
}

impl Data {
    pub(super) fn into_json(self) -> Value {
        // Numbers and texts only: this cannot fail.
        serde_json::to_value(self).unwrap_or_default()
    }
}
