//! I4: No order, payment, refund, delivery or event is unfinished.

use std::collections::HashMap;

use super::{
    payment_ledger::{PaymentLedger, format_amount},
    snapshot::{Payment, Snapshot},
};

pub(super) fn find_violations(snapshot: &Snapshot, ledger: &PaymentLedger) -> Vec<String> {
    let placing = snapshot.orders.iter().filter(|order| order.status == "placing");
    let mut violations: Vec<_> = placing
        .map(|order| format!("order {} of user {} is still placing", order.id, order.user_id))
        .collect();
    let is_open = |payment: &&Payment| matches!(payment.status.as_str(), "processing" | "refund_pending");
    violations.extend(snapshot.payments.iter().filter(is_open).map(|payment| {
        let intent = payment.intent_id.as_deref().unwrap_or("none");
        format!("payment of order {} (intent {intent}) is still {}", payment.order_id, payment.status)
    }));
    violations.extend(unprocessed_intents(snapshot, ledger));
    violations.extend(ledger.pending_refunds().map(|refund| {
        let amount = format_amount(refund.amount, &refund.currency);
        format!("refund {} of charge {} ({amount}) is still pending at Stripe", refund.id, refund.charge)
    }));
    let deliveries = snapshot.outbox.iter();
    violations.extend(deliveries.map(|(order, kind)| format!("{kind} of order {order} is not delivered")));
    let events = snapshot.unapplied_events.iter();
    violations.extend(events.map(|(event, kind)| format!("event {event} ({kind}) is not applied")));
    let reviews = snapshot.open_reviews.iter();
    violations
        .extend(reviews.map(|(order, reason)| format!("payment of order {order} needs review: {reason}")));
    violations
}

/// Finds intents that have succeeded at Stripe but not in the database.
fn unprocessed_intents(snapshot: &Snapshot, ledger: &PaymentLedger) -> Vec<String> {
    let by_intent = |payment: &'_ Payment| payment.intent_id.clone().map(|intent| (intent, payment.clone()));
    let payments: HashMap<_, _> = snapshot.payments.iter().filter_map(by_intent).collect();
    let describe = |intent: &String| match payments.get(intent) {
        None => Some(format!("intent {intent} succeeded at Stripe, but has no payment")),
        Some(Payment { order_id, status, .. })
            if matches!(status.as_str(), "requires_payment" | "failed") =>
        {
            Some(format!(
                "intent {intent} succeeded at Stripe, but the payment of order {order_id} is {status}"
            ))
        }
        // An open payment is reported already.
        Some(_) => None,
    };
    ledger.succeeded_intents.iter().filter_map(describe).collect()
}

#[cfg(test)]
mod tests {
    use bodega_stripe_double::RefundStatus;

    use super::*;
    use crate::invariants::fixtures::{charge, order_row, payment_row, refund};

    #[test]
    fn accepts_final_states() {
        let statuses = ["pending", "paid", "cancelled", "rejected", "completed"];
        let snapshot = Snapshot {
            orders: statuses.iter().map(|status| order_row(status, status)).collect(),
            payments: vec![
                payment_row("pending", "requires_payment"),
                payment_row("paid", "completed"),
                payment_row("cancelled", "refunded"),
                payment_row("completed", "failed"),
            ],
            ..Snapshot::default()
        };
        let succeeded_intents = vec!["pi_paid".to_owned(), "pi_cancelled".to_owned()];
        let refunds = vec![refund(&charge("ch_1", "cancelled"), 2500)];
        let ledger = PaymentLedger { succeeded_intents, refunds, ..PaymentLedger::default() };
        assert_eq!(find_violations(&snapshot, &ledger), Vec::<String>::new());
    }

    #[test]
    fn finds_everything_that_is_unfinished() {
        let snapshot = Snapshot {
            orders: vec![order_row("a", "placing")],
            payments: vec![payment_row("b", "processing"), payment_row("c", "refund_pending")],
            outbox: vec![("d".to_owned(), "clear_cart".to_owned())],
            unapplied_events: vec![("evt_1".to_owned(), "charge.refunded".to_owned())],
            open_reviews: vec![("e".to_owned(), "wrong_amount".to_owned())],
            ..Snapshot::default()
        };
        let mut pending = refund(&charge("ch_1", "c"), 2500);
        pending.status = RefundStatus::Pending;
        let ledger = PaymentLedger { refunds: vec![pending], ..PaymentLedger::default() };
        assert_eq!(
            find_violations(&snapshot, &ledger),
            [
                "order a of user u-1 is still placing",
                "payment of order b (intent pi_b) is still processing",
                "payment of order c (intent pi_c) is still refund_pending",
                "refund re_ch_1 of charge ch_1 (2500 usd) is still pending at Stripe",
                "clear_cart of order d is not delivered",
                "event evt_1 (charge.refunded) is not applied",
                "payment of order e needs review: wrong_amount",
            ]
        );
    }

    #[test]
    fn finds_intents_that_succeeded_at_stripe_but_not_in_the_database() {
        let snapshot = Snapshot {
            payments: vec![payment_row("a", "requires_payment"), payment_row("b", "failed")],
            ..Snapshot::default()
        };
        let succeeded_intents = ["pi_a", "pi_b", "pi_c"].map(str::to_owned).to_vec();
        assert_eq!(
            find_violations(&snapshot, &PaymentLedger { succeeded_intents, ..PaymentLedger::default() }),
            [
                "intent pi_a succeeded at Stripe, but the payment of order a is requires_payment",
                "intent pi_b succeeded at Stripe, but the payment of order b is failed",
                "intent pi_c succeeded at Stripe, but has no payment",
            ]
        );
    }
}
