use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    payment::PaymentStatus::{Failed, RequiresPayment},
    provider::{IntentSnapshot, IntentState, Refund, RefundState},
    status::OrderStatus::{Cancelled, Confirmed, Paid, Pending, Shipped},
};

const WINDOW: Option<Duration> = Some(Duration::from_secs(1800));

fn books(status: OrderStatus) -> Books {
    Books {
        id: Uuid::now_v7(),
        status,
        total_minor: 2500,
        currency: "USD".to_owned(),
        payments: Vec::new(),
        steps: Vec::new(),
    }
}

/// With one card payment, whose intent is known.
fn with_card(status: OrderStatus) -> (Books, Uuid) {
    let mut books = books(status);
    let payment = books.begin("stripe");
    payment.intent_id = Some("pi_1".to_owned());
    let id = payment.id;
    (books, id)
}

fn snapshot(books: &Books, payment_id: Uuid, state: IntentState) -> IntentSnapshot {
    IntentSnapshot {
        intent_id: books
            .payment(payment_id)
            .and_then(|payment| payment.intent_id.clone())
            .unwrap_or_default(),
        order_id: Some(books.id),
        payment_id: Some(payment_id),
        amount_minor: 2500,
        currency: "USD".to_owned(),
        state,
    }
}

fn tell(books: &mut Books, payment_id: Uuid, state: IntentState) -> Outcome {
    let snapshot = snapshot(books, payment_id, state);
    books.take_in(payment_id, &snapshot, Source::Told)
}

fn statuses(books: &Books) -> Vec<PaymentStatus> {
    books.payments.iter().map(|payment| payment.status).collect()
}

/// The steps that a history shows.
fn steps(books: &Books) -> Vec<(OrderStatus, bool, Option<PaymentStatus>)> {
    books.steps.iter().map(|step| (step.status, step.moved, step.payment.map(|(_, status)| status))).collect()
}

#[test]
fn money_that_comes_pays_the_order_and_goes_back_when_it_is_cancelled() {
    let (mut books, id) = with_card(Pending);
    assert_eq!(tell(&mut books, id, IntentState::Processing), Outcome::Applied);
    assert_eq!(tell(&mut books, id, IntentState::Succeeded), Outcome::Applied);
    books.move_to(Cancelled, None).unwrap();
    books.take_in_refund(id, &Refund { id: "re_1".to_owned(), state: RefundState::Pending });
    books.take_in_refund(id, &Refund { id: "re_1".to_owned(), state: RefundState::Succeeded });
    assert_eq!(
        steps(&books),
        [
            (Pending, false, Some(RequiresPayment)),
            (Pending, false, Some(Processing)),
            (Paid, true, Some(Completed)),
            (Cancelled, true, Some(RefundPending)),
            (Cancelled, false, Some(Refunded)),
        ]
    );
    assert_eq!(books.task(&books.payments[0], WINDOW), Task::Rest);
}

#[test]
fn money_for_a_cancelled_order_goes_back() {
    let (mut books, id) = with_card(Pending);
    books.move_to(Cancelled, None).unwrap();
    assert_eq!(books.task(&books.payments[0], WINDOW), Task::CallOff);
    tell(&mut books, id, IntentState::Succeeded);
    assert_eq!(books.task(&books.payments[0], WINDOW), Task::Refund);
    assert_eq!(
        steps(&books)[2..],
        [(Cancelled, false, Some(Completed)), (Cancelled, false, Some(RefundPending))]
    );
}

#[test]
fn a_refund_of_ours_is_over_when_it_says_so() {
    let (mut books, id) = with_card(Pending);
    tell(&mut books, id, IntentState::Succeeded);
    books.move_to(Cancelled, None).unwrap();
    assert_eq!(tell(&mut books, id, IntentState::Refunded), Outcome::Unchanged, "it may still fail");
    books.take_in_refund(id, &Refund { id: "re_1".to_owned(), state: RefundState::Failed });
    assert_eq!((statuses(&books), books.payments[0].failed_refunds), (vec![RefundPending], 1));
    books.take_in_refund(id, &Refund { id: "re_2".to_owned(), state: RefundState::Succeeded });
    assert_eq!(statuses(&books), [Refunded]);
}

#[test]
fn money_for_an_order_that_an_admin_has_seen_paid_goes_back() {
    let (mut books, id) = with_card(Pending);
    books.move_to(Paid, None).unwrap();
    assert_eq!(books.task(&books.payments[0], WINDOW), Task::CallOff);
    tell(&mut books, id, IntentState::Succeeded);
    assert_eq!(statuses(&books), [RefundPending, Completed]);
    assert_eq!(books.status, Paid);
}

#[test]
fn an_order_on_its_way_takes_its_money_and_stays_where_it_is() {
    let (mut books, id) = with_card(Confirmed);
    books.move_to(Shipped, None).unwrap();
    tell(&mut books, id, IntentState::Succeeded);
    assert_eq!((books.status, statuses(&books)), (Shipped, vec![Completed]));
}

#[test]
fn an_order_whose_money_was_given_back_elsewhere_ends_unless_it_has_left() {
    let (mut books, id) = with_card(Pending);
    tell(&mut books, id, IntentState::Succeeded);
    let mut shipped = books.clone();
    tell(&mut books, id, IntentState::Refunded);
    assert_eq!((books.status, statuses(&books)), (Cancelled, vec![Refunded]));
    assert!(books.was_cancelled());

    shipped.move_to(Shipped, None).unwrap();
    tell(&mut shipped, id, IntentState::Refunded);
    assert_eq!((shipped.status, statuses(&shipped)), (Shipped, vec![Refunded]));
}

#[test]
fn what_does_not_belong_to_a_payment_changes_nothing() {
    let (mut books, id) = with_card(Pending);
    let right = snapshot(&books, id, IntentState::Succeeded);
    let before = format!("{books:?}");
    for (wrong, outcome) in [
        (IntentSnapshot { amount_minor: 2499, ..right.clone() }, Outcome::WrongAmount),
        (IntentSnapshot { currency: "EUR".to_owned(), ..right.clone() }, Outcome::WrongCurrency),
        (IntentSnapshot { order_id: Some(Uuid::now_v7()), ..right.clone() }, Outcome::WrongOrder),
        (IntentSnapshot { intent_id: "pi_2".to_owned(), ..right.clone() }, Outcome::WrongIntent),
    ] {
        assert_eq!(books.take_in(id, &wrong, Source::Told), outcome);
        assert_eq!(format!("{books:?}"), before);
    }
    assert_eq!(books.take_in(Uuid::now_v7(), &right, Source::Told), Outcome::UnknownPayment);
    assert_eq!(books.take_in(id, &right, Source::Told), Outcome::Applied);
}

#[test]
fn a_shopper_who_was_declined_is_seen_to_try_again_only_by_asking() {
    let (mut books, id) = with_card(Pending);
    tell(&mut books, id, IntentState::Declined);
    assert_eq!(tell(&mut books, id, IntentState::Processing), Outcome::Unchanged);
    let snapshot = snapshot(&books, id, IntentState::Processing);
    assert_eq!(books.take_in(id, &snapshot, Source::Asked), Outcome::Applied);
    assert_eq!(statuses(&books), [Processing]);
}

#[test]
fn only_a_card_payment_of_an_order_that_can_be_cancelled_expires() {
    let expired = |books: &mut Books| {
        books.payments[0].age_seconds = 1801.0;
        books.task(&books.payments[0], WINDOW)
    };
    let (mut pending, id) = with_card(Pending);
    assert_eq!(pending.task(&pending.payments[0], WINDOW), Task::LookUp);
    assert_eq!(expired(&mut pending), Task::CallOff);
    assert_eq!(pending.task(&pending.payments[0], None), Task::LookUp, "the window is off");
    tell(&mut pending, id, IntentState::Cancelled);
    assert_eq!(pending.task(&pending.payments[0], WINDOW), Task::Expire);

    let (mut shipped, _) = with_card(Shipped);
    assert_eq!(expired(&mut shipped), Task::LookUp);
    let mut offline = books(Pending);
    offline.begin(OFFLINE);
    assert_eq!(expired(&mut offline), Task::Rest);
}

#[test]
fn a_payment_is_looked_at_in_time() {
    let (mut books, id) = with_card(Pending);
    let look_in = |books: &Books| books.look_in(&books.payments[0], WINDOW).unwrap().as_secs_f64();
    assert!(look_in(&books) <= 1.0);
    books.payments[0].poll_count = 100;
    assert!((3.0..=6.0).contains(&look_in(&books)), "somebody may be waiting for it");
    books.unanswered(id);
    assert!(look_in(&books) <= 3.0, "it may have come meanwhile");
    books.payments[0].is_unanswered = false;
    books.payments[0].age_seconds = 1801.0;
    let look_in_for_ever = books.look_in(&books.payments[0], None).unwrap().as_secs_f64();
    assert!((15.0..=30.0).contains(&look_in_for_ever), "{look_in_for_ever}");
    books.payments[0].age_seconds = 1799.0;
    assert!(look_in(&books) <= 1.0, "when the window closes");
    tell(&mut books, id, IntentState::Declined);
    tell(&mut books, id, IntentState::Cancelled);
    assert!(look_in(&books) <= 1.0, "nothing to ask for, but the order waits");
    tell(&mut books, id, IntentState::Succeeded);
    assert_eq!(books.look_in(&books.payments[0], WINDOW), None);
}

/// What may happen to an order and its payments.
#[derive(Clone, Debug)]
enum Happening {
    Move(OrderStatus),
    Begin,
    GiveUp(usize),
    See(usize, IntentState, Source),
    Refund(usize, RefundState),
}

fn intent_state() -> impl Strategy<Value = IntentState> {
    use IntentState::{Cancelled, Declined, Open, Processing, Refunded, Succeeded};
    prop::sample::select(vec![Open, Processing, Declined, Cancelled, Succeeded, Refunded])
}

fn happening() -> impl Strategy<Value = Happening> {
    let source = prop::sample::select(vec![Source::Asked, Source::Told]);
    let state = prop::sample::select(vec![RefundState::Pending, RefundState::Succeeded, RefundState::Failed]);
    prop_oneof![
        prop::sample::select(OrderStatus::ALL.to_vec()).prop_map(Happening::Move),
        Just(Happening::Begin),
        (0..4_usize).prop_map(Happening::GiveUp),
        (0..4_usize, intent_state(), source)
            .prop_map(|(which, state, source)| Happening::See(which, state, source)),
        (0..4_usize, state).prop_map(|(which, state)| Happening::Refund(which, state)),
    ]
}

fn happen(books: &mut Books, happening: &Happening) {
    let id = |books: &Books, which: usize| {
        books.payments.get(which).map_or_else(Uuid::now_v7, |payment| payment.id)
    };
    match happening {
        Happening::Move(to) => drop(books.move_to(*to, None)),
        Happening::Begin => {
            // As `pay` does: when nothing is under way.
            if books.check_payable().is_ok() && !books.payments.iter().any(Payment::is_live) {
                let name = format!("pi_{}", books.payments.len());
                books.begin("stripe").intent_id = Some(name);
            }
        }
        Happening::GiveUp(which) => books.give_up(id(books, *which)),
        Happening::See(which, state, source) => {
            let id = id(books, *which);
            let snapshot = snapshot(books, id, *state);
            books.take_in(id, &snapshot, *source);
        }
        Happening::Refund(which, state) => {
            let refund = Refund { id: "re_1".to_owned(), state: *state };
            books.take_in_refund(id(books, *which), &refund);
        }
    }
}

proptest! {
    #[test]
    fn events_lead_to_one_end_in_whatever_order_they_come(
        events in prop::collection::vec(intent_state(), 1..12).prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        order in prop::sample::select(vec![Pending, Confirmed, Shipped, Cancelled]),
    ) {
        let end = |events: &[IntentState]| {
            let (mut books, id) = with_card(order);
            for state in events {
                tell(&mut books, id, *state);
            }
            (books.status, books.payments[0].status, books.payments[0].closed)
        };
        let (one, other) = (end(&events.0), end(&events.1));
        prop_assert_eq!(one, other);
    }

    #[test]
    fn whatever_happens_money_comes_once_and_goes_back_once(happenings in prop::collection::vec(happening(), 0..40)) {
        let mut books = books(Pending);
        for happening in &happenings {
            happen(&mut books, happening);
            let completed = books.payments.iter().filter(|payment| payment.status == Completed).count();
            let open = books.payments.iter().filter(|payment| payment.status.is_open()).count();
            prop_assert!(completed <= 1 && open <= 1, "{books:?}");
            prop_assert!(books.status != Paid || completed == 1, "paid, without its money: {books:?}");
            prop_assert!(books.status != Cancelled || completed == 0, "cancelled, with its money: {books:?}");
            for payment in &books.payments {
                prop_assert!(!payment.closed || matches!(payment.status, Failed | Refunded), "{payment:?}");
                for once in [Completed, RefundPending, Refunded] {
                    let times = books.steps.iter().filter(|step| step.payment == Some((payment.id, once))).count();
                    prop_assert!(times <= 1, "{once:?} {times} times: {books:?}");
                }
            }
        }
        let mut moves: Vec<_> = books.steps.iter().filter(|step| step.moved).map(|step| step.status).collect();
        let entered = moves.len();
        moves.dedup();
        prop_assert_eq!(moves.len(), entered);
        prop_assert!(books.steps.last().is_none_or(|step| step.status == books.status));
    }
}
