//! What an exchange of the journal was about, in words of the shop.

use std::{fmt, time::Duration};

use reqwest::Method;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::journal::Exchange;

/// A change of a cart. Shoppers sign in before they shop, so a cart is its user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CartChange {
    /// Which product; `None` for all of them.
    pub(super) product: Option<i64>,
    /// What becomes of its quantity.
    pub(super) step: Step,
}

/// What becomes of the quantity of a product in a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// So many more.
    Add(i64),
    /// So many, where there are any; 0 removes.
    Set(i64),
    /// So many fewer, if there are: they were ordered.
    Order(i64),
}

impl Step {
    /// The quantity after it.
    pub(super) fn apply(self, quantity: i64) -> i64 {
        match self {
            Self::Add(more) => quantity.saturating_add(more),
            Self::Set(_) if quantity == 0 => 0,
            Self::Set(quantity) => quantity,
            Self::Order(fewer) => quantity.saturating_sub(fewer).max(0),
        }
    }
}

/// What an exchange changes in its user's cart, if it is carried out; `None` when it was refused, or is about something
/// else.
pub(super) fn cart_change(exchange: &Exchange) -> Option<CartChange> {
    if !exchange.is_success() && !exchange.is_open() {
        return None;
    }
    let sent = &exchange.sent;
    let product_sent = || sent["productId"].as_i64().or_else(|| sent["product_id"].as_i64());
    let quantity_sent = sent["quantity"].as_i64();
    let path = path(exchange);
    let item = path.strip_prefix("/api/cart/items/").and_then(|id| id.parse().ok());
    let (product, step) = match (exchange.method.clone(), path) {
        (Method::POST, "/api/cart/add") => (Some(product_sent()?), Step::Add(quantity_sent.unwrap_or(1))),
        (Method::POST, "/api/cart/remove") => (Some(product_sent()?), Step::Set(0)),
        (Method::PUT | Method::PATCH, _) => (Some(item?), Step::Set(quantity_sent?)),
        (Method::DELETE, "/api/cart") => (None, Step::Set(0)),
        (Method::DELETE, _) => (Some(item?), Step::Set(0)),
        _ => return None,
    };
    Some(CartChange { product, step })
}

/// The lines of the cart that an exchange has shown: products and quantities. `None` when it has shown none.
pub(super) fn cart_shown(exchange: &Exchange) -> Option<Vec<(i64, i64)>> {
    let is_about_a_cart = path(exchange) == "/api/cart" || path(exchange).starts_with("/api/cart/");
    let lines = exchange.told["products"].as_array().filter(|_| exchange.is_success() && is_about_a_cart)?;
    Some(
        lines
            .iter()
            .filter_map(|line| Some((line["productId"].as_i64()?, line["quantity"].as_i64()?)))
            .collect(),
    )
}

/// The orders that an exchange has told of.
pub(super) fn orders_told(exchange: &Exchange) -> Vec<&Value> {
    if !exchange.is_success() || !is_about_orders(exchange) {
        return Vec::new();
    }
    let is_order = |value: &&Value| value["id"].is_string() && value["products"].is_array();
    match exchange.told["items"].as_array() {
        Some(items) => items.iter().filter(is_order).collect(),
        None => Some(&exchange.told).into_iter().filter(is_order).collect(),
    }
}

/// The order that an exchange asked about by its id, with what follows the id: `""`, `"/cancel"`, `"/payment"`.
pub(super) fn order_asked(exchange: &Exchange) -> Option<(&str, &str)> {
    let rest = path(exchange).strip_prefix("/api/orders/")?;
    Some(rest.split_at(rest.find('/').unwrap_or(rest.len())))
}

/// Whether an exchange asked for an order to be placed.
pub(super) fn places_order(exchange: &Exchange) -> bool {
    exchange.method == Method::POST && path(exchange) == "/api/orders"
}

/// The path of an exchange, without the query.
pub(super) fn path(exchange: &Exchange) -> &str {
    exchange.path.split('?').next().unwrap_or_default()
}

/// An id in an object.
pub(super) fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap_or_default()
}

/// A time in an object, by the database's clock.
pub(super) fn time(object: &Value, field: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(object[field].as_str()?, &Rfc3339).ok()
}

/// A moment of a run: `12.345 s`.
pub(super) fn at(moment: Duration) -> impl fmt::Display {
    format!("{:.3} s", moment.as_secs_f64())
}

fn is_about_orders(exchange: &Exchange) -> bool {
    path(exchange) == "/api/orders" || order_asked(exchange).is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invariants::testing::{asked, order};

    fn change(exchange: &Exchange) -> Option<(Option<i64>, Step)> {
        cart_change(exchange).map(|change| (change.product, change.step))
    }

    #[test]
    fn every_way_to_change_a_cart_is_read() {
        let add = asked("POST", "/api/cart/add").sending(json!({"productId": 7, "quantity": 2}));
        assert_eq!(change(&add.clone().told(200, json!({}))), Some((Some(7), Step::Add(2))));
        let one = asked("POST", "/api/cart/add").sending(json!({"product_id": 7}));
        assert_eq!(change(&one.told(200, json!({}))), Some((Some(7), Step::Add(1))));
        let remove = asked("POST", "/api/cart/remove").sending(json!({"productId": 7}));
        assert_eq!(change(&remove.told(200, json!({}))), Some((Some(7), Step::Set(0))));
        let set = asked("PUT", "/api/cart/items/7").sending(json!({"quantity": 3}));
        assert_eq!(change(&set.told(200, json!({}))), Some((Some(7), Step::Set(3))));
        let delete = asked("DELETE", "/api/cart/items/7").told(200, json!({}));
        assert_eq!(change(&delete), Some((Some(7), Step::Set(0))));
        let clear = asked("DELETE", "/api/cart").told(200, json!({}));
        assert_eq!(change(&clear), Some((None, Step::Set(0))));

        assert_eq!(change(&asked("GET", "/api/cart").told(200, json!({}))), None);
        assert_eq!(change(&add.clone().told(409, json!({}))), None, "what was refused changes nothing");
        assert_eq!(change(&add.clone().told(503, json!({}))), Some((Some(7), Step::Add(2))));
        assert_eq!(change(&add.unanswered()), Some((Some(7), Step::Add(2))));
    }

    #[test]
    fn steps_come_to_what_the_cart_makes_of_them() {
        assert_eq!(Step::Add(2).apply(3), 5);
        assert_eq!(Step::Set(2).apply(3), 2);
        assert_eq!(Step::Set(2).apply(0), 0, "there is no such line to set");
        assert_eq!(Step::Order(2).apply(3), 1);
        assert_eq!(Step::Order(3).apply(2), 0);
    }

    #[test]
    fn a_cart_is_shown_by_whoever_answers_with_it() {
        let cart = json!({"products": [{"productId": 7, "quantity": 2}]});
        let shown = |method, path| cart_shown(&asked(method, path).told(200, cart.clone()));
        assert_eq!(shown("GET", "/api/cart"), Some(vec![(7, 2)]));
        assert_eq!(shown("POST", "/api/cart/add"), Some(vec![(7, 2)]));
        assert_eq!(shown("GET", "/api/orders/o-1"), None);
        assert_eq!(cart_shown(&asked("GET", "/api/cart").told(503, json!({}))), None);
    }

    #[test]
    fn orders_are_told_of_alone_and_in_lists() {
        let told = |path, body| {
            let exchange = asked("GET", path).told(200, body);
            orders_told(&exchange).into_iter().map(|order| id(order).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(told("/api/orders/o-1", order("o-1")), ["o-1"]);
        assert_eq!(
            told("/api/orders?limit=2", json!({"items": [order("o-1"), order("o-2")]})),
            ["o-1", "o-2"]
        );
        assert_eq!(told("/api/orders/o-1/payment", json!({"paymentIntentId": "pi_1"})), Vec::<String>::new());
        assert_eq!(told("/api/cart", order("o-1")), Vec::<String>::new());
    }

    #[test]
    fn an_order_that_is_asked_about_is_read_from_the_path() {
        let exchange = asked("POST", "/api/orders/o-1/cancel").unanswered();
        assert_eq!(order_asked(&exchange), Some(("o-1", "/cancel")));
        let exchange = asked("GET", "/api/orders/o-1?x=1").unanswered();
        assert_eq!(order_asked(&exchange), Some(("o-1", "")));
        let exchange = asked("GET", "/api/orders?limit=1").unanswered();
        assert_eq!(order_asked(&exchange), None);
    }
}
