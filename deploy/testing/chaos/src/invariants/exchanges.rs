//! The meaning of an exchange: what it changes in a cart, and which orders and carts it shows.

use std::{fmt, time::Duration};

use reqwest::Method;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::journal::Exchange;

/// A change of the user's cart. Clients sign in first, so no cart belongs to a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CartChange {
    /// The variant, where the product has several; `None` for all products.
    pub(super) product: Option<i64>,
    pub(super) change: QuantityChange,
}

/// A change of the quantity of a product in a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum QuantityChange {
    Add(i64),
    /// Sets the quantity of an existing line; 0 removes it.
    Set(i64),
    /// Removed by an order; the quantity does not become negative.
    Order(i64),
}

impl QuantityChange {
    pub(super) fn apply(self, quantity: i64) -> i64 {
        match self {
            Self::Add(more) => quantity.saturating_add(more),
            Self::Set(_) if quantity == 0 => 0,
            Self::Set(quantity) => quantity,
            Self::Order(fewer) => quantity.saturating_sub(fewer).max(0),
        }
    }
}

/// Returns what an exchange has changed, or may have changed, in the cart; `None` if it was rejected.
pub(super) fn cart_change(exchange: &Exchange) -> Option<CartChange> {
    if !exchange.is_success() && !exchange.has_unknown_outcome() {
        return None;
    }
    let request = &exchange.request;
    let fields = ["variantId", "productId", "product_id"];
    let product_of_body = || fields.iter().find_map(|field| request[*field].as_i64());
    let quantity = request["quantity"].as_i64();
    let path = path(exchange);
    let item = path.strip_prefix("/api/cart/items/").and_then(|id| id.parse().ok());
    let (product, change) = match (exchange.method.clone(), path) {
        (Method::POST, "/api/cart/add") => {
            (Some(product_of_body()?), QuantityChange::Add(quantity.unwrap_or(1)))
        }
        (Method::POST, "/api/cart/remove") => (Some(product_of_body()?), QuantityChange::Set(0)),
        (Method::PUT | Method::PATCH, _) => (Some(item?), QuantityChange::Set(quantity?)),
        (Method::DELETE, "/api/cart") => (None, QuantityChange::Set(0)),
        (Method::DELETE, _) => (Some(item?), QuantityChange::Set(0)),
        _ => return None,
    };
    Some(CartChange { product, change })
}

/// Returns the products and quantities of a cart in a response.
pub(super) fn returned_cart(exchange: &Exchange) -> Option<Vec<(i64, i64)>> {
    let is_cart = path(exchange) == "/api/cart" || path(exchange).starts_with("/api/cart/");
    let lines = exchange.response["products"].as_array().filter(|_| exchange.is_success() && is_cart)?;
    let id = |line: &Value| line["variantId"].as_i64().or_else(|| line["productId"].as_i64());
    let line = |line: &Value| Some((id(line)?, line["quantity"].as_i64()?));
    Some(lines.iter().filter_map(line).collect())
}

/// Returns the orders in a response.
pub(super) fn returned_orders(exchange: &Exchange) -> Vec<&Value> {
    let concerns_orders = path(exchange) == "/api/orders" || requested_order(exchange).is_some();
    if !exchange.is_success() || !concerns_orders {
        return Vec::new();
    }
    let is_order = |value: &&Value| value["id"].is_string() && value["products"].is_array();
    match exchange.response["items"].as_array() {
        Some(items) => items.iter().filter(is_order).collect(),
        None => Some(&exchange.response).into_iter().filter(is_order).collect(),
    }
}

/// Returns the order id in a path and what follows it: `""`, `"/cancel"`, `"/payment"`.
pub(super) fn requested_order(exchange: &Exchange) -> Option<(&str, &str)> {
    let rest = path(exchange).strip_prefix("/api/orders/")?;
    Some(rest.split_at(rest.find('/').unwrap_or(rest.len())))
}

pub(super) fn is_checkout(exchange: &Exchange) -> bool {
    exchange.method == Method::POST && path(exchange) == "/api/orders"
}

/// Returns the path without the query.
pub(super) fn path(exchange: &Exchange) -> &str {
    exchange.path.split('?').next().unwrap_or_default()
}

pub(super) fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap_or_default()
}

/// Parses a timestamp of the database's clock.
pub(super) fn timestamp(object: &Value, field: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(object[field].as_str()?, &Rfc3339).ok()
}

/// Formats a time since the start of the journal: `12.345 s`.
pub(super) fn format_time(time: Duration) -> impl fmt::Display {
    format!("{:.3} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{QuantityChange::*, *};
    use crate::invariants::fixtures::{order, request};

    fn change(exchange: &Exchange) -> Option<(Option<i64>, QuantityChange)> {
        cart_change(exchange).map(|change| (change.product, change.change))
    }

    #[test]
    fn reads_every_request_that_changes_a_cart() {
        let add = request("POST", "/api/cart/add").with_body(json!({"productId": 7, "quantity": 2}));
        assert_eq!(change(&add.clone().with_response(200, json!({}))), Some((Some(7), Add(2))));
        let one = request("POST", "/api/cart/add").with_body(json!({"product_id": 7}));
        assert_eq!(change(&one.with_response(200, json!({}))), Some((Some(7), Add(1))));
        let remove = request("POST", "/api/cart/remove").with_body(json!({"productId": 7}));
        assert_eq!(change(&remove.with_response(200, json!({}))), Some((Some(7), Set(0))));
        let set = request("PUT", "/api/cart/items/7").with_body(json!({"quantity": 3}));
        assert_eq!(change(&set.with_response(200, json!({}))), Some((Some(7), Set(3))));
        let delete = request("DELETE", "/api/cart/items/7").with_response(200, json!({}));
        assert_eq!(change(&delete), Some((Some(7), Set(0))));
        let clear = request("DELETE", "/api/cart").with_response(200, json!({}));
        assert_eq!(change(&clear), Some((None, Set(0))));

        assert_eq!(change(&request("GET", "/api/cart").with_response(200, json!({}))), None);
        assert_eq!(change(&add.clone().with_response(409, json!({}))), None, "a rejection changes nothing");
        assert_eq!(change(&add.clone().with_response(503, json!({}))), Some((Some(7), Add(2))));
        assert_eq!(change(&add.without_response()), Some((Some(7), Add(2))));
    }

    #[test]
    fn applies_changes_as_the_cart_does() {
        assert_eq!(Add(2).apply(3), 5);
        assert_eq!(Set(2).apply(3), 2);
        assert_eq!(Set(2).apply(0), 0, "there is no line");
        assert_eq!(Order(2).apply(3), 1);
        assert_eq!(Order(3).apply(2), 0);
    }

    #[test]
    fn reads_the_cart_of_every_cart_response() {
        let cart = json!({"products": [{"productId": 7, "quantity": 2}]});
        let returned = |method, path| returned_cart(&request(method, path).with_response(200, cart.clone()));
        assert_eq!(returned("GET", "/api/cart"), Some(vec![(7, 2)]));
        assert_eq!(returned("POST", "/api/cart/add"), Some(vec![(7, 2)]));
        assert_eq!(returned("GET", "/api/orders/o-1"), None);
        assert_eq!(returned_cart(&request("GET", "/api/cart").with_response(503, json!({}))), None);
    }

    #[test]
    fn reads_single_orders_and_lists() {
        let returned = |path, body| {
            let exchange = request("GET", path).with_response(200, body);
            returned_orders(&exchange).into_iter().map(|order| id(order).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(returned("/api/orders/o-1", order("o-1")), ["o-1"]);
        let list = json!({"items": [order("o-1"), order("o-2")]});
        assert_eq!(returned("/api/orders?limit=2", list), ["o-1", "o-2"]);
        let payment = json!({"paymentIntentId": "pi_1"});
        assert_eq!(returned("/api/orders/o-1/payment", payment), Vec::<String>::new());
        assert_eq!(returned("/api/cart", order("o-1")), Vec::<String>::new());
    }

    #[test]
    fn reads_the_order_of_a_path() {
        let exchange = request("POST", "/api/orders/o-1/cancel").without_response();
        assert_eq!(requested_order(&exchange), Some(("o-1", "/cancel")));
        let exchange = request("GET", "/api/orders/o-1?x=1").without_response();
        assert_eq!(requested_order(&exchange), Some(("o-1", "")));
        let exchange = request("GET", "/api/orders?limit=1").without_response();
        assert_eq!(requested_order(&exchange), None);
    }
}
