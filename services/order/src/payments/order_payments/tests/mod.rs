mod failed_refunds;
mod refunds;
mod reviews;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    orders::status::OrderStatus::{Cancelled, Confirmed, Paid, Pending, Shipped},
    payments::{
        payment::PaymentStatus::{self, Failed, RequiresPayment},
        provider::{IntentSnapshot, IntentState, Refund, RefundState},
    },
};

const WINDOW: Option<Duration> = Some(Duration::from_secs(1800));

fn without_payments(status: OrderStatus) -> OrderPayments {
    OrderPayments {
        order_id: Uuid::now_v7(),
        status,
        total_minor: 2500,
        currency: "USD".to_owned(),
        age_ms: 0,
        payments: Vec::new(),
        new_events: Vec::new(),
        review_changes: Vec::new(),
        refund_changes: Vec::new(),
        has_shipments: false,
    }
}

/// An order with one card payment, and the payment's id.
fn with_card(status: OrderStatus) -> (OrderPayments, Uuid) {
    let mut order = without_payments(status);
    let payment = order.start_payment("stripe");
    payment.intent_id = Some("pi_1".to_owned());
    let id = payment.id;
    (order, id)
}

fn snapshot(order: &OrderPayments, payment_id: Uuid, state: IntentState) -> IntentSnapshot {
    IntentSnapshot {
        intent_id: order
            .payment(payment_id)
            .and_then(|payment| payment.intent_id.clone())
            .unwrap_or_default(),
        order_id: Some(order.order_id),
        payment_id: Some(payment_id),
        amount_minor: 2500,
        currency: "USD".to_owned(),
        state,
        refunded_minor: 0,
        failed_refund: None,
    }
}

fn apply_event(order: &mut OrderPayments, payment_id: Uuid, state: IntentState) -> SnapshotOutcome {
    let snapshot = snapshot(order, payment_id, state);
    order.apply_snapshot(payment_id, &snapshot, Source::Event)
}

fn statuses(order: &OrderPayments) -> Vec<PaymentStatus> {
    order.payments.iter().map(|payment| payment.status).collect()
}

/// The events without payment ids and actors.
fn events(order: &OrderPayments) -> Vec<(OrderStatus, bool, Option<PaymentStatus>)> {
    order
        .new_events
        .iter()
        .map(|event| (event.status, event.status_changed, event.payment.map(|(_, status)| status)))
        .collect()
}

#[test]
fn a_payment_pays_the_order_and_is_refunded_when_it_is_cancelled() {
    let (mut order, id) = with_card(Pending);
    assert_eq!(apply_event(&mut order, id, IntentState::Processing), SnapshotOutcome::Applied);
    assert_eq!(apply_event(&mut order, id, IntentState::Succeeded), SnapshotOutcome::Applied);
    order.change_status(Cancelled, None).unwrap();
    order.apply_refund(id, &Refund { id: "re_1".to_owned(), state: RefundState::Pending });
    order.apply_refund(id, &Refund { id: "re_1".to_owned(), state: RefundState::Succeeded });
    assert_eq!(
        events(&order),
        [
            (Pending, false, Some(RequiresPayment)),
            (Pending, false, Some(Processing)),
            (Paid, true, Some(Completed)),
            (Cancelled, true, Some(RefundPending)),
            (Cancelled, false, Some(Refunded)),
        ]
    );
    assert_eq!(order.payments[0].refund_id.as_deref(), Some("re_1"));
    assert_eq!(order.payments[0].refunded_minor, 2500);
    assert_eq!(order.due_action(&order.payments[0], WINDOW), Action::Poll, "a refund may fail later");
    order.payments[0].age_ms = 31 * 24 * 3_600_000;
    assert_eq!(order.due_action(&order.payments[0], WINDOW), Action::Nothing);
}

#[test]
fn a_payment_of_a_cancelled_order_is_refunded() {
    let (mut order, id) = with_card(Pending);
    order.change_status(Cancelled, None).unwrap();
    assert_eq!(order.due_action(&order.payments[0], WINDOW), Action::CancelIntent);
    apply_event(&mut order, id, IntentState::Succeeded);
    assert_eq!(order.due_action(&order.payments[0], WINDOW), Action::Refund);
    assert_eq!(
        events(&order)[2..],
        [(Cancelled, false, Some(Completed)), (Cancelled, false, Some(RefundPending))]
    );
}

#[test]
fn a_refund_is_completed_by_its_own_state_only() {
    let (mut order, id) = with_card(Pending);
    apply_event(&mut order, id, IntentState::Succeeded);
    order.change_status(Cancelled, None).unwrap();
    assert_eq!(
        apply_event(&mut order, id, IntentState::Refunded),
        SnapshotOutcome::Unchanged,
        "it may still fail"
    );
    order.apply_refund(id, &Refund { id: "re_1".to_owned(), state: RefundState::Failed });
    assert_eq!((statuses(&order), order.payments[0].failed_refunds), (vec![RefundPending], 1));
    order.apply_refund(id, &Refund { id: "re_2".to_owned(), state: RefundState::Succeeded });
    assert_eq!(statuses(&order), [Refunded]);
}

#[test]
fn a_card_payment_of_an_order_marked_paid_is_refunded() {
    let (mut order, id) = with_card(Pending);
    order.change_status(Paid, None).unwrap();
    assert_eq!(order.due_action(&order.payments[0], WINDOW), Action::CancelIntent);
    apply_event(&mut order, id, IntentState::Succeeded);
    assert_eq!(statuses(&order), [RefundPending, Completed]);
    assert_eq!(order.status, Paid);
}

#[test]
fn a_shipped_order_accepts_its_payment_and_stays_shipped() {
    let (mut order, id) = with_card(Confirmed);
    order.change_status(Shipped, None).unwrap();
    apply_event(&mut order, id, IntentState::Succeeded);
    assert_eq!((order.status, statuses(&order)), (Shipped, vec![Completed]));
}

#[test]
fn an_external_refund_cancels_the_order_unless_it_is_shipped() {
    let (mut order, id) = with_card(Pending);
    apply_event(&mut order, id, IntentState::Succeeded);
    let mut shipped = order.clone();
    apply_event(&mut order, id, IntentState::Refunded);
    assert_eq!((order.status, statuses(&order)), (Cancelled, vec![Refunded]));
    assert!(order.was_cancelled());

    shipped.change_status(Shipped, None).unwrap();
    apply_event(&mut shipped, id, IntentState::Refunded);
    assert_eq!((shipped.status, statuses(&shipped)), (Shipped, vec![Refunded]));
}

#[test]
fn snapshots_of_other_payments_change_nothing() {
    let (mut order, id) = with_card(Pending);
    let right = snapshot(&order, id, IntentState::Succeeded);
    let before = format!("{order:?}");
    for (wrong, outcome) in [
        (IntentSnapshot { order_id: Some(Uuid::now_v7()), ..right.clone() }, SnapshotOutcome::WrongOrder),
        (IntentSnapshot { intent_id: "pi_2".to_owned(), ..right.clone() }, SnapshotOutcome::WrongIntent),
    ] {
        assert_eq!(order.apply_snapshot(id, &wrong, Source::Event), outcome);
        assert_eq!(format!("{order:?}"), before);
    }
    assert_eq!(order.apply_snapshot(Uuid::now_v7(), &right, Source::Event), SnapshotOutcome::UnknownPayment);
    assert_eq!(order.apply_snapshot(id, &right, Source::Event), SnapshotOutcome::Applied);
}

#[test]
fn only_a_poll_reopens_a_declined_payment() {
    let (mut order, id) = with_card(Pending);
    apply_event(&mut order, id, IntentState::Declined);
    assert_eq!(apply_event(&mut order, id, IntentState::Processing), SnapshotOutcome::Unchanged);
    let snapshot = snapshot(&order, id, IntentState::Processing);
    assert_eq!(order.apply_snapshot(id, &snapshot, Source::Poll), SnapshotOutcome::Applied);
    assert_eq!(statuses(&order), [Processing]);
}

#[test]
fn unpaid_orders_expire_after_placing_unless_they_are_confirmed() {
    let expire = |mut order: OrderPayments| {
        order.age_ms = 1_801_000;
        order.expire(WINDOW, &["stripe".to_owned()]).unwrap();
        order.status
    };
    assert_eq!(expire(without_payments(Pending)), Cancelled);
    assert_eq!(expire(without_payments(Confirmed)), Confirmed);
    let mut offline = without_payments(Pending);
    offline.start_payment(offline::NAME);
    assert_eq!(expire(offline.clone()), Cancelled);
    assert_eq!(expire(with_card(Pending).0), Pending, "its intent is cancelled first");

    offline.age_ms = 1_799_000;
    offline.expire(WINDOW, &[]).unwrap();
    assert_eq!(offline.status, Pending);
    offline.age_ms = i64::MAX;
    offline.expire(None, &[]).unwrap();
    assert_eq!(offline.status, Pending, "there is no window");

    let (mut confirmed, id) = with_card(Confirmed);
    confirmed.age_ms = 1_801_000;
    assert_eq!(confirmed.due_action(&confirmed.payments[0], WINDOW), Action::Poll);
    apply_event(&mut confirmed, id, IntentState::Cancelled);
    assert_eq!(confirmed.due_action(&confirmed.payments[0], WINDOW), Action::Nothing);
    assert_eq!(confirmed.next_poll_in(&confirmed.payments[0], WINDOW), None);
}

#[test]
fn only_pending_orders_expire() {
    let expired = |order: &mut OrderPayments| {
        order.age_ms = 1_801_000;
        order.due_action(&order.payments[0], WINDOW)
    };
    let (mut pending, id) = with_card(Pending);
    assert_eq!(pending.due_action(&pending.payments[0], WINDOW), Action::Poll);
    assert_eq!(expired(&mut pending), Action::CancelIntent);
    assert_eq!(pending.due_action(&pending.payments[0], None), Action::Poll, "the window is off");
    apply_event(&mut pending, id, IntentState::Cancelled);
    assert_eq!(pending.due_action(&pending.payments[0], WINDOW), Action::CancelOrder);

    let (mut shipped, _) = with_card(Shipped);
    assert_eq!(expired(&mut shipped), Action::Poll);
    let mut offline = without_payments(Pending);
    offline.start_payment(offline::NAME);
    assert_eq!(expired(&mut offline), Action::CancelIntent);
}

#[test]
fn polls_are_frequent_while_a_client_may_wait() {
    let (mut order, id) = with_card(Pending);
    let next_poll_in =
        |order: &OrderPayments| order.next_poll_in(&order.payments[0], WINDOW).unwrap().as_secs_f64();
    assert!(next_poll_in(&order) <= 1.0);
    order.payments[0].poll_count = 100;
    assert!((3.0..=6.0).contains(&next_poll_in(&order)), "a client may be waiting");
    order.record_failed_poll(id);
    assert!(next_poll_in(&order) <= 3.0, "after a failed poll");
    order.payments[0].last_poll_failed = false;
    order.payments[0].age_ms = 1_801_000;
    let without_window = order.next_poll_in(&order.payments[0], None).unwrap().as_secs_f64();
    assert!((15.0..=30.0).contains(&without_window), "{without_window}");
    order.age_ms = 1_799_000;
    assert!(next_poll_in(&order) <= 1.0, "when the window ends");
    apply_event(&mut order, id, IntentState::Declined);
    apply_event(&mut order, id, IntentState::Cancelled);
    assert!(next_poll_in(&order) <= 1.0, "the order is to be cancelled");
    apply_event(&mut order, id, IntentState::Succeeded);
    assert!(next_poll_in(&order) >= 600.0, "the money may be refunded elsewhere");
}

#[derive(Clone, Debug)]
enum Change {
    Status(OrderStatus),
    StartPayment,
    CloseUnpaid(usize),
    Snapshot(usize, IntentState, Source),
    Refund(usize, RefundState),
}

fn intent_state() -> impl Strategy<Value = IntentState> {
    use IntentState::{Cancelled, Declined, Open, Processing, Refunded, Succeeded};
    prop::sample::select(vec![Open, Processing, Declined, Cancelled, Succeeded, Refunded])
}

fn change() -> impl Strategy<Value = Change> {
    let source = prop::sample::select(vec![Source::Poll, Source::Event]);
    let state = prop::sample::select(vec![RefundState::Pending, RefundState::Succeeded, RefundState::Failed]);
    prop_oneof![
        prop::sample::select(OrderStatus::ALL.to_vec()).prop_map(Change::Status),
        Just(Change::StartPayment),
        (0..4_usize).prop_map(Change::CloseUnpaid),
        (0..4_usize, intent_state(), source)
            .prop_map(|(which, state, source)| Change::Snapshot(which, state, source)),
        (0..4_usize, state).prop_map(|(which, state)| Change::Refund(which, state)),
    ]
}

fn apply(order: &mut OrderPayments, change: &Change) {
    let id = |order: &OrderPayments, which: usize| {
        order.payments.get(which).map_or_else(Uuid::now_v7, |payment| payment.id)
    };
    match change {
        Change::Status(to) => drop(order.change_status(*to, None)),
        Change::StartPayment => {
            // As `start` does: if no payment is open.
            if order.check_payable().is_ok() && !order.payments.iter().any(Payment::may_be_paid) {
                let name = format!("pi_{}", order.payments.len());
                order.start_payment("stripe").intent_id = Some(name);
            }
        }
        Change::CloseUnpaid(which) => order.close_cancelled(id(order, *which)),
        Change::Snapshot(which, state, source) => {
            let id = id(order, *which);
            let snapshot = snapshot(order, id, *state);
            order.apply_snapshot(id, &snapshot, *source);
        }
        Change::Refund(which, state) => {
            let refund = Refund { id: "re_1".to_owned(), state: *state };
            order.apply_refund(id(order, *which), &refund);
        }
    }
}

proptest! {
    #[test]
    fn events_lead_to_the_same_state_in_any_order(
        events in prop::collection::vec(intent_state(), 1..12).prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        order in prop::sample::select(vec![Pending, Confirmed, Shipped, Cancelled]),
    ) {
        let end = |events: &[IntentState]| {
            let (mut order, id) = with_card(order);
            for state in events {
                apply_event(&mut order, id, *state);
            }
            (order.status, order.payments[0].status, order.payments[0].closed)
        };
        let (one, other) = (end(&events.0), end(&events.1));
        prop_assert_eq!(one, other);
    }

    #[test]
    fn money_arrives_once_and_is_refunded_once(changes in prop::collection::vec(change(), 0..40)) {
        let mut order = without_payments(Pending);
        for change in &changes {
            apply(&mut order, change);
            let completed = order.payments.iter().filter(|payment| payment.status == Completed).count();
            let open = order.payments.iter().filter(|payment| payment.status.is_open()).count();
            prop_assert!(completed <= 1 && open <= 1, "{order:?}");
            prop_assert!(order.status != Paid || completed == 1, "paid without a completed payment: {order:?}");
            prop_assert!(order.status != Cancelled || completed == 0, "cancelled with a completed payment: {order:?}");
            for payment in &order.payments {
                prop_assert!(!payment.closed || matches!(payment.status, Failed | PaymentStatus::Cancelled | Refunded), "{payment:?}");
                for once in [Completed, RefundPending, Refunded] {
                    let times = order.new_events.iter().filter(|event| event.payment == Some((payment.id, once))).count();
                    prop_assert!(times <= 1, "{once:?} {times} times: {order:?}");
                }
            }
        }
        let mut statuses: Vec<_> = order.new_events.iter().filter(|event| event.status_changed).map(|event| event.status).collect();
        let entered = statuses.len();
        statuses.dedup();
        prop_assert_eq!(statuses.len(), entered);
        prop_assert!(order.new_events.last().is_none_or(|event| event.status == order.status));
    }
}
