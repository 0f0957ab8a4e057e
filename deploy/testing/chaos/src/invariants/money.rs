//! I2: one successful charge for one paid order, of the same amount; nothing is charged twice, nothing goes back twice.
//!
//! Stripe's ledger is the measure. The store sells in US dollars, which both count in cents.

use std::collections::{BTreeMap, HashMap};

use bodega_stripe_double::Charge;

use super::{
    store::{Books, Order, Payment},
    till::{Till, money},
};

/// What is wrong with the money.
pub(super) fn judge(books: &Books, till: &Till) -> Vec<String> {
    let faults = till.faults.iter().map(|fault| format!("Stripe's own ledger does not add up: {fault}"));
    let mut wrong: Vec<_> = faults.collect();
    let orders: HashMap<_, _> = books.orders.iter().map(|order| (order.id.as_str(), order)).collect();
    let mut orders_by_intent: HashMap<&str, Vec<&str>> = HashMap::new();
    for payment in &books.payments {
        if let Some(intent) = &payment.intent_id {
            orders_by_intent.entry(intent).or_default().push(&payment.order_id);
        }
    }
    let mut charges_of: HashMap<&str, Vec<&Charge>> = HashMap::new();
    for charge in &till.charges {
        let noted = orders_by_intent.get(charge.payment_intent.as_str()).map_or(&[][..], Vec::as_slice);
        match owner(charge, noted, &orders) {
            Ok(order) => charges_of.entry(&order.id).or_default().push(charge),
            Err(why) => wrong.push(why),
        }
    }
    let mut payments_of: HashMap<&str, Vec<&Payment>> = HashMap::new();
    for payment in &books.payments {
        payments_of.entry(&payment.order_id).or_default().push(payment);
    }
    for order in &books.orders {
        let charges = charges_of.remove(order.id.as_str()).unwrap_or_default();
        let payments = payments_of.remove(order.id.as_str()).unwrap_or_default();
        wrong.extend(misplaced(order, &charges, &payments, till));
    }
    wrong.extend(sums(books, till));
    wrong
}

/// The order that a charge is for: the one that Stripe was told, and that is `noted` for its intent.
fn owner<'a>(
    charge: &Charge,
    noted: &[&str],
    orders: &HashMap<&str, &'a Order>,
) -> Result<&'a Order, String> {
    let named = charge.metadata.get("order_id").map_or("none", String::as_str);
    let about = format!("charge {} of {}", charge.id, money(charge.amount, &charge.currency));
    if noted != [named] {
        return Err(format!(
            "{about}: Stripe was told order {named}, it is written down for orders {noted:?}"
        ));
    }
    let order = *orders.get(named).ok_or_else(|| format!("{about}: there is no order {named}"))?;
    let currency = order.currency.as_deref().unwrap_or("nothing");
    let is_same_money =
        order.total_minor == Some(charge.amount) && currency.eq_ignore_ascii_case(&charge.currency);
    if !is_same_money {
        let total = money(order.total_minor.unwrap_or_default(), currency);
        return Err(format!("{about}: order {named} ({}) comes to {total}", order.status));
    }
    Ok(order)
}

/// Where the charges for an order are not what its status says.
fn misplaced(order: &Order, charges: &[&Charge], payments: &[&Payment], till: &Till) -> Vec<String> {
    let Order { id, status, .. } = order;
    let mut wrong = Vec::new();
    let names = |charges: &[&Charge]| {
        let names = charges
            .iter()
            .map(|charge| format!("{} of {}", charge.id, money(charge.amount, &charge.currency)));
        names.collect::<Vec<_>>().join(", ")
    };
    if charges.len() > 1 {
        wrong.push(format!("order {id} ({status}) was charged {} times: {}", charges.len(), names(charges)));
    }
    let mut kept = Vec::new();
    for charge in charges {
        let refunds: Vec<_> = till.refunds.iter().filter(|refund| refund.charge == charge.id).collect();
        let back: i64 = refunds.iter().map(|refund| refund.amount).sum();
        if refunds.is_empty() {
            kept.push(*charge);
        } else if refunds.len() > 1 || back != charge.amount {
            wrong.push(format!(
                "order {id} ({status}): {} of charge {} went back in {} refunds",
                money(back, &charge.currency),
                names(&[charge]),
                refunds.len()
            ));
        }
    }
    // An admin may have seen the money elsewhere.
    let is_completed = |provider: &str| {
        payments.iter().any(|payment| payment.status == "completed" && payment.provider == provider)
    };
    let expected = match status.as_str() {
        "paid" => usize::from(!is_completed("offline")),
        "shipped" | "completed" => usize::from(is_completed("stripe")),
        _ => 0,
    };
    if kept.len() != expected {
        wrong.push(format!(
            "order {id} is {status}, {} charges for it are kept instead of {expected}: {}",
            kept.len(),
            names(&kept)
        ));
    }
    wrong
}

/// Where all that was charged, less all that went back, is not what paid orders come to.
fn sums(books: &Books, till: &Till) -> Vec<String> {
    let mut kept: BTreeMap<String, i64> = BTreeMap::new();
    for charge in &till.charges {
        *kept.entry(charge.currency.to_ascii_uppercase()).or_default() += charge.amount;
    }
    for refund in &till.refunds {
        *kept.entry(refund.currency.to_ascii_uppercase()).or_default() -= refund.amount;
    }
    let by_card: HashMap<_, _> = books
        .payments
        .iter()
        .filter(|payment| payment.provider == "stripe" && payment.status == "completed")
        .map(|payment| (payment.order_id.as_str(), payment))
        .collect();
    let mut due: BTreeMap<String, i64> = BTreeMap::new();
    for order in
        books.orders.iter().filter(|order| order.is_live() && by_card.contains_key(order.id.as_str()))
    {
        let currency = order.currency.clone().unwrap_or_default();
        *due.entry(currency).or_default() += order.total_minor.unwrap_or_default();
    }
    let mut currencies: Vec<_> = kept.keys().chain(due.keys()).collect();
    currencies.sort_unstable();
    currencies.dedup();
    let of =
        |sums: &BTreeMap<String, i64>, currency: &String| sums.get(currency).copied().unwrap_or_default();
    let differs = |currency: &&String| of(&kept, currency) != of(&due, currency);
    let describe = |currency: &String| {
        let (kept, due) = (money(of(&kept, currency), currency), money(of(&due, currency), currency));
        format!("Stripe keeps {kept} in all, orders that are paid by card come to {due}")
    };
    currencies.into_iter().filter(differs).map(describe).collect()
}

#[cfg(test)]
mod tests {
    use bodega_stripe_double::Refund;

    use super::*;
    use crate::invariants::testing::{charge, order_row, payment_row, refund};

    /// Order a is paid, b was paid and cancelled, c is not paid, d was paid elsewhere and e shipped on trust.
    fn till_and_books() -> (Till, Books) {
        let orders = [("a", "paid"), ("b", "cancelled"), ("c", "pending"), ("d", "paid"), ("e", "shipped")];
        let mut elsewhere = payment_row("d", "completed");
        elsewhere.provider = "offline".to_owned();
        elsewhere.intent_id = None;
        let payments = vec![
            payment_row("a", "completed"),
            payment_row("b", "refunded"),
            payment_row("c", "requires_payment"),
            elsewhere,
        ];
        let orders = orders.map(|(id, status)| order_row(id, status)).to_vec();
        let charges = vec![charge("ch_a", "a"), charge("ch_b", "b")];
        let refunds = vec![refund(&charges[1], 2500)];
        (Till { charges, refunds, ..Till::default() }, Books { orders, payments, ..Books::default() })
    }

    fn found(change: impl FnOnce(&mut Till, &mut Books)) -> Vec<String> {
        let (mut till, mut books) = till_and_books();
        change(&mut till, &mut books);
        judge(&books, &till)
    }

    #[test]
    fn each_charge_pays_one_order_or_has_gone_back() {
        assert_eq!(found(|_, _| {}), Vec::<String>::new());
        assert_eq!(found(|_, books| books.orders[0].status = "shipped".to_owned()), Vec::<String>::new());
    }

    #[test]
    fn a_charge_that_pays_for_nothing_is_found() {
        let lost = found(|till, _| till.charges.push(charge("ch_x", "x")));
        assert_eq!(
            lost,
            [
                "charge ch_x of 2500 usd: Stripe was told order x, it is written down for orders []",
                "Stripe keeps 5000 usd in all, orders that are paid by card come to 2500 usd",
            ]
        );
        let gone = found(|till, books| {
            till.charges.push(charge("ch_x", "x"));
            books.payments.push(payment_row("x", "completed"));
        });
        assert_eq!(gone[0], "charge ch_x of 2500 usd: there is no order x");
    }

    #[test]
    fn a_charge_that_is_written_down_for_another_order_is_found() {
        let found = found(|_, books| books.payments[0].order_id = "c".to_owned());
        let wrong = "charge ch_a of 2500 usd: Stripe was told order a, it is written down for orders [\"c\"]";
        assert!(found.contains(&wrong.to_owned()), "{found:?}");
    }

    #[test]
    fn a_charge_of_another_amount_or_currency_is_found() {
        let more = found(|till, _| till.charges[0].amount = 2501);
        assert!(
            more.contains(&"charge ch_a of 2501 usd: order a (paid) comes to 2500 usd".to_owned()),
            "{more:?}"
        );
        let other = found(|till, _| till.charges[0].currency = "eur".to_owned());
        assert!(
            other.contains(&"charge ch_a of 2500 eur: order a (paid) comes to 2500 usd".to_owned()),
            "{other:?}"
        );
    }

    #[test]
    fn an_order_that_was_charged_twice_is_found() {
        let twice = found(|till, _| till.charges.push(charge("ch_2", "a")));
        assert_eq!(
            twice,
            [
                "order a (paid) was charged 2 times: ch_a of 2500 usd, ch_2 of 2500 usd",
                "order a is paid, 2 charges for it are kept instead of 1: ch_a of 2500 usd, ch_2 of 2500 usd",
                "Stripe keeps 5000 usd in all, orders that are paid by card come to 2500 usd",
            ]
        );
        // Nor is it right that one of them went back.
        let refunded = found(|till, _| {
            till.charges.push(charge("ch_2", "a"));
            till.refunds.push(refund(&charge("ch_2", "a"), 2500));
        });
        assert_eq!(refunded, ["order a (paid) was charged 2 times: ch_a of 2500 usd, ch_2 of 2500 usd"]);
    }

    #[test]
    fn an_order_that_is_paid_without_money_is_found() {
        let unpaid = found(|till, _| drop(till.charges.remove(0)));
        assert_eq!(unpaid[0], "order a is paid, 0 charges for it are kept instead of 1: ");
        let unsent = found(|till, books| {
            till.charges.remove(0);
            books.orders[0].status = "shipped".to_owned();
        });
        assert_eq!(unsent[0], "order a is shipped, 0 charges for it are kept instead of 1: ");
    }

    #[test]
    fn money_that_is_kept_for_an_order_that_is_not_paid_is_found() {
        for status in ["pending", "confirmed", "cancelled"] {
            let kept = found(|_, books| books.orders[0].status = status.to_owned());
            let says =
                format!("order a is {status}, 1 charges for it are kept instead of 0: ch_a of 2500 usd");
            assert!(kept.contains(&says), "{kept:?}");
        }
    }

    #[test]
    fn a_charge_that_went_back_more_than_once_or_in_part_is_found() {
        let again = |till: &mut Till| -> Refund { refund(&till.charges[1], 2500) };
        let twice = found(|till, _| {
            let again = again(till);
            till.refunds.push(again);
        });
        assert_eq!(
            twice[0],
            "order b (cancelled): 5000 usd of charge ch_b of 2500 usd went back in 2 refunds"
        );
        let in_part = found(|till, _| till.refunds[0].amount = 2000);
        assert_eq!(
            in_part[0],
            "order b (cancelled): 2000 usd of charge ch_b of 2500 usd went back in 1 refunds"
        );
        let never = found(|till, _| till.refunds.clear());
        assert_eq!(
            never[0],
            "order b is cancelled, 1 charges for it are kept instead of 0: ch_b of 2500 usd"
        );
    }

    #[test]
    fn an_order_that_lives_on_though_its_money_went_back_is_found() {
        let found = found(|_, books| books.orders[1].status = "paid".to_owned());
        assert_eq!(found, ["order b is paid, 0 charges for it are kept instead of 1: "]);
    }
}
