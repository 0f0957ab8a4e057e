use bodega_proto::order::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::payments::{Payment, PaymentStatus},
    json::{Amount, AmountInput, Timestamp},
    problem::Problem,
    response::present,
};

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
    fn from_proto(status: pb::OrderStatus) -> Result<Self, Problem> {
        present(Self::ALL.into_iter().find(|known| pb::OrderStatus::from(*known) == status))
    }
}

impl From<OrderStatus> for pb::OrderStatus {
    fn from(status: OrderStatus) -> Self {
        Self::try_from(status as i32).unwrap_or_default()
    }
}

/// An order. Names and prices of the products are those at the time the order was placed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0197f0c5-b3d8-71e2-9d43-52b8f6a0c911", "userId": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10",
    "products": [{"productId": 7, "name": "Coffee Mug", "price": 12.50, "quantity": 2, "lineTotal": 25.00}],
    "totalAmount": 25.00, "currency": "USD", "status": "paid",
    "payment": {
        "provider": "stripe", "status": "completed", "paymentIntentId": "pi_3PBodega", "refundId": null,
        "refundedAmount": 0.00
    },
    "history": [
        {"status": "pending", "at": "2026-11-21T09:30:00.123456Z"},
        {"status": "pending", "at": "2026-11-21T09:31:00.123456Z", "payment": "requires_payment"},
        {"status": "paid", "at": "2026-11-21T10:15:00.123456Z", "payment": "completed"}
    ],
    "createdAt": "2026-11-21T09:30:00.123456Z", "updatedAt": "2026-11-21T10:15:00.123456Z"
}))]
pub(crate) struct Order {
    /// Id of the order, a UUIDv7.
    pub(crate) id: String,
    /// Id of the user who placed the order.
    pub(crate) user_id: String,
    /// Ordered products.
    pub(crate) products: Vec<OrderLine>,
    /// Sum of the line totals, in major units of the currency.
    pub(crate) total_amount: Amount,
    /// ISO 4217 code of the currency.
    pub(crate) currency: String,
    /// Status of the order.
    pub(crate) status: OrderStatus,
    /// The successful payment, else the latest one; null when no payment was started.
    #[schema(required)]
    pub(crate) payment: Option<Payment>,
    /// Changes of the status of the order and of its payments, oldest first.
    pub(crate) history: Vec<OrderEvent>,
    /// When the order was placed.
    pub(crate) created_at: Timestamp,
    /// When the order last changed.
    pub(crate) updated_at: Timestamp,
}

/// A line of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderLine {
    /// Id of the product.
    pub(crate) product_id: i32,
    /// Name of the product when the order was placed.
    pub(crate) name: String,
    /// Unit price when the order was placed, in major units of the currency, for example 12.50.
    pub(crate) price: Amount,
    /// Number of units.
    pub(crate) quantity: i32,
    /// Price times quantity.
    pub(crate) line_total: Amount,
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
        let status = OrderStatus::from_proto(order.status())?;
        let payment = order.payment.map(|payment| Payment::new(payment, &order.currency)).transpose()?;
        Ok(Self {
            id: order.id,
            user_id: order.user_id,
            products: order.items.into_iter().map(line).collect(),
            total_amount: Amount::new(order.total_minor, &order.currency),
            currency: order.currency,
            status,
            payment,
            history: order.history.into_iter().map(OrderEvent::try_from).collect::<Result<_, _>>()?,
            created_at: order.created_at.into(),
            updated_at: order.updated_at.into(),
        })
    }
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

/// Conditions of an order.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"expectedTotal": 25.00}))]
pub(crate) struct PlaceOrderInput {
    /// Total that the client showed to the user, in major units of the currency. The order is rejected when its total
    /// would differ.
    #[serde(default, alias = "expected_total")]
    pub(crate) expected_total: Option<AmountInput>,
}

/// The new status of an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "shipped"}))]
pub(crate) struct OrderStatusInput {
    /// Status that may follow the current one.
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
    fn writes_every_field_of_an_order() {
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
    fn writes_the_payment_status_of_an_event() {
        let event = |status: pb::OrderStatus, payment: pb::PaymentStatus| pb::OrderEvent {
            status: status.into(),
            at: None,
            payment: payment.into(),
            payment_cancelled: false,
        };
        let history = vec![
            event(pb::OrderStatus::Pending, pb::PaymentStatus::Unspecified),
            event(pb::OrderStatus::Paid, pb::PaymentStatus::Completed),
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
    fn rejects_an_unknown_status() {
        assert!(Order::try_from(pb::Order { status: 99, ..order() }).is_err());
        for payment in [0, 99] {
            let payment =
                pb::Payment { provider: "stripe".to_owned(), status: payment, ..Default::default() };
            assert!(Order::try_from(pb::Order { payment: Some(payment), ..order() }).is_err());
        }
        let event =
            pb::OrderEvent { status: pb::OrderStatus::Paid.into(), payment: 99, ..Default::default() };
        assert!(Order::try_from(pb::Order { history: vec![event], ..order() }).is_err());
    }

    #[test]
    fn reads_and_writes_every_status_by_the_same_name() {
        for name in ["pending", "confirmed", "paid", "shipped", "completed", "cancelled"] {
            let input: OrderStatusInput =
                serde_json::from_value(serde_json::json!({"status": name})).unwrap();
            let status = pb::OrderStatus::from(input.status);
            assert_eq!(status.as_str_name(), format!("ORDER_STATUS_{}", name.to_uppercase()));
            assert_eq!(serde_json::to_value(OrderStatus::from_proto(status).unwrap()).unwrap(), name);
        }
        assert!(serde_json::from_str::<OrderStatusInput>(r#"{"status": "placing"}"#).is_err());
    }
}
