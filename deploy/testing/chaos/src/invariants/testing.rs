//! Exchanges, orders and books as tests write them.

use std::time::Duration;

use bodega_stripe_double::{Charge, ChargeStatus, Refund, RefundStatus};
use reqwest::Method;
use serde_json::{Value, json};
use time::{OffsetDateTime, macros::datetime};

use super::store::{Line, Movement, Order, Payment, Product};
use crate::journal::Exchange;

/// A request of user `u-1`, from 0 to 10 ms, that was not answered.
pub(super) fn asked(method: &str, path: &str) -> Exchange {
    Exchange {
        shopper: 0,
        user: "u-1".to_owned(),
        started: Duration::ZERO,
        ended: Duration::from_millis(10),
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        path: path.to_owned(),
        key: None,
        sent: Value::Null,
        status: None,
        retry_after: None,
        told: Value::Null,
    }
}

impl Exchange {
    /// The same of another user.
    pub(super) fn by(self, user: &str) -> Self {
        Self { user: user.to_owned(), ..self }
    }

    /// The same, 10 ms long, begun at so many milliseconds.
    pub(super) fn at(self, started: u64) -> Self {
        self.during(started, started + 10)
    }

    /// The same, from one millisecond to another.
    pub(super) fn during(self, started: u64, ended: u64) -> Self {
        Self { started: Duration::from_millis(started), ended: Duration::from_millis(ended), ..self }
    }

    /// The same with this `Idempotency-Key`.
    pub(super) fn keyed(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// The same with this body.
    pub(super) fn sending(self, sent: Value) -> Self {
        Self { sent, ..self }
    }

    /// The same, answered so; 429 and 503 with `Retry-After`.
    pub(super) fn told(self, status: u16, told: Value) -> Self {
        let retry_after = matches!(status, 429 | 503).then_some(1);
        Self { status: Some(status), told, retry_after, ..self }
    }

    /// The same without an answer.
    pub(super) fn unanswered(self) -> Self {
        Self { status: None, told: Value::Null, ..self }
    }
}

/// A pending order of user `u-1` as REST shows it: two of product 7.
pub(super) fn order(id: &str) -> Value {
    json!({
        "id": id, "userId": "u-1", "totalAmount": 25.0, "currency": "USD", "status": "pending", "payment": null,
        "products": [{"productId": 7, "name": "Mug", "price": 12.5, "quantity": 2, "lineTotal": 25.0}],
        "history": [{"status": "pending", "at": "2026-11-21T09:30:00Z"}],
        "createdAt": "2026-11-21T09:30:00Z", "updatedAt": "2026-11-21T09:30:00Z",
    })
}

/// The same after one more step, of the order or of its payment.
pub(super) fn stepped(order: &Value, status: &str, payment: Option<&str>) -> Value {
    let mut order = order.clone();
    order["status"] = status.into();
    let mut step = json!({"status": status, "at": "2026-11-21T09:31:00Z"});
    if let Some(payment) = payment {
        order["payment"] = json!({"provider": "stripe", "status": payment});
        step["payment"] = payment.into();
    }
    order["history"].as_array_mut().unwrap().push(step);
    order
}

/// When the journals of tests begin.
pub(super) const BEGUN: OffsetDateTime = datetime!(2026-11-21 09:30 UTC);

/// An order of user `u-1` as the database has it, of 2500 cents, placed 21 ms after the journal was begun.
pub(super) fn order_row(id: &str, status: &str) -> Order {
    let is_placed = !matches!(status, "placing" | "rejected");
    Order {
        id: id.to_owned(),
        user_id: "u-1".to_owned(),
        cart_version: 1,
        status: status.to_owned(),
        total_minor: is_placed.then_some(2500),
        currency: is_placed.then(|| "USD".to_owned()),
        placed_at: is_placed.then_some(BEGUN + Duration::from_millis(21)),
    }
}

/// A line of product 7.
pub(super) fn line_row(order_id: &str, quantity: i32) -> Line {
    Line { order_id: order_id.to_owned(), product_id: 7, quantity }
}

/// Product 7.
pub(super) fn product_row(stock: i32) -> Product {
    Product { id: 7, stock, archived: false }
}

/// A movement of product 7.
pub(super) fn movement(id: i64, delta: i32, reason: &str, order_id: Option<&str>) -> Movement {
    Movement { id, product_id: 7, delta, reason: reason.to_owned(), order_id: order_id.map(str::to_owned) }
}

/// A payment by card through intent `pi_` and the order's id.
pub(super) fn payment_row(order_id: &str, status: &str) -> Payment {
    Payment {
        order_id: order_id.to_owned(),
        provider: "stripe".to_owned(),
        status: status.to_owned(),
        intent_id: Some(format!("pi_{order_id}")),
    }
}

/// A charge of 2500 cents for an order, by intent `pi_` and the order's id.
pub(super) fn charge(id: &str, order_id: &str) -> Charge {
    Charge {
        id: id.to_owned(),
        payment_intent: format!("pi_{order_id}"),
        payment_method: "pm_card_visa".to_owned(),
        amount: 2500,
        amount_refunded: 0,
        currency: "usd".to_owned(),
        status: ChargeStatus::Succeeded,
        failure: None,
        metadata: [("order_id".to_owned(), order_id.to_owned())].into(),
        created: 0,
    }
}

/// A refund of a charge for an order.
pub(super) fn refund(charge: &Charge, amount: i64) -> Refund {
    Refund {
        id: format!("re_{}", charge.id),
        charge: charge.id.clone(),
        payment_intent: charge.payment_intent.clone(),
        amount,
        currency: charge.currency.clone(),
        status: RefundStatus::Succeeded,
        reason: None,
        metadata: Default::default(),
        created: 0,
    }
}
