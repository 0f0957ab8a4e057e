//! I4: nothing is under way any more.

use std::collections::HashMap;

use super::{
    store::{Books, Payment},
    till::{Till, money},
};

/// What is not settled.
pub(super) fn judge(books: &Books, till: &Till) -> Vec<String> {
    let placing = books.orders.iter().filter(|order| order.status == "placing");
    let mut wrong: Vec<_> = placing
        .map(|order| format!("order {} of user {} is still being placed", order.id, order.user_id))
        .collect();
    let under_way = |payment: &&Payment| matches!(payment.status.as_str(), "processing" | "refund_pending");
    wrong.extend(books.payments.iter().filter(under_way).map(|payment| {
        let intent = payment.intent_id.as_deref().unwrap_or("none");
        format!("a payment of order {} (intent {intent}) is still {}", payment.order_id, payment.status)
    }));
    wrong.extend(unheard(books, till));
    wrong.extend(till.pending_refunds().map(|refund| {
        let amount = money(refund.amount, &refund.currency);
        format!("refund {} of charge {} ({amount}) is still pending at Stripe", refund.id, refund.charge)
    }));
    wrong
        .extend(books.outbox.iter().map(|(order, kind)| format!("{kind} of order {order} is not delivered")));
    wrong
        .extend(books.unapplied.iter().map(|(event, kind)| format!("event {event} ({kind}) is not applied")));
    wrong
}

/// Intents that are paid at Stripe, of which we do not know.
fn unheard(books: &Books, till: &Till) -> Vec<String> {
    let named = |payment: &'_ Payment| payment.intent_id.clone().map(|intent| (intent, payment.clone()));
    let payments: HashMap<_, _> = books.payments.iter().filter_map(named).collect();
    let describe = |intent: &String| match payments.get(intent) {
        None => Some(format!("intent {intent} succeeded at Stripe, and is of no payment")),
        Some(Payment { order_id, status, .. })
            if matches!(status.as_str(), "requires_payment" | "failed") =>
        {
            Some(format!("intent {intent} succeeded at Stripe, its payment of order {order_id} is {status}"))
        }
        // One that is under way is told of already.
        Some(_) => None,
    };
    till.succeeded.iter().filter_map(describe).collect()
}

#[cfg(test)]
mod tests {
    use bodega_stripe_double::RefundStatus;

    use super::*;
    use crate::invariants::testing::{charge, order_row, payment_row, refund};

    #[test]
    fn orders_and_payments_that_came_to_an_end_are_settled() {
        let statuses = ["pending", "paid", "cancelled", "rejected", "completed"];
        let books = Books {
            orders: statuses.iter().map(|status| order_row(status, status)).collect(),
            payments: vec![
                payment_row("pending", "requires_payment"),
                payment_row("paid", "completed"),
                payment_row("cancelled", "refunded"),
                payment_row("completed", "failed"),
            ],
            ..Books::default()
        };
        let succeeded = vec!["pi_paid".to_owned(), "pi_cancelled".to_owned()];
        let money = charge("ch_1", "cancelled");
        let till = Till { succeeded, refunds: vec![refund(&money, 2500)], ..Till::default() };
        assert_eq!(judge(&books, &till), Vec::<String>::new());
    }

    #[test]
    fn what_is_under_way_is_found() {
        let books = Books {
            orders: vec![order_row("a", "placing")],
            payments: vec![payment_row("b", "processing"), payment_row("c", "refund_pending")],
            outbox: vec![("d".to_owned(), "clear_cart".to_owned())],
            unapplied: vec![("evt_1".to_owned(), "charge.refunded".to_owned())],
            ..Books::default()
        };
        let mut pending = refund(&charge("ch_1", "c"), 2500);
        pending.status = RefundStatus::Pending;
        let till = Till { refunds: vec![pending], ..Till::default() };
        assert_eq!(
            judge(&books, &till),
            [
                "order a of user u-1 is still being placed",
                "a payment of order b (intent pi_b) is still processing",
                "a payment of order c (intent pi_c) is still refund_pending",
                "refund re_ch_1 of charge ch_1 (2500 usd) is still pending at Stripe",
                "clear_cart of order d is not delivered",
                "event evt_1 (charge.refunded) is not applied",
            ]
        );
    }

    #[test]
    fn money_that_nobody_heard_of_is_found() {
        let books = Books {
            payments: vec![payment_row("a", "requires_payment"), payment_row("b", "failed")],
            ..Books::default()
        };
        let succeeded = ["pi_a", "pi_b", "pi_c"].map(str::to_owned).to_vec();
        assert_eq!(
            judge(&books, &Till { succeeded, ..Till::default() }),
            [
                "intent pi_a succeeded at Stripe, its payment of order a is requires_payment",
                "intent pi_b succeeded at Stripe, its payment of order b is failed",
                "intent pi_c succeeded at Stripe, and is of no payment",
            ]
        );
    }
}
