//! Refunds of parts that fail, or seem to.

use super::refunds::*;
use super::*;
use crate::payments::{
    provider::{ListedRefund, ProviderError},
    refunds::{RefundChange, RefundStatus},
    review::ReviewReason,
};

/// A paid order of 25.00 with a refund of 10.00 in this state at the provider: its payment's id, and the refund's.
fn refunded(state: RefundState) -> (OrderPayments, Uuid, Uuid) {
    let (mut order, id) = paid();
    let part = add_refund(&mut order, 1000);
    order.apply_partial_refund(id, (part, 0), &Ok(refund("re_1", state)));
    order.payments[0].refunded_minor = 1000;
    (order, id, part)
}

fn reasons(order: &OrderPayments) -> Vec<ReviewReason> {
    let reviews = order.payments.iter().filter_map(|payment| payment.review.as_ref());
    reviews.map(|review| review.reason).collect()
}

fn with_state(state: RefundState, listed: ListedRefund) -> ListedRefund {
    ListedRefund { refund: Refund { state, ..listed.refund }, ..listed }
}

#[test]
fn no_error_fails_a_refund_that_was_accepted() {
    let (mut order, id, part) = refunded(RefundState::Pending);
    let message = || "404".to_owned();
    let errors = [
        ProviderError::NotFound(message()),
        ProviderError::Rejected(message()),
        ProviderError::KeyUnusable(message()),
        ProviderError::Unavailable(message()),
    ];
    for error in errors.iter().cycle().take(200) {
        order.apply_partial_refund(id, (part, 0), &Err(error.clone()));
    }
    assert_eq!(
        (refund_statuses(&order), order.payments[0].refundable_minor()),
        (vec![RefundStatus::Pending], 1500)
    );
    order.apply_partial_refund(id, (part, 0), &Ok(refund("re_1", RefundState::Failed)));
    assert_eq!(
        (refund_statuses(&order), order.payments[0].refundable_minor()),
        (vec![RefundStatus::Failed], 2500)
    );
}

#[test]
fn a_refund_that_the_provider_does_not_know_for_long_is_reviewed() {
    let (mut order, id, part) = refunded(RefundState::Pending);
    for _ in 0..98 {
        order.apply_partial_refund(id, (part, 0), &Err(ProviderError::NotFound("404".to_owned())));
    }
    assert_eq!((order.payments[0].refunds[0].poll_count, reasons(&order)), (99, vec![]));
    let mut unavailable = order.clone();
    for polls in 100..=1000 {
        assert_eq!(reasons(&unavailable), [], "{polls}");
        unavailable.apply_partial_refund(id, (part, 0), &Err(ProviderError::Unavailable("500".to_owned())));
    }
    assert_eq!(reasons(&unavailable), [ReviewReason::Unsettled]);
    order.apply_partial_refund(id, (part, 0), &Err(ProviderError::NotFound("404".to_owned())));
    assert_eq!(
        (reasons(&order), refund_statuses(&order)),
        (vec![ReviewReason::Unsettled], vec![RefundStatus::Pending])
    );
}

#[test]
fn no_number_of_unusable_keys_fails_a_refund() {
    let (mut order, id) = paid();
    let part = add_refund(&mut order, 1000);
    for key in 0..20 {
        assert!(!order.payments[0].refunds[0].is_out_of_keys());
        order.apply_partial_refund(id, (part, key), &Err(ProviderError::KeyUnusable("500".to_owned())));
    }
    let pending = &order.payments[0].refunds[0];
    assert_eq!((pending.status, pending.is_out_of_keys()), (RefundStatus::Pending, true));
    assert!(pending.next_attempt_in().is_some_and(|pause| pause > Duration::from_secs(15 * 60)));
}

/// Before, an error of a poll was enough.
#[test]
fn a_refund_that_is_made_although_it_is_recorded_as_failed_is_revived() {
    let (mut order, id, part) = refunded(RefundState::Pending);
    let before = order.clone();
    order.apply_partial_refund(id, (part, 0), &Ok(refund("re_1", RefundState::Failed)));
    let reported = IntentSnapshot { refunded_minor: 1000, ..snapshot(&order, id, IntentState::Succeeded) };
    order.apply_snapshot(id, &reported, Source::Event);
    assert_eq!(order.due_action(&order.payments[0], WINDOW), Action::ListRefunds);

    let made = [listed("re_1", 1000, Some(part))];
    let mut outdated = order.clone();
    outdated.apply_listed_refunds(id, &made, &before.payments[0]);
    assert_eq!(refund_statuses(&outdated), [RefundStatus::Failed], "it has failed since they were listed");

    list(&mut order, &made);
    assert_eq!(
        (refund_statuses(&order), order.payments[0].refundable_minor()),
        (vec![RefundStatus::Succeeded], 1500)
    );
    assert_ne!(order.due_action(&order.payments[0], WINDOW), Action::ListRefunds);
    let Some(RefundChange::Updated { has_succeeded: true, is_revived: true, failure: None, .. }) =
        order.refund_changes.last()
    else {
        panic!("{order:?}")
    };
}

#[test]
fn a_revived_refund_leaves_no_more_than_was_paid() {
    let (mut order, id, part) = refunded(RefundState::Pending);
    order.apply_partial_refund(id, (part, 0), &Ok(refund("re_1", RefundState::Failed)));
    let other = add_refund(&mut order, 2000);
    let made = [with_state(RefundState::Pending, listed("re_1", 1000, Some(part)))];
    list(&mut order, &made);
    assert_eq!(refund_statuses(&order), [RefundStatus::Failed, RefundStatus::Pending]);
    order.apply_partial_refund(id, (other, 0), &Err(ProviderError::Rejected("too much".to_owned())));
    list(&mut order, &made);
    assert_eq!(refund_statuses(&order), [RefundStatus::Pending, RefundStatus::Failed]);
}

#[test]
fn refunds_that_were_never_accepted_or_made_twice_are_recorded_as_external() {
    let (mut order, id) = paid();
    let part = add_refund(&mut order, 600);
    order.apply_partial_refund(id, (part, 0), &Err(ProviderError::Rejected("no".to_owned())));
    let made = [listed("re_1", 600, Some(part)), listed("re_2", 600, Some(part))];
    for _ in 0..2 {
        list(&mut order, &made);
        let found: Vec<_> = order.payments[0].refunds.iter().map(|it| (it.status, it.is_external)).collect();
        let external = (RefundStatus::Succeeded, true);
        assert_eq!(found, [(RefundStatus::Failed, false), external, external]);
    }
    assert_ne!(order.due_action(&order.payments[0], WINDOW), Action::ListRefunds);
}

#[test]
fn a_part_that_fails_beside_the_refund_of_the_rest_is_reviewed() {
    for (is_complete, state) in
        [(false, RefundState::Succeeded), (true, RefundState::Succeeded), (true, RefundState::Pending)]
    {
        let (mut order, id, part) = refunded(state);
        order.change_status(Cancelled, None).unwrap();
        if is_complete {
            order.apply_refund(id, &refund("re_rest", RefundState::Succeeded));
        }
        let mut polled = order.clone();
        let failed = failed_event(&order, "re_1");
        assert_eq!(order.apply_snapshot(id, &failed, Source::Event), SnapshotOutcome::Applied);
        assert_eq!(
            (reasons(&order), refund_statuses(&order)),
            (vec![ReviewReason::RefundFailed], vec![RefundStatus::Failed])
        );
        if state == RefundState::Pending {
            polled.apply_partial_refund(id, (part, 0), &Ok(refund("re_1", RefundState::Failed)));
            assert_eq!(reasons(&polled), [ReviewReason::RefundFailed]);
        }
    }
}

#[test]
fn a_part_that_was_never_made_is_in_the_refund_of_the_rest() {
    let (mut order, id) = paid();
    let part = add_refund(&mut order, 1000);
    order.change_status(Cancelled, None).unwrap();
    order.apply_refund(id, &refund("re_all", RefundState::Succeeded));
    order.apply_partial_refund(id, (part, 0), &Err(ProviderError::Rejected("refunded".to_owned())));
    assert_eq!((refund_statuses(&order), reasons(&order)), (vec![RefundStatus::Failed], vec![]));
}

#[test]
fn a_poll_finds_a_failed_refund_whose_event_was_lost() {
    let (mut order, id, part) = refunded(RefundState::Succeeded);
    let none = snapshot(&order, id, IntentState::Succeeded);
    order.apply_snapshot(id, &none, Source::Event);
    assert_ne!(order.due_action(&order.payments[0], WINDOW), Action::ListRefunds, "the event may be old");
    order.apply_snapshot(id, &none, Source::Poll);
    assert_eq!(order.due_action(&order.payments[0], WINDOW), Action::ListRefunds);
    list(&mut order, &[with_state(RefundState::Failed, listed("re_1", 1000, Some(part)))]);
    assert_eq!(
        (refund_statuses(&order), order.payments[0].refundable_minor()),
        (vec![RefundStatus::Failed], 2500)
    );
    assert_ne!(order.due_action(&order.payments[0], WINDOW), Action::ListRefunds);
}

#[test]
fn a_late_refund_is_rechecked_as_well() {
    let (mut order, ..) = refunded(RefundState::Succeeded);
    order.payments[0].age_ms = 29 * 24 * 3_600_000;
    assert_eq!(order.payments[0].recheck_in(), Some(Duration::from_secs(600)));
    order.payments[0].refunds[0].age_ms = 24 * 3_600_000;
    assert_eq!(order.payments[0].recheck_in(), Some(Duration::from_secs(3 * 24 * 3600)));
    order.payments[0].refunds[0].age_ms = 8 * 24 * 3_600_000;
    assert_eq!(order.payments[0].recheck_in(), None);
}

#[test]
fn a_failed_refund_that_was_never_reported_is_not_subtracted_from_others() {
    for is_event in [false, true] {
        let (mut order, id, _) = refunded(RefundState::Succeeded);
        let part = add_refund(&mut order, 1500);
        order.apply_partial_refund(id, (part, 0), &Ok(refund("re_2", RefundState::Pending)));
        if is_event {
            order.apply_snapshot(id, &failed_event(&order, "re_2"), Source::Event);
        } else {
            order.apply_partial_refund(id, (part, 0), &Ok(refund("re_2", RefundState::Failed)));
        }
        assert_eq!((order.payments[0].refunded_minor, order.payments[0].refundable_minor()), (1000, 1500));
    }
}
