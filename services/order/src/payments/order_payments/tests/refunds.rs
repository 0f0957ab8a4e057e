use super::*;
use crate::payments::{
    provider::{ListedRefund, ProviderError},
    refunds::{PartialRefund, RefundChange, RefundStatus},
};

/// A paid order of 25.00, and its payment's id.
pub(super) fn paid() -> (OrderPayments, Uuid) {
    let (mut order, id) = with_card(Pending);
    apply_event(&mut order, id, IntentState::Succeeded);
    (order, id)
}

/// Adds a pending refund of this service.
pub(super) fn add_refund(order: &mut OrderPayments, amount_minor: i64) -> Uuid {
    let refund = PartialRefund {
        id: Uuid::now_v7(),
        status: RefundStatus::Pending,
        amount_minor,
        is_external: false,
        provider_refund_id: None,
        key_number: 0,
        poll_count: 0,
        is_accepted: false,
        has_units_to_return: false,
        age_ms: 0,
    };
    let id = refund.id;
    order.payments[0].refunds.push(refund);
    id
}

pub(super) fn refund(id: &str, state: RefundState) -> Refund {
    Refund { id: id.to_owned(), state }
}

pub(super) fn listed(id: &str, amount_minor: i64, refund_id: Option<Uuid>) -> ListedRefund {
    ListedRefund { refund: refund(id, RefundState::Succeeded), amount_minor, refund_id }
}

/// Applies a list of refunds that was made just now.
pub(super) fn list(order: &mut OrderPayments, listed: &[ListedRefund]) {
    let polled = order.payments[0].clone();
    order.apply_listed_refunds(polled.id, listed, &polled);
}

/// Returns the statuses of the refunds, in their order.
pub(super) fn refund_statuses(order: &OrderPayments) -> Vec<RefundStatus> {
    order.payments[0].refunds.iter().map(|refund| refund.status).collect()
}

pub(super) fn failed_event(order: &OrderPayments, refund_id: &str) -> IntentSnapshot {
    let snapshot = snapshot(order, order.payments[0].id, IntentState::Succeeded);
    IntentSnapshot { failed_refund: Some(refund_id.to_owned()), ..snapshot }
}

#[test]
fn a_refund_of_all_parts_neither_cancels_nor_reviews_the_order() {
    let (mut order, id) = paid();
    let part = add_refund(&mut order, 2500);
    order.apply_partial_refund(id, (part, 0), &Ok(refund("re_1", RefundState::Succeeded)));
    let all = IntentSnapshot { refunded_minor: 2500, ..snapshot(&order, id, IntentState::Refunded) };
    for source in [Source::Event, Source::Poll] {
        order.apply_snapshot(id, &all, source);
        assert_eq!((order.status, statuses(&order)), (Paid, vec![Completed]));
        assert!(order.review_changes.is_empty());
    }
    assert_eq!((order.payments[0].refunded_minor, order.payments[0].refundable_minor()), (2500, 0));
    order.change_status(Cancelled, None).unwrap();
    assert_eq!(order.due_action(&order.payments[0], WINDOW), Action::Refund);
}

#[test]
fn a_rejected_refund_fails_and_an_unusable_key_is_replaced() {
    let (mut order, id) = paid();
    let part = add_refund(&mut order, 1500);
    assert_eq!(order.payments[0].refundable_minor(), 1000);
    order.apply_partial_refund(id, (part, 0), &Err(ProviderError::KeyUnusable("500".to_owned())));
    let retried = order.payments[0].refunds[0].clone();
    assert_eq!((retried.status, retried.key_number), (RefundStatus::Pending, 1));
    assert_eq!(retried.provider_key(), format!("{part}-1"));
    // The late response to the first key.
    order.apply_partial_refund(id, (part, 0), &Err(ProviderError::Rejected("late".to_owned())));
    assert_eq!(order.payments[0].refunds[0], retried);
    order.apply_partial_refund(id, (part, 1), &Err(ProviderError::Rejected("no".to_owned())));
    assert_eq!(order.payments[0].refunds[0].status, RefundStatus::Failed);
    assert_eq!((order.payments[0].refundable_minor(), order.payments[0].refunded_minor), (2500, 0));
    let Some(RefundChange::Updated { failure, has_failed, .. }) = order.refund_changes.last() else {
        panic!("{order:?}")
    };
    assert_eq!((failure.as_deref(), *has_failed), (Some("no"), true));
}

#[test]
fn refunds_that_were_made_elsewhere_are_recorded_once() {
    let (mut order, id) = paid();
    let own = add_refund(&mut order, 1000);
    let reported = IntentSnapshot { refunded_minor: 1300, ..snapshot(&order, id, IntentState::Succeeded) };
    order.apply_snapshot(id, &reported, Source::Event);
    assert_eq!(order.due_action(&order.payments[0], WINDOW), Action::ListRefunds);
    for _ in 0..2 {
        list(&mut order, &[listed("re_own", 1000, Some(own)), listed("re_other", 300, None)]);
        let refunds = &order.payments[0].refunds;
        let found: Vec<_> = refunds.iter().map(|it| (it.is_external, it.amount_minor, it.status)).collect();
        let succeeded = RefundStatus::Succeeded;
        assert_eq!(found, [(false, 1000, succeeded), (true, 300, succeeded)]);
    }
    assert_ne!(order.due_action(&order.payments[0], WINDOW), Action::ListRefunds);
    assert_eq!((order.status, order.payments[0].refundable_minor()), (Paid, 1200));
    assert_eq!(order.refund_changes.len(), 2);
}

#[test]
fn a_refund_elsewhere_that_leaves_too_little_is_recorded_after_the_own_one_has_failed() {
    let (mut order, id) = paid();
    let own = add_refund(&mut order, 1500);
    let elsewhere = [listed("re_other", 1500, None)];
    list(&mut order, &elsewhere);
    assert_eq!(order.payments[0].refunds.len(), 1);
    order.apply_partial_refund(id, (own, 0), &Err(ProviderError::Rejected("too much".to_owned())));
    assert_eq!(order.due_action(&order.payments[0], WINDOW), Action::ListRefunds);
    list(&mut order, &elsewhere);
    assert_eq!(order.payments[0].partly_refunded_minor(), 1500);
}

#[test]
fn a_refund_that_fails_later_frees_its_amount() {
    let (mut order, id) = paid();
    let part = add_refund(&mut order, 1000);
    order.apply_partial_refund(id, (part, 0), &Ok(refund("re_1", RefundState::Succeeded)));
    let failed = failed_event(&order, "re_1");
    assert_eq!(order.apply_snapshot(id, &failed, Source::Event), SnapshotOutcome::Applied);
    assert_eq!(order.apply_snapshot(id, &failed, Source::Event), SnapshotOutcome::Unchanged);
    let found = &order.payments[0].refunds[0];
    assert_eq!((found.status, found.is_accepted), (RefundStatus::Failed, true), "its units stay returned");
    assert_eq!((order.payments[0].refundable_minor(), order.payments[0].refunded_minor), (2500, 0));
    assert_eq!(statuses(&order), [Completed]);
}

#[test]
fn a_partly_shipped_order_is_not_cancelled() {
    let (mut order, id) = paid();
    order.has_shipments = true;
    assert!(matches!(order.change_status(Cancelled, None), Err(Error::PartlyShipped)));
    apply_event(&mut order, id, IntentState::Refunded);
    assert_eq!(order.due_action(&order.payments[0], WINDOW), Action::ListRefunds);
    list(&mut order, &[listed("re_all", 2500, None)]);
    let all = IntentSnapshot { refunded_minor: 2500, ..snapshot(&order, id, IntentState::Refunded) };
    order.apply_snapshot(id, &all, Source::Poll);
    assert_eq!((order.status, statuses(&order)), (Paid, vec![Completed]));
    assert_eq!((order.payments[0].partly_refunded_minor(), order.payments[0].refundable_minor()), (2500, 0));
    assert_eq!((order.review_changes.len(), refund_statuses(&order).len()), (0, 1));
}
