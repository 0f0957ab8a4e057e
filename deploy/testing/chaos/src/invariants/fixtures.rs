//! Exchanges, orders and rows for tests.

use std::time::Duration;

use bodega_stripe_double::{Charge, ChargeStatus, Refund, RefundStatus};
use reqwest::Method;
use serde_json::{Value, json};
use time::{OffsetDateTime, macros::datetime};

use super::snapshot::{Line, Movement, Order, Payment, Product};
use crate::journal::Exchange;

/// A request of user `u-1`, from 0 to 10 ms, without a response.
pub(super) fn request(method: &str, path: &str) -> Exchange {
    Exchange {
        client: 0,
        user: "u-1".to_owned(),
        started: Duration::ZERO,
        ended: Duration::from_millis(10),
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        path: path.to_owned(),
        idempotency_key: None,
        request: Value::Null,
        status: None,
        retry_after: None,
        response: Value::Null,
    }
}

impl Exchange {
    pub(super) fn by(self, user: &str) -> Self {
        Self { user: user.to_owned(), ..self }
    }

    /// From `started` in milliseconds, for 10 ms.
    pub(super) fn at(self, started: u64) -> Self {
        self.during(started, started + 10)
    }

    /// In milliseconds.
    pub(super) fn during(self, started: u64, ended: u64) -> Self {
        Self { started: Duration::from_millis(started), ended: Duration::from_millis(ended), ..self }
    }

    pub(super) fn with_key(self, key: &str) -> Self {
        Self { idempotency_key: Some(key.to_owned()), ..self }
    }

    pub(super) fn with_body(self, request: Value) -> Self {
        Self { request, ..self }
    }

    /// With `Retry-After` for 429 and 503.
    pub(super) fn with_response(self, status: u16, response: Value) -> Self {
        let retry_after = matches!(status, 429 | 503).then_some(1);
        Self { status: Some(status), response, retry_after, ..self }
    }

    pub(super) fn without_response(self) -> Self {
        Self { status: None, response: Value::Null, ..self }
    }
}

/// A pending order of user `u-1` as in REST: two units of product 7.
pub(super) fn order(id: &str) -> Value {
    json!({
        "id": id, "userId": "u-1", "totalAmount": 25.0, "currency": "USD", "status": "pending", "payment": null,
        "products": [{"productId": 7, "name": "Mug", "price": 12.5, "quantity": 2, "lineTotal": 25.0}],
        "history": [{"status": "pending", "at": "2026-11-21T09:30:00Z"}],
        "createdAt": "2026-11-21T09:30:00Z", "updatedAt": "2026-11-21T09:30:00Z",
    })
}

/// The order after one more change of its status or its payment.
pub(super) fn changed(order: &Value, status: &str, payment: Option<&str>) -> Value {
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

/// The start of the journal.
pub(super) const STARTED: OffsetDateTime = datetime!(2026-11-21 09:30 UTC);

/// A row of user `u-1` with a total of 2500 cents, placed 21 ms after the start of the journal.
pub(super) fn order_row(id: &str, status: &str) -> Order {
    let is_placed = !matches!(status, "placing" | "rejected");
    Order {
        id: id.to_owned(),
        user_id: "u-1".to_owned(),
        cart_version: 1,
        status: status.to_owned(),
        total_minor: is_placed.then_some(2500),
        currency: is_placed.then(|| "USD".to_owned()),
        placed_at: is_placed.then_some(STARTED + Duration::from_millis(21)),
    }
}

/// A line of product 7.
pub(super) fn line_row(order_id: &str, quantity: i32) -> Line {
    Line { order_id: order_id.to_owned(), product_id: 7, quantity, returned_quantity: 0, shipped_quantity: 0 }
}

/// Product 7.
pub(super) fn product_row(stock: i32) -> Product {
    Product { id: 7, stock, archived: false }
}

/// A stock movement of product 7.
pub(super) fn movement(id: i64, delta: i32, reason: &str, order_id: Option<&str>) -> Movement {
    Movement { id, product_id: 7, delta, reason: reason.to_owned(), order_id: order_id.map(str::to_owned) }
}

/// A payment by card with intent `pi_<order>`.
pub(super) fn payment_row(order_id: &str, status: &str) -> Payment {
    Payment {
        order_id: order_id.to_owned(),
        provider: "stripe".to_owned(),
        status: status.to_owned(),
        intent_id: Some(format!("pi_{order_id}")),
    }
}

/// A charge of 2500 cents with intent `pi_<order>`.
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
