//! I2: A successful charge belongs to one paid order of the same amount and currency. No order is charged twice, and no
//! charge is refunded twice: what is refunded of it are the refunds of parts, and the rest if its order was cancelled.
//!
//! Stripe's ledger is the reference. The store sells in US dollars, and both the store and Stripe count in cents.

use std::collections::{BTreeMap, HashMap, HashSet};

use bodega_stripe_double::Charge;

use super::{
    payment_ledger::{PaymentLedger, format_amount},
    snapshot::{self, Order, Payment, Snapshot},
};

pub(super) fn find_violations(snapshot: &Snapshot, ledger: &PaymentLedger) -> Vec<String> {
    let inconsistencies = ledger.inconsistencies.iter();
    let mut violations: Vec<_> =
        inconsistencies.map(|fault| format!("Stripe's ledger is inconsistent: {fault}")).collect();
    let orders: HashMap<_, _> = snapshot.orders.iter().map(|order| (order.id.as_str(), order)).collect();
    let mut orders_by_intent: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut payments_by_order: HashMap<&str, Vec<&Payment>> = HashMap::new();
    for payment in &snapshot.payments {
        payments_by_order.entry(&payment.order_id).or_default().push(payment);
        if let Some(intent) = &payment.intent_id {
            orders_by_intent.entry(intent).or_default().push(&payment.order_id);
        }
    }
    let mut charges_by_order: HashMap<&str, Vec<&Charge>> = HashMap::new();
    for charge in &ledger.charges {
        let stored = orders_by_intent.get(charge.payment_intent.as_str()).map_or(&[][..], Vec::as_slice);
        match order_of(charge, stored, &orders) {
            Ok(order) => charges_by_order.entry(&order.id).or_default().push(charge),
            Err(violation) => violations.push(violation),
        }
    }
    for order in &snapshot.orders {
        let charges = charges_by_order.remove(order.id.as_str()).unwrap_or_default();
        let payments = payments_by_order.remove(order.id.as_str()).unwrap_or_default();
        violations.extend(check_order(order, &charges, &payments, &snapshot.refunds, ledger));
    }
    violations.extend(compare_totals(snapshot, ledger));
    violations
}

/// Finds the order of a charge: the one in its metadata, which must be the only one `stored` with its intent.
fn order_of<'a>(
    charge: &Charge,
    stored: &[&str],
    orders: &HashMap<&str, &'a Order>,
) -> Result<&'a Order, String> {
    let named = charge.metadata.get("order_id").map_or("none", String::as_str);
    let about = format!("charge {} of {}", charge.id, format_amount(charge.amount, &charge.currency));
    if stored != [named] {
        return Err(format!("{about}: its metadata names order {named}, its intent belongs to {stored:?}"));
    }
    let order = *orders.get(named).ok_or_else(|| format!("{about}: order {named} does not exist"))?;
    let currency = order.currency.as_deref().unwrap_or("nothing");
    let is_same_amount =
        order.total_minor == Some(charge.amount) && currency.eq_ignore_ascii_case(&charge.currency);
    if !is_same_amount {
        let total = format_amount(order.total_minor.unwrap_or_default(), currency);
        return Err(format!("{about}: the total of order {named} ({}) is {total}", order.status));
    }
    Ok(order)
}

/// Compares the charges of an order with its status.
fn check_order(
    order: &Order,
    charges: &[&Charge],
    payments: &[&Payment],
    parts: &[snapshot::Refund],
    ledger: &PaymentLedger,
) -> Vec<String> {
    let Order { id, status, .. } = order;
    let mut violations = Vec::new();
    if charges.len() > 1 {
        let names = format_charges(charges);
        violations.push(format!("order {id} ({status}) was charged {} times: {names}", charges.len()));
    }
    let mut unrefunded = Vec::new();
    for charge in charges {
        let refunds: Vec<_> = ledger.refunds.iter().filter(|refund| refund.charge == charge.id).collect();
        let refunded: i64 = refunds.iter().map(|refund| refund.amount).sum();
        let is_part = |part: &&snapshot::Refund| {
            part.status != "failed" && part.intent_id.as_deref() == Some(charge.payment_intent.as_str())
        };
        let parts: Vec<_> = parts.iter().filter(is_part).map(|part| part.amount_minor).collect();
        let in_parts: i64 = parts.iter().sum();
        let is_returned = in_parts == charge.amount && status == "cancelled";
        if refunded == in_parts && refunds.len() == parts.len() && !is_returned {
            unrefunded.push(*charge);
        } else if refunded != charge.amount || refunds.len() > parts.len() + 1 {
            violations.push(format!(
                "order {id} ({status}): {} of charge {} returned in {} refunds",
                format_amount(refunded, &charge.currency),
                format_charges(&[charge]),
                refunds.len()
            ));
        }
    }
    // An admin may have recorded an offline payment.
    let is_completed = |provider: &str| {
        payments.iter().any(|payment| payment.status == "completed" && payment.provider == provider)
    };
    let expected = match status.as_str() {
        "paid" => usize::from(!is_completed("offline")),
        "shipped" | "completed" => usize::from(is_completed("stripe")),
        _ => 0,
    };
    if unrefunded.len() != expected {
        violations.push(format!(
            "order {id} ({status}) has {} charges without a refund instead of {expected}: {}",
            unrefunded.len(),
            format_charges(&unrefunded)
        ));
    }
    violations
}

fn format_charges(charges: &[&Charge]) -> String {
    let names = charges
        .iter()
        .map(|charge| format!("{} of {}", charge.id, format_amount(charge.amount, &charge.currency)));
    names.collect::<Vec<_>>().join(", ")
}

/// Compares all charges less all refunds with the totals of live orders that are paid by card.
fn compare_totals(snapshot: &Snapshot, ledger: &PaymentLedger) -> Vec<String> {
    let mut charged: BTreeMap<String, i64> = BTreeMap::new();
    for charge in &ledger.charges {
        *charged.entry(charge.currency.to_ascii_uppercase()).or_default() += charge.amount;
    }
    for refund in &ledger.refunds {
        *charged.entry(refund.currency.to_ascii_uppercase()).or_default() -= refund.amount;
    }
    let is_completed_by_card =
        |payment: &&Payment| payment.provider == "stripe" && payment.status == "completed";
    let completed = snapshot.payments.iter().filter(is_completed_by_card);
    let paid_by_card: HashSet<_> = completed.map(|payment| payment.order_id.as_str()).collect();
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    let is_paid_by_card = |order: &&Order| order.is_live() && paid_by_card.contains(order.id.as_str());
    for order in snapshot.orders.iter().filter(is_paid_by_card) {
        let currency = order.currency.clone().unwrap_or_default();
        let parts = snapshot.refunds.iter();
        let parts = parts.filter(|part| part.order_id == order.id && part.status != "failed");
        let in_parts: i64 = parts.map(|part| part.amount_minor).sum();
        *expected.entry(currency).or_default() += order.total_minor.unwrap_or_default() - in_parts;
    }
    let mut currencies: Vec<_> = charged.keys().chain(expected.keys()).collect();
    currencies.sort_unstable();
    currencies.dedup();
    let describe = |currency: &String| {
        let charged = charged.get(currency).copied().unwrap_or_default();
        let expected = expected.get(currency).copied().unwrap_or_default();
        (charged != expected).then(|| {
            let (charged, expected) = (format_amount(charged, currency), format_amount(expected, currency));
            format!("charges less refunds are {charged}, orders that are paid by card {expected}")
        })
    };
    currencies.into_iter().filter_map(describe).collect()
}

#[cfg(test)]
mod tests;
