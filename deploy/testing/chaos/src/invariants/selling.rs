//! I6: Totals are those of the lines, the code, shipping and the tax. Codes are used by orders as often as they have counted, and at
//! most as often as their limits allow. Refunds do not exceed what was paid, and each key has given one.
//!
//! The prices are computed here once more, with the one tax, method and discount of `client/rules.rs`.

use std::collections::{BTreeMap, HashMap};

use reqwest::Method;

use super::{
    exchanges::{format_time, is_checkout, requested_order, returned_orders},
    snapshot::{Snapshot, Total},
};
use crate::journal::Exchange;

const SHIPPING_MINOR: i64 = 490;
const DISCOUNT_PERCENT: i64 = 10;
/// In parts per million.
const TAX_RATE: i64 = 88_750;

pub(super) fn find_violations(snapshot: &Snapshot, exchanges: &[Exchange]) -> Vec<String> {
    [
        wrong_totals(snapshot),
        wrong_uses(snapshot),
        wrong_refunds(snapshot),
        wrong_quantities(snapshot),
        lost_refunds(snapshot, exchanges),
        unexpected_prices(exchanges),
    ]
    .concat()
}

/// Returns a rate of an amount, rounded half up.
fn rate(amount: i64, numerator: i64, denominator: i64) -> i64 {
    (2 * amount * numerator + denominator) / (2 * denominator)
}

fn wrong_totals(snapshot: &Snapshot) -> Vec<String> {
    // A store without rules has no tax.
    let has_rules = !snapshot.discounts.is_empty();
    let discounted: Vec<_> = snapshot.discount_uses.iter().map(|it| it.order_id.as_str()).collect();
    let describe = |total: &Total| {
        let Total { order_id, lines_minor, .. } = total;
        let discount = match discounted.contains(&order_id.as_str()) {
            true => rate(*lines_minor, DISCOUNT_PERCENT, 100),
            false => 0,
        };
        let shipping = if total.is_shipped { SHIPPING_MINOR } else { 0 };
        let net = lines_minor - discount + shipping;
        let tax = if has_rules { rate(net, TAX_RATE, 1_000_000) } else { 0 };
        let expected = [*lines_minor, discount, shipping, tax, net + tax];
        let stored = [
            total.subtotal_minor,
            total.discount_minor,
            total.shipping_minor,
            total.tax_minor,
            total.total_minor,
        ];
        if stored != expected {
            return Some(format!(
                "order {order_id}: subtotal, discount, shipping, tax and total are {stored:?} instead of {expected:?}"
            ));
        }
        (total.is_shipped && !total.has_address)
            .then(|| format!("order {order_id}: is shipped without an address"))
    };
    snapshot.totals.iter().filter_map(describe).collect()
}

fn wrong_uses(snapshot: &Snapshot) -> Vec<String> {
    let live: HashMap<_, _> =
        snapshot.orders.iter().map(|order| (order.id.as_str(), order.is_live())).collect();
    let mut violations = Vec::new();
    let mut uses: BTreeMap<i64, i64> = BTreeMap::new();
    for it in &snapshot.discount_uses {
        let is_live = live.get(it.order_id.as_str()).copied().unwrap_or_default();
        *uses.entry(it.discount_id).or_default() += i64::from(is_live);
        if is_live == it.is_released {
            let released = if it.is_released { "has returned" } else { "keeps" };
            violations
                .push(format!("order {} {released} its use of discount {}", it.order_id, it.discount_id));
        }
    }
    for discount in &snapshot.discounts {
        let used = uses.get(&discount.id).copied().unwrap_or_default();
        if used != discount.used || used > discount.usage_limit {
            violations.push(format!(
                "code {}: {used} live orders use it, {} are counted, the limit is {}",
                discount.code, discount.used, discount.usage_limit
            ));
        }
    }
    violations
}

fn wrong_refunds(snapshot: &Snapshot) -> Vec<String> {
    let mut refunded: BTreeMap<&str, i64> = BTreeMap::new();
    for refund in snapshot.refunds.iter().filter(|refund| refund.status != "failed") {
        *refunded.entry(&refund.order_id).or_default() += refund.amount_minor;
    }
    let totals: HashMap<_, _> =
        snapshot.orders.iter().map(|order| (order.id.as_str(), order.total_minor)).collect();
    let exceeds = |(order, refunded): (&str, i64)| {
        let paid = totals.get(order).copied().flatten().unwrap_or_default();
        (refunded > paid).then(|| format!("order {order}: {refunded} of {paid} refunded"))
    };
    let pending = snapshot.refunds.iter().filter(|it| it.is_scheduled || it.status == "pending");
    let pending = pending.map(|it| format!("refund {} of order {} is {}", it.id, it.order_id, it.status));
    refunded.into_iter().filter_map(exceeds).chain(pending).collect()
}

fn wrong_quantities(snapshot: &Snapshot) -> Vec<String> {
    let wrong = snapshot
        .lines
        .iter()
        .filter(|line| line.returned_quantity > line.quantity || line.shipped_quantity > line.quantity);
    let describe = |line: &super::snapshot::Line| {
        let super::snapshot::Line { order_id, product_id, quantity, returned_quantity, shipped_quantity } =
            line;
        format!(
            "order {order_id}, product {product_id}: {shipped_quantity} shipped and {returned_quantity} returned of {quantity}"
        )
    };
    wrong.map(describe).collect()
}

/// Finds acknowledged refunds that are not stored with their key, and keys with several refunds.
fn lost_refunds(snapshot: &Snapshot, exchanges: &[Exchange]) -> Vec<String> {
    let stored: HashMap<_, _> = snapshot
        .refunds
        .iter()
        .map(|refund| (refund.id.as_str(), refund.idempotency_key.as_deref()))
        .collect();
    let is_refund = |exchange: &&Exchange| {
        exchange.method == Method::POST
            && exchange.is_success()
            && requested_order(exchange).is_some_and(|(_, what)| what == "/refunds")
    };
    let describe = |exchange: &Exchange| {
        let (id, key) = (exchange.response["id"].as_str()?, exchange.idempotency_key.as_deref());
        let at = format_time(exchange.ended);
        match stored.get(id) {
            None => Some(format!("refund {id}, acknowledged at {at}, does not exist")),
            Some(stored) if *stored != key => {
                Some(format!("refund {id}, acknowledged for key {key:?} at {at}, has key {stored:?}"))
            }
            Some(_) => None,
        }
    };
    exchanges.iter().filter(is_refund).filter_map(describe).collect()
}

/// Finds orders that cost something else than the client expected, or have not the discount of its code.
fn unexpected_prices(exchanges: &[Exchange]) -> Vec<String> {
    let placed = exchanges.iter().filter(|exchange| is_checkout(exchange) && exchange.is_success());
    let describe = |exchange: &Exchange| {
        let order = *returned_orders(exchange).first()?;
        // Without a key, the response may be an order of another request for the same cart.
        exchange.idempotency_key.as_ref()?;
        let (expected, total) = (&exchange.request["expectedTotal"], &order["totalAmount"]);
        let at = format_time(exchange.ended);
        if !expected.is_null() && expected.as_f64() != total.as_f64() {
            return Some(format!("order {} at {at} costs {total}, expected {expected}", order["id"]));
        }
        let code = &exchange.request["discountCodes"][0];
        let has_code = order["discounts"][0]["code"] == *code;
        (!code.is_null() && !has_code)
            .then(|| format!("order {} at {at} has no discount {code}", order["id"]))
    };
    placed.filter_map(describe).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invariants::{
        fixtures::{line_row, order, order_row, request},
        snapshot::{Discount, DiscountUse, Refund},
    };

    /// An order of 25.00 with 10 % off, shipping and tax, of which 10.00 are refunded.
    fn snapshot() -> Snapshot {
        let total = Total {
            order_id: "a".to_owned(),
            lines_minor: 2500,
            subtotal_minor: 2500,
            discount_minor: 250,
            shipping_minor: 490,
            tax_minor: 243,
            total_minor: 2983,
            is_shipped: true,
            has_address: true,
        };
        let discount = Discount { id: 1, code: "LIMIT-1".to_owned(), used: 1, usage_limit: 1 };
        let discount_use = DiscountUse { order_id: "a".to_owned(), discount_id: 1, is_released: false };
        let refund = Refund {
            id: "r".to_owned(),
            order_id: "a".to_owned(),
            intent_id: None,
            status: "succeeded".to_owned(),
            amount_minor: 1000,
            idempotency_key: Some("key".to_owned()),
            is_scheduled: false,
        };
        Snapshot {
            orders: vec![order_row("a", "paid")],
            lines: vec![line_row("a", 2)],
            totals: vec![total],
            discounts: vec![discount],
            discount_uses: vec![discount_use],
            refunds: vec![refund],
            ..Snapshot::default()
        }
    }

    fn refunded() -> Exchange {
        request("POST", "/api/orders/a/refunds").with_key("key").with_response(201, json!({"id": "r"}))
    }

    #[test]
    fn accepts_what_adds_up() {
        assert_eq!(find_violations(&snapshot(), &[refunded()]), Vec::<String>::new());
    }

    #[test]
    fn finds_each_violation() {
        type Change = fn(&mut Snapshot);
        let changes: [(&str, Change); 9] = [
            ("subtotal, discount", |it| it.totals[0].tax_minor = 244),
            ("subtotal, discount", |it| it.totals[0].lines_minor = 2400),
            ("is shipped without", |it| it.totals[0].has_address = false),
            ("1 live orders use it, 2", |it| it.discounts[0].used = 2),
            ("the limit is 0", |it| it.discounts[0].usage_limit = 0),
            ("has returned its use", |it| it.discount_uses[0].is_released = true),
            ("keeps its use", |it| it.orders[0].status = "cancelled".to_owned()),
            ("2501 of 2500 refunded", |it| it.refunds[0].amount_minor = 2501),
            ("3 returned of 2", |it| it.lines[0].returned_quantity = 3),
        ];
        for (expected, change) in changes {
            let mut snapshot = snapshot();
            change(&mut snapshot);
            let violations = find_violations(&snapshot, &[]);
            assert!(
                violations.iter().any(|violation| violation.contains(expected)),
                "{expected}: {violations:?}"
            );
        }
    }

    #[test]
    fn finds_refunds_that_are_lost_or_repeated() {
        let mut other = snapshot();
        other.refunds[0].id = "s".to_owned();
        assert!(find_violations(&other, &[refunded()])[0].ends_with("does not exist"));
        let repeated = refunded().with_key("another");
        assert!(find_violations(&snapshot(), &[repeated])[0].contains("has key"));
    }

    #[test]
    fn finds_prices_that_the_client_did_not_expect() {
        let placed = |body| {
            let response = order("a");
            let placed = request("POST", "/api/orders").with_key("key").with_body(body);
            unexpected_prices(&[placed.with_response(201, response)])
        };
        assert_eq!(placed(json!({"expectedTotal": 25.0})), Vec::<String>::new());
        assert!(placed(json!({"expectedTotal": 24.0}))[0].ends_with("costs 25.0, expected 24.0"));
        assert!(placed(json!({"discountCodes": ["A"]}))[0].ends_with("has no discount \"A\""));
    }
}
