use super::*;
use crate::payments::review::{Decision, Resolution, Review, ReviewReason};

/// The reasons of the reviews that were opened.
fn reviews(order: &OrderPayments) -> Vec<ReviewReason> {
    let opened = |change: &ReviewChange| match change {
        ReviewChange::Opened { review, .. } => Some(review.reason),
        ReviewChange::Resolved { .. } => None,
    };
    order.review_changes.iter().filter_map(opened).collect()
}

fn resolve(order: &mut OrderPayments, id: Uuid, resolution: Resolution) -> Result<(), Error> {
    order.resolve(id, Decision { resolution, note: None, actor: Uuid::now_v7() })
}

#[test]
fn money_of_another_amount_or_currency_is_reviewed() {
    let (order, id) = with_card(Pending);
    let right = snapshot(&order, id, IntentState::Succeeded);
    for (wrong, outcome, reason) in [
        (
            IntentSnapshot { amount_minor: 2499, ..right.clone() },
            SnapshotOutcome::WrongAmount,
            ReviewReason::WrongAmount,
        ),
        (
            IntentSnapshot { currency: "EUR".to_owned(), ..right.clone() },
            SnapshotOutcome::WrongCurrency,
            ReviewReason::WrongCurrency,
        ),
    ] {
        let mut order = order.clone();
        for _ in 0..2 {
            assert_eq!(order.apply_snapshot(id, &wrong, Source::Event), outcome);
        }
        assert_eq!(
            (order.status, statuses(&order), reviews(&order)),
            (Pending, vec![RequiresPayment], vec![reason])
        );
        let reported = order.payments[0].review.clone().unwrap().reported;
        assert_eq!(reported, Some((wrong.amount_minor, wrong.currency.clone())));
        // Neither polled nor cancelled, and no customer pays the order twice.
        order.age_ms = 1_801_000;
        assert_eq!(order.due_action(&order.payments[0], WINDOW), Action::Nothing);
        assert_eq!(order.next_poll_in(&order.payments[0], WINDOW), None);
        assert!(matches!(order.check_payable(), Err(Error::PaymentInReview)));
        order.expire(WINDOW, &[]).unwrap();
        assert_eq!(order.status, Pending);

        let mut refunded = order.clone();
        resolve(&mut order, id, Resolution::Completed).unwrap();
        assert_eq!((order.status, statuses(&order)), (Paid, vec![Completed]));
        resolve(&mut refunded, id, Resolution::Refunded).unwrap();
        assert_eq!((refunded.status, statuses(&refunded)), (Pending, vec![Refunded]));
        assert!(matches!(resolve(&mut refunded, id, Resolution::Refunded), Err(Error::PaymentNotInReview)));
    }
}

#[test]
fn an_open_intent_of_another_amount_is_cancelled_as_usual() {
    let (mut order, id) = with_card(Pending);
    let cancelled = IntentSnapshot { amount_minor: 2499, ..snapshot(&order, id, IntentState::Cancelled) };
    assert_eq!(order.apply_snapshot(id, &cancelled, Source::Poll), SnapshotOutcome::Applied);
    assert_eq!((statuses(&order), reviews(&order)), (vec![PaymentStatus::Cancelled], vec![]));
}

#[test]
fn a_refund_that_fails_after_it_was_reported_is_reviewed() {
    let (mut order, id) = with_card(Pending);
    apply_event(&mut order, id, IntentState::Succeeded);
    order.change_status(Cancelled, None).unwrap();
    order.apply_refund(id, &Refund { id: "re_1".to_owned(), state: RefundState::Succeeded });
    let failed = |refund_id: &str| IntentSnapshot {
        failed_refund: Some(refund_id.to_owned()),
        ..snapshot(&order, id, IntentState::Succeeded)
    };
    let (other, failed) = (failed("re_0"), failed("re_1"));
    let mut polled = order.clone();
    assert_eq!(order.apply_snapshot(id, &other, Source::Event), SnapshotOutcome::Unchanged);
    assert_eq!(order.apply_snapshot(id, &failed, Source::Event), SnapshotOutcome::Applied);
    assert_eq!((statuses(&order), reviews(&order)), (vec![Refunded], vec![ReviewReason::RefundFailed]));
    assert!(matches!(
        resolve(&mut order.clone(), id, Resolution::Retry),
        Err(Error::InvalidResolution { .. })
    ));
    resolve(&mut order, id, Resolution::Refunded).unwrap();
    assert_eq!((order.status, statuses(&order)), (Cancelled, vec![Refunded]));

    // If the event is lost, a later poll finds the same. An old event does not.
    let snapshot = snapshot(&polled, id, IntentState::Succeeded);
    assert_eq!(polled.apply_snapshot(id, &snapshot, Source::Event), SnapshotOutcome::Unchanged);
    polled.apply_snapshot(id, &snapshot, Source::Poll);
    assert_eq!(reviews(&polled), [ReviewReason::RefundFailed]);
}

#[test]
fn a_refund_elsewhere_whose_event_was_lost_is_reviewed() {
    let (mut order, id) = with_card(Pending);
    apply_event(&mut order, id, IntentState::Succeeded);
    assert_eq!(order.due_action(&order.payments[0], WINDOW), Action::Poll);
    let snapshot = snapshot(&order, id, IntentState::Refunded);
    order.apply_snapshot(id, &snapshot, Source::Poll);
    assert_eq!((order.status, statuses(&order)), (Paid, vec![Completed]));
    assert_eq!(reviews(&order), [ReviewReason::RefundedElsewhere]);
    let mut kept = order.clone();
    resolve(&mut order, id, Resolution::Refunded).unwrap();
    assert_eq!((order.status, statuses(&order)), (Cancelled, vec![Refunded]));
    resolve(&mut kept, id, Resolution::Completed).unwrap();
    assert_eq!((kept.status, statuses(&kept)), (Paid, vec![Completed]));
}

#[test]
fn refunds_that_fail_again_and_again_are_reviewed() {
    let (mut order, id) = with_card(Pending);
    apply_event(&mut order, id, IntentState::Succeeded);
    order.change_status(Cancelled, None).unwrap();
    let mut keys = Vec::new();
    for _ in 0..20 {
        assert_eq!(order.due_action(&order.payments[0], WINDOW), Action::Refund);
        keys.push(order.payments[0].refund_key());
        order.apply_refund(id, &Refund { id: "re".to_owned(), state: RefundState::Failed });
    }
    assert_eq!(order.due_action(&order.payments[0], WINDOW), Action::Review);
    order.open_review(id, Review { reason: ReviewReason::RefundFailed, reported: None });
    resolve(&mut order, id, Resolution::Retry).unwrap();
    assert_eq!(order.due_action(&order.payments[0], WINDOW), Action::Refund);
    assert!(!keys.contains(&order.payments[0].refund_key()), "the provider repeats its response to a key");
}

#[test]
fn nothing_is_polled_without_end() {
    let (mut order, id) = with_card(Pending);
    let action = |order: &OrderPayments| order.due_action(&order.payments[0], None);
    order.payments[0].poll_count = 1_999;
    assert_eq!(action(&order), Action::Poll);
    order.payments[0].poll_count = 2_000;
    assert_eq!(action(&order), Action::CancelIntent);
    order.payments[0].poll_count = 2_050;
    assert_eq!(action(&order), Action::Review, "it cannot be cancelled");
    apply_event(&mut order, id, IntentState::Processing);
    assert_eq!(action(&order), Action::Poll, "something has changed");
    order.payments[0].poll_count = 2_000;
    assert_eq!(action(&order), Action::Review);

    apply_event(&mut order, id, IntentState::Succeeded);
    let mut polls = 0;
    while let Some(pause) = order.next_poll_in(&order.payments[0], None) {
        assert!(pause >= Duration::from_secs(600));
        order.payments[0].age_ms += i64::try_from(pause.as_millis()).unwrap();
        polls += 1;
    }
    assert_eq!(polls, 7, "in 30 days");
}
