//! I1: Every unit added is in stock or in a live order, and stock was never negative.
//!
//! The stock movements are replayed from the beginning. The result is compared with the stock, with the lines of the
//! orders, and with REST.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::snapshot::{Movement, Order, Snapshot};

pub(super) fn find_violations(snapshot: &Snapshot, rest: &HashMap<i64, Value>) -> Vec<String> {
    let (mut replayed, mut violations) = replay(&snapshot.movements);
    let ordered = ordered_units(snapshot);
    for product in &snapshot.products {
        let id = product.id;
        let Totals { added, remaining } = replayed.totals.remove(&id).unwrap_or_default();
        let stock = i64::from(product.stock);
        if remaining != stock {
            violations.push(format!("product {id}: stock is {stock}, its movements add up to {remaining}"));
        }
        let in_orders: i64 =
            ordered.iter().filter(|((_, product), _)| *product == id).map(|(_, quantity)| quantity).sum();
        if added != stock + in_orders {
            violations
                .push(format!("product {id}: {added} added, {stock} in stock, {in_orders} in live orders"));
        }
        match rest.get(&i64::from(id)).map(|product| &product["stock"]) {
            Some(shown) if shown.as_i64() != Some(stock) => {
                violations.push(format!("product {id}: stock is {stock}, REST shows {shown}"));
            }
            None if !product.archived => violations.push(format!("product {id}: REST does not show it")),
            Some(_) | None => {}
        }
    }
    for id in replayed.totals.keys() {
        violations.push(format!("product {id}: has movements but does not exist"));
    }
    violations.extend(compare(&replayed.held, &ordered, &snapshot.orders));
    violations
}

/// Units by order and product.
type Units<'a> = BTreeMap<(&'a str, i32), i64>;

#[derive(Debug, Default)]
struct Replayed<'a> {
    /// By product.
    totals: BTreeMap<i32, Totals>,
    /// The units that were reserved and not released.
    held: Units<'a>,
}

#[derive(Debug, Default)]
struct Totals {
    /// Units of movements without an order.
    added: i64,
    remaining: i64,
}

/// Applies the movements in order. Returns the result and the movements that were impossible.
fn replay(movements: &[Movement]) -> (Replayed<'_>, Vec<String>) {
    let (mut replayed, mut violations) = (Replayed::default(), Vec::new());
    for Movement { id, product_id, delta, reason, order_id } in movements {
        let delta = i64::from(*delta);
        let totals = replayed.totals.entry(*product_id).or_default();
        totals.remaining += delta;
        if totals.remaining < 0 {
            let stock = totals.remaining;
            violations
                .push(format!("product {product_id}: stock was {stock} after movement {id} ({reason})"));
        }
        let Some(order_id) = order_id else {
            totals.added += delta;
            continue;
        };
        let held = replayed.held.entry((order_id, *product_id)).or_default();
        *held -= delta;
        if *held < 0 {
            violations.push(format!(
                "product {product_id}: order {order_id} released {} more than it reserved, at movement {id}",
                -*held
            ));
        }
    }
    (replayed, violations)
}

/// Returns the units in the lines of live orders, and those that refunds had returned before their order was cancelled: their
/// movements, if any, name no order.
fn ordered_units(snapshot: &Snapshot) -> Units<'_> {
    let is_live: HashMap<_, _> =
        snapshot.orders.iter().map(|order| (order.id.as_str(), order.is_live())).collect();
    let mut units = Units::new();
    for line in &snapshot.lines {
        let kept = match is_live.get(line.order_id.as_str()) {
            Some(true) => line.quantity,
            _ => line.returned_quantity,
        };
        if kept > 0 {
            *units.entry((&line.order_id, line.product_id)).or_default() += i64::from(kept);
        }
    }
    units
}

/// Finds orders whose reserved quantities differ from their lines.
fn compare(held: &Units<'_>, ordered: &Units<'_>, orders: &[Order]) -> Vec<String> {
    let statuses: HashMap<_, _> =
        orders.iter().map(|order| (order.id.as_str(), order.status.as_str())).collect();
    let mut keys: Vec<_> = held.keys().chain(ordered.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let describe = |key: &&(&str, i32)| {
        let quantity = |units: &Units<'_>| units.get(*key).copied().unwrap_or_default();
        let (held, ordered) = (quantity(held), quantity(ordered));
        let (order, product) = key;
        let status = statuses.get(order).copied().unwrap_or("missing");
        (held != ordered)
            .then(|| format!("product {product}: order {order} ({status}) holds {held} instead of {ordered}"))
    };
    keys.iter().filter_map(describe).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invariants::fixtures::{line_row, movement, order_row, product_row};

    /// 10 added and 2 more. Order a has reserved 3 of them, order b has released its 4.
    fn snapshot() -> Snapshot {
        Snapshot {
            products: vec![product_row(9)],
            movements: vec![
                movement(1, 10, "initial", None),
                movement(2, -4, "reserved", Some("b")),
                movement(3, -3, "reserved", Some("a")),
                movement(4, 2, "adjusted", None),
                movement(5, 4, "released", Some("b")),
            ],
            orders: vec![order_row("a", "paid"), order_row("b", "cancelled")],
            lines: vec![line_row("a", 3), line_row("b", 4)],
            ..Snapshot::default()
        }
    }

    /// Returns the violations if REST shows the stock of the database.
    fn violations(snapshot: &Snapshot) -> Vec<String> {
        let stock = snapshot.products[0].stock;
        find_violations(snapshot, &HashMap::from([(7, json!({"id": 7, "stock": stock}))]))
    }

    #[test]
    fn accepts_units_in_stock_and_in_live_orders() {
        assert_eq!(violations(&snapshot()), Vec::<String>::new());
    }

    #[test]
    fn finds_stock_that_differs_from_its_movements() {
        let mut snapshot = snapshot();
        snapshot.products[0].stock = 8;
        assert_eq!(
            violations(&snapshot),
            [
                "product 7: stock is 8, its movements add up to 9",
                "product 7: 12 added, 8 in stock, 3 in live orders"
            ]
        );
    }

    #[test]
    fn finds_stock_that_was_negative_for_a_while() {
        let mut snapshot = snapshot();
        snapshot.movements[3].delta = 0;
        snapshot.movements[2].delta = -9;
        snapshot.movements.push(movement(6, 8, "adjusted", None));
        let violations = violations(&snapshot);
        let negative = "product 7: stock was -3 after movement 3 (reserved)";
        assert!(violations.contains(&negative.to_owned()), "{violations:?}");
    }

    #[test]
    fn finds_units_that_are_neither_in_stock_nor_in_a_live_order() {
        let mut snapshot = snapshot();
        snapshot.orders[0].status = "cancelled".to_owned();
        assert_eq!(
            violations(&snapshot),
            [
                "product 7: 12 added, 9 in stock, 0 in live orders",
                "product 7: order a (cancelled) holds 3 instead of 0"
            ]
        );
    }

    #[test]
    fn finds_units_of_a_live_order_that_were_released() {
        let mut snapshot = snapshot();
        snapshot.orders[1].status = "pending".to_owned();
        assert_eq!(
            violations(&snapshot),
            [
                "product 7: 12 added, 9 in stock, 7 in live orders",
                "product 7: order b (pending) holds 0 instead of 4"
            ]
        );
    }

    #[test]
    fn finds_units_that_were_released_twice() {
        let mut snapshot = snapshot();
        snapshot.movements.push(movement(6, 4, "released", Some("b")));
        snapshot.products[0].stock = 13;
        let violations = violations(&snapshot);
        let twice = "product 7: order b released 4 more than it reserved, at movement 6";
        assert!(violations.contains(&twice.to_owned()), "{violations:?}");
    }

    #[test]
    fn finds_units_of_a_rejected_or_missing_order() {
        let mut snapshot = snapshot();
        snapshot.orders[0].status = "rejected".to_owned();
        let rejected = "product 7: order a (rejected) holds 3 instead of 0";
        assert!(violations(&snapshot).contains(&rejected.to_owned()));
        snapshot.orders.remove(0);
        let missing = "product 7: order a (missing) holds 3 instead of 0";
        assert!(violations(&snapshot).contains(&missing.to_owned()));
    }

    #[test]
    fn finds_another_stock_in_rest() {
        let snapshot = snapshot();
        let rest = |stock: i64| HashMap::from([(7, json!({"id": 7, "stock": stock}))]);
        assert_eq!(find_violations(&snapshot, &rest(10)), ["product 7: stock is 9, REST shows 10"]);
        assert_eq!(find_violations(&snapshot, &HashMap::new()), ["product 7: REST does not show it"]);
    }

    #[test]
    fn accepts_that_rest_does_not_list_an_archived_product() {
        let mut snapshot = snapshot();
        snapshot.products[0].archived = true;
        assert_eq!(find_violations(&snapshot, &HashMap::new()), Vec::<String>::new());
    }

    #[test]
    fn finds_movements_of_a_missing_product() {
        let snapshot = Snapshot { movements: vec![movement(1, 1, "initial", None)], ..Snapshot::default() };
        let missing = ["product 7: has movements but does not exist"];
        assert_eq!(find_violations(&snapshot, &HashMap::new()), missing);
    }

    /// Order a has returned a unit that was added back, order b one that was not, before it was cancelled.
    #[test]
    fn accepts_units_of_refunds() {
        let mut snapshot = snapshot();
        snapshot.movements.push(movement(6, 1, "returned", None));
        snapshot.movements[4].delta = 3;
        snapshot.lines[0].returned_quantity = 1;
        snapshot.lines[1].returned_quantity = 1;
        assert_eq!(violations(&snapshot), Vec::<String>::new());
        snapshot.lines[1].returned_quantity = 0;
        assert!(!violations(&snapshot).is_empty());
    }
}
