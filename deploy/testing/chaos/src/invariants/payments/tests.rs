use bodega_stripe_double::Refund;

use super::*;
use crate::invariants::fixtures::{charge, order_row, payment_row, refund};

/// Order a is paid, b was paid and cancelled, c is not paid, d was paid offline and e shipped without a payment.
fn ledger_and_snapshot() -> (PaymentLedger, Snapshot) {
    let orders = [("a", "paid"), ("b", "cancelled"), ("c", "pending"), ("d", "paid"), ("e", "shipped")];
    let mut offline = payment_row("d", "completed");
    offline.provider = "offline".to_owned();
    offline.intent_id = None;
    let payments = vec![
        payment_row("a", "completed"),
        payment_row("b", "refunded"),
        payment_row("c", "requires_payment"),
        offline,
    ];
    let orders = orders.map(|(id, status)| order_row(id, status)).to_vec();
    let charges = vec![charge("ch_a", "a"), charge("ch_b", "b")];
    let refunds = vec![refund(&charges[1], 2500)];
    (
        PaymentLedger { charges, refunds, ..PaymentLedger::default() },
        Snapshot { orders, payments, ..Snapshot::default() },
    )
}

/// Returns the violations after a change.
fn violations(change: impl FnOnce(&mut PaymentLedger, &mut Snapshot)) -> Vec<String> {
    let (mut ledger, mut snapshot) = ledger_and_snapshot();
    change(&mut ledger, &mut snapshot);
    find_violations(&snapshot, &ledger)
}

#[test]
fn accepts_charges_that_pay_one_order_or_are_refunded() {
    assert_eq!(violations(|_, _| {}), Vec::<String>::new());
    let shipped = violations(|_, snapshot| snapshot.orders[0].status = "shipped".to_owned());
    assert_eq!(shipped, Vec::<String>::new());
}

#[test]
fn finds_a_charge_without_an_order() {
    let lost = violations(|ledger, _| ledger.charges.push(charge("ch_x", "x")));
    assert_eq!(
        lost,
        [
            "charge ch_x of 2500 usd: its metadata names order x, its intent belongs to []",
            "charges less refunds are 5000 usd, orders that are paid by card 2500 usd",
        ]
    );
    let deleted = violations(|ledger, snapshot| {
        ledger.charges.push(charge("ch_x", "x"));
        snapshot.payments.push(payment_row("x", "completed"));
    });
    assert_eq!(deleted[0], "charge ch_x of 2500 usd: order x does not exist");
}

#[test]
fn finds_a_charge_that_is_stored_with_another_order() {
    let found = violations(|_, snapshot| snapshot.payments[0].order_id = "c".to_owned());
    let wrong = "charge ch_a of 2500 usd: its metadata names order a, its intent belongs to [\"c\"]";
    assert!(found.contains(&wrong.to_owned()), "{found:?}");
}

#[test]
fn finds_a_charge_of_another_amount_or_currency() {
    let amount = violations(|ledger, _| ledger.charges[0].amount = 2501);
    let wrong = "charge ch_a of 2501 usd: the total of order a (paid) is 2500 usd";
    assert!(amount.contains(&wrong.to_owned()), "{amount:?}");
    let currency = violations(|ledger, _| ledger.charges[0].currency = "eur".to_owned());
    let wrong = "charge ch_a of 2500 eur: the total of order a (paid) is 2500 usd";
    assert!(currency.contains(&wrong.to_owned()), "{currency:?}");
}

#[test]
fn finds_an_order_that_was_charged_twice() {
    let twice = violations(|ledger, _| ledger.charges.push(charge("ch_2", "a")));
    assert_eq!(
        twice,
        [
            "order a (paid) was charged 2 times: ch_a of 2500 usd, ch_2 of 2500 usd",
            "order a (paid) has 2 charges without a refund instead of 1: ch_a of 2500 usd, ch_2 of 2500 usd",
            "charges less refunds are 5000 usd, orders that are paid by card 2500 usd",
        ]
    );
    // Even if one of them is refunded.
    let refunded = violations(|ledger, _| {
        ledger.charges.push(charge("ch_2", "a"));
        ledger.refunds.push(refund(&charge("ch_2", "a"), 2500));
    });
    assert_eq!(refunded, ["order a (paid) was charged 2 times: ch_a of 2500 usd, ch_2 of 2500 usd"]);
}

#[test]
fn finds_a_paid_order_without_a_charge() {
    let unpaid = violations(|ledger, _| drop(ledger.charges.remove(0)));
    assert_eq!(unpaid[0], "order a (paid) has 0 charges without a refund instead of 1: ");
    let shipped = violations(|ledger, snapshot| {
        ledger.charges.remove(0);
        snapshot.orders[0].status = "shipped".to_owned();
    });
    assert_eq!(shipped[0], "order a (shipped) has 0 charges without a refund instead of 1: ");
}

#[test]
fn finds_an_unpaid_order_with_a_charge() {
    for status in ["pending", "confirmed", "cancelled"] {
        let found = violations(|_, snapshot| snapshot.orders[0].status = status.to_owned());
        let wrong =
            format!("order a ({status}) has 1 charges without a refund instead of 0: ch_a of 2500 usd");
        assert!(found.contains(&wrong), "{found:?}");
    }
}

#[test]
fn finds_a_charge_that_was_refunded_twice_in_part_or_not_at_all() {
    let again = |ledger: &mut PaymentLedger| -> Refund { refund(&ledger.charges[1], 2500) };
    let twice = violations(|ledger, _| {
        let again = again(ledger);
        ledger.refunds.push(again);
    });
    assert_eq!(twice[0], "order b (cancelled): 5000 usd of charge ch_b of 2500 usd returned in 2 refunds");
    let partly = violations(|ledger, _| ledger.refunds[0].amount = 2000);
    assert_eq!(partly[0], "order b (cancelled): 2000 usd of charge ch_b of 2500 usd returned in 1 refunds");
    let never = violations(|ledger, _| ledger.refunds.clear());
    assert_eq!(never[0], "order b (cancelled) has 1 charges without a refund instead of 0: ch_b of 2500 usd");
}

#[test]
fn finds_a_paid_order_whose_charge_was_refunded() {
    let found = violations(|_, snapshot| snapshot.orders[1].status = "paid".to_owned());
    assert_eq!(found, ["order b (paid) has 0 charges without a refund instead of 1: "]);
}
