//! I7: Orders of guests exist as they were returned, cost what the guest expected, and each key has given one order.

use std::collections::{BTreeMap, HashMap};

use super::{
    acknowledged::unexpected_statuses,
    exchanges::{format_time, id, is_checkout, returned_orders},
    snapshot::Snapshot,
};
use crate::journal::Exchange;

pub(super) fn find_violations(snapshot: &Snapshot, exchanges: &[Exchange]) -> Vec<String> {
    let orders: HashMap<_, _> =
        snapshot.orders.iter().map(|order| (order.id.as_str(), order.total_minor)).collect();
    let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
    let placed = exchanges.iter().filter(|exchange| is_checkout(exchange) && exchange.is_success());
    let describe = |exchange: &Exchange| {
        let order = *returned_orders(exchange).first()?;
        let (order_id, at) = (id(order), format_time(exchange.ended));
        let Some(total) = orders.get(order_id) else {
            return Some(format!("order {order_id} of a guest, known since {at}, does not exist"));
        };
        let minor = (order["totalAmount"].as_f64().unwrap_or_default() * 100.0).round();
        if total.map(|total| total as f64) != Some(minor) {
            return Some(format!(
                "order {order_id} of a guest cost {} at {at}, stored is {total:?}",
                order["totalAmount"]
            ));
        }
        let expected = &exchange.request["expectedTotal"];
        (!expected.is_null() && expected.as_f64() != order["totalAmount"].as_f64()).then(|| {
            format!("order {order_id} of a guest costs {}, expected {expected}", order["totalAmount"])
        })
    };
    let mut violations: Vec<_> = placed.clone().filter_map(describe).collect();
    for exchange in placed {
        let (Some(key), Some(order)) =
            (&exchange.idempotency_key, returned_orders(exchange).first().copied())
        else {
            continue;
        };
        let first = *keys.entry(key).or_insert(id(order));
        if first != id(order) {
            violations.push(format!("key {key} of a guest: orders {first} and {}", id(order)));
        }
    }
    violations.extend(unexpected_statuses(exchanges));
    violations.into_iter().map(|violation| format!("I7 guests: {violation}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invariants::fixtures::{order, order_row, request};

    fn placed(id: &str) -> Exchange {
        let placed = request("POST", "/api/orders").by("").with_key("key");
        placed.with_body(json!({"expectedTotal": 25.0})).with_response(201, order(id))
    }

    #[test]
    fn finds_lost_and_repeated_orders_and_wrong_totals() {
        let mut snapshot = Snapshot { orders: vec![order_row("a", "paid")], ..Snapshot::default() };
        assert_eq!(find_violations(&snapshot, &[placed("a"), placed("a")]), Vec::<String>::new());
        let violations = find_violations(&snapshot, &[placed("a"), placed("b")]);
        assert!(violations[0].ends_with("does not exist") && violations[1].contains("orders a and b"));
        let expected = placed("a").with_body(json!({"expectedTotal": 24.0}));
        assert!(find_violations(&snapshot, &[expected])[0].ends_with("expected 24.0"));
        snapshot.orders[0].total_minor = Some(2400);
        assert!(find_violations(&snapshot, &[placed("a")])[0].ends_with("stored is Some(2400)"));
    }
}
