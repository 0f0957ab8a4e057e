//! Orders, and what makes and moves them.

use bodega_proto::order::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    answer::present,
    json::{Amount, AmountInput, Payment, PaymentStatus, Timestamp},
    problem::Problem,
};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderStatus {
    /// Placed; its stock is taken.
    Pending,
    /// Accepted by the merchant.
    Confirmed,
    /// Paid for.
    Paid,
    /// On its way.
    Shipped,
    /// Delivered. Final.
    Completed,
    /// IsConflict. Final.
    Cancelled,
}

impl OrderStatus {
    /// `None` for a status that this gateway does not know.
    fn of(status: pb::OrderStatus) -> Option<Self> {
        match status {
            pb::OrderStatus::Unspecified => None,
            pb::OrderStatus::Pending => Some(Self::Pending),
            pb::OrderStatus::Confirmed => Some(Self::Confirmed),
            pb::OrderStatus::Paid => Some(Self::Paid),
            pb::OrderStatus::Shipped => Some(Self::Shipped),
            pb::OrderStatus::Completed => Some(Self::Completed),
            pb::OrderStatus::Cancelled => Some(Self::Cancelled),
        }
    }
}

/// The status of an order.
///
/// # Errors
/// An internal problem when this gateway does not know it.
pub(crate) fn status_of(order: &pb::Order) -> Result<OrderStatus, Problem> {
    present(OrderStatus::of(order.status()))
}

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

/// A cart that was ordered. Names and prices are those of the timestamp of the order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0197f0c5-b3d8-71e2-9d43-52b8f6a0c911", "userId": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10",
    "products": [{"productId": 7, "name": "Coffee Mug", "price": 12.50, "quantity": 2, "lineTotal": 25.00}],
    "totalAmount": 25.00, "currency": "USD", "status": "paid",
    "payment": {"provider": "stripe", "status": "completed"},
    "history": [
        {"status": "pending", "at": "2026-11-21T09:30:00.123456Z"},
        {"status": "pending", "at": "2026-11-21T09:31:00.123456Z", "payment": "requires_payment"},
        {"status": "paid", "at": "2026-11-21T10:15:00.123456Z", "payment": "completed"}
    ],
    "createdAt": "2026-11-21T09:30:00.123456Z", "updatedAt": "2026-11-21T10:15:00.123456Z"
}))]
pub(crate) struct Order {
    /// UUIDv7.
    id: String,
    /// Whose, a UUID.
    user_id: String,
    /// What was ordered.
    products: Vec<OrderLine>,
    /// The sum of the line totals.
    total_amount: Amount,
    /// ISO 4217.
    currency: String,
    /// Where it stands.
    status: OrderStatus,
    /// Null until money is involved. Of several attempts the one that brought the money, else the latest.
    #[schema(required)]
    payment: Option<Payment>,
    /// Every step of the order and of its payments, oldest first.
    history: Vec<Step>,
    /// When it was placed.
    created_at: Timestamp,
    /// When it last moved.
    updated_at: Timestamp,
}

/// A line of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OrderLine {
    /// Which product.
    product_id: i32,
    /// What it was called.
    name: String,
    /// Of one unit.
    price: Amount,
    /// How many.
    quantity: i32,
    /// Price times quantity.
    line_total: Amount,
}

/// A step of an order or of its payment.
#[derive(Debug, Serialize, ToSchema)]
struct Step {
    /// Where the order stood after it.
    status: OrderStatus,
    /// When.
    at: Timestamp,
    /// Where the payment came to with it; absent where it was the order alone that moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    payment: Option<PaymentStatus>,
}

impl TryFrom<pb::Order> for Order {
    type Error = Problem;

    fn try_from(order: pb::Order) -> Result<Self, Problem> {
        let line = |item: pb::OrderItem| OrderLine {
            product_id: item.product_id,
            name: item.name,
            price: Amount::new(item.price_minor, &order.currency),
            quantity: item.quantity,
            line_total: Amount::new(item.line_total_minor, &order.currency),
        };
        let status = status_of(&order)?;
        let payment = order.payment.map(Payment::try_from).transpose()?;
        Ok(Self {
            id: order.id,
            user_id: order.user_id,
            products: order.items.into_iter().map(line).collect(),
            total_amount: Amount::new(order.total_minor, &order.currency),
            currency: order.currency,
            status,
            payment,
            history: order.history.into_iter().map(Step::try_from).collect::<Result<_, _>>()?,
            created_at: order.created_at.into(),
            updated_at: order.updated_at.into(),
        })
    }
}

impl TryFrom<pb::OrderEvent> for Step {
    type Error = Problem;

    fn try_from(event: pb::OrderEvent) -> Result<Self, Problem> {
        Ok(Self {
            status: present(OrderStatus::of(event.status()))?,
            at: event.at.into(),
            payment: PaymentStatus::reached(event.payment)?,
        })
    }
}

/// What an order must come to.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"expectedTotal": 25.00}))]
pub(crate) struct OrderInput {
    /// The total that the shopper has seen: another one is a 409 that names what changed.
    #[serde(default, alias = "expected_total")]
    pub(crate) expected_total: Option<AmountInput>,
}

/// Where an order is to go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "shipped"}))]
pub(crate) struct MoveInput {
    /// One that follows the order's present one.
    pub(crate) status: OrderStatus,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> pb::Order {
        pb::Order {
            id: "o".to_owned(),
            user_id: "u".to_owned(),
            items: vec![pb::OrderItem {
                product_id: 7,
                name: "Mug".to_owned(),
                price_minor: 1250,
                quantity: 2,
                line_total_minor: 2500,
            }],
            total_minor: 2500,
            currency: "USD".to_owned(),
            status: pb::OrderStatus::Pending.into(),
            history: vec![pb::OrderEvent { status: pb::OrderStatus::Pending.into(), ..Default::default() }],
            ..Default::default()
        }
    }

    #[test]
    fn an_order_has_every_field() {
        let json = serde_json::to_string(&Order::try_from(order()).unwrap()).unwrap();
        let epoch = "1970-01-01T00:00:00Z";
        assert_eq!(
            json,
            format!(
                r#"{{"id":"o","userId":"u","products":[{{"productId":7,"name":"Mug","price":12.50,"quantity":2,"lineTotal":25.00}}],"totalAmount":25.00,"currency":"USD","status":"pending","payment":null,"history":[{{"status":"pending","at":"{epoch}"}}],"createdAt":"{epoch}","updatedAt":"{epoch}"}}"#
            )
        );
    }

    #[test]
    fn a_step_says_where_the_payment_came_to_with_it() {
        let step = |status: pb::OrderStatus, payment: pb::PaymentStatus| pb::OrderEvent {
            status: status.into(),
            at: None,
            payment: payment.into(),
        };
        let history = vec![
            step(pb::OrderStatus::Pending, pb::PaymentStatus::Unspecified),
            step(pb::OrderStatus::Paid, pb::PaymentStatus::Completed),
        ];
        let json = serde_json::to_value(Order::try_from(pb::Order { history, ..order() }).unwrap()).unwrap();
        let epoch = "1970-01-01T00:00:00Z";
        assert_eq!(
            json["history"],
            serde_json::json!([
                {"status": "pending", "at": epoch}, {"status": "paid", "at": epoch, "payment": "completed"}
            ])
        );
    }

    #[test]
    fn a_status_that_is_not_known_is_not_guessed() {
        assert!(Order::try_from(pb::Order { status: 99, ..order() }).is_err());
        for payment in [0, 99] {
            let payment = pb::Payment { provider: "stripe".to_owned(), status: payment };
            assert!(Order::try_from(pb::Order { payment: Some(payment), ..order() }).is_err());
        }
        let step = pb::OrderEvent { status: pb::OrderStatus::Paid.into(), payment: 99, ..Default::default() };
        assert!(Order::try_from(pb::Order { history: vec![step], ..order() }).is_err());
    }

    #[test]
    fn every_status_is_called_the_same_in_and_out() {
        for name in ["pending", "confirmed", "paid", "shipped", "completed", "cancelled"] {
            let input: MoveInput = serde_json::from_value(serde_json::json!({"status": name})).unwrap();
            let there = pb::OrderStatus::from(input.status);
            assert_eq!(serde_json::to_value(OrderStatus::of(there)).unwrap(), name);
        }
        assert!(serde_json::from_str::<MoveInput>(r#"{"status": "placing"}"#).is_err());
    }
}
