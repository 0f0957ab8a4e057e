use uuid::Uuid;

use super::*;
use crate::payments::{
    provider::{IntentState, RefundState},
    refunds::{PartialRefund, RefundStatus},
};

/// An order with one card payment.
fn with_payment(status: PaymentStatus) -> OrderPayments {
    let mut payment = Payment::new(1, "stripe", 2500, "USD");
    payment.intent_id = Some("pi_1".to_owned());
    payment.status = status;
    OrderPayments {
        order_id: Uuid::now_v7(),
        status: OrderStatus::Pending,
        total_minor: 2500,
        currency: "USD".to_owned(),
        age_ms: 0,
        payments: vec![payment],
        new_events: Vec::new(),
        review_changes: Vec::new(),
        refund_changes: Vec::new(),
        has_shipments: false,
    }
}

fn processing() -> ProviderResult {
    ProviderResult::Snapshot(IntentSnapshot {
        intent_id: "pi_1".to_owned(),
        order_id: None,
        payment_id: None,
        amount_minor: 2500,
        currency: "USD".to_owned(),
        state: IntentState::Processing,
        refunded_minor: 0,
        failed_refund: None,
    })
}

#[test]
fn a_poll_that_was_overtaken_counts_as_an_old_event() {
    let mut payments = with_payment(PaymentStatus::Failed);
    let polled = payments.payments[0].clone();
    let mut overtaken = payments.clone();
    apply_result(&mut payments, &polled, &processing());
    assert_eq!(payments.payments[0].status, PaymentStatus::Processing, "the customer tries again");
    overtaken.record_poll(polled.id);
    apply_result(&mut overtaken, &polled, &processing());
    assert_eq!(
        overtaken.payments[0].status,
        PaymentStatus::Failed,
        "the attempt at the time of the poll was declined, too"
    );
}

#[test]
fn a_rejection_of_an_earlier_refund_does_not_start_another_one() {
    let rejected = ProviderResult::Failed(ProviderError::Rejected("no".to_owned()));
    let mut payments = with_payment(PaymentStatus::RefundPending);
    let polled = payments.payments[0].clone();
    let mut overtaken = payments.clone();
    apply_result(&mut payments, &polled, &rejected);
    assert_ne!(payments.payments[0].refund_key(), polled.refund_key());
    let created = Refund { id: "re_1".to_owned(), state: RefundState::Pending };
    overtaken.apply_refund(polled.id, &created);
    apply_result(&mut overtaken, &polled, &rejected);
    assert_eq!(overtaken.payments[0].refund_key(), polled.refund_key());
    assert_eq!(overtaken.payments[0].refund_id.as_deref(), Some("re_1"));
}

#[test]
fn an_error_of_a_poll_does_not_start_another_refund() {
    let mut payments = with_payment(PaymentStatus::RefundPending);
    let created = Refund { id: "re_1".to_owned(), state: RefundState::Pending };
    payments.apply_refund(payments.payments[0].id, &created);
    let polled = payments.payments[0].clone();
    let rejected = ProviderResult::Failed(ProviderError::Rejected("no".to_owned()));
    apply_result(&mut payments, &polled, &rejected);
    assert_eq!(payments.payments[0].refund_id.as_deref(), Some("re_1"));
    assert_eq!(payments.payments[0].refund_key(), polled.refund_key());
}

#[test]
fn a_poll_that_was_overtaken_by_a_refund_does_not_report_it_as_lost() {
    let mut payments = with_payment(PaymentStatus::Completed);
    let polled = payments.payments[0].clone();
    payments.payments[0].refunds.push(PartialRefund {
        id: Uuid::now_v7(),
        status: RefundStatus::Succeeded,
        amount_minor: 1000,
        is_external: false,
        provider_refund_id: Some("re_1".to_owned()),
        key_number: 0,
        poll_count: 0,
        is_accepted: true,
        has_units_to_return: false,
        age_ms: 0,
    });
    payments.payments[0].refunded_minor = 1000;
    let ProviderResult::Snapshot(snapshot) = processing() else { unreachable!() };
    let snapshot = ProviderResult::Snapshot(IntentSnapshot { state: IntentState::Succeeded, ..snapshot });
    apply_result(&mut payments, &polled, &snapshot);
    assert_eq!(payments.payments[0].refunded_minor, 1000);
}
