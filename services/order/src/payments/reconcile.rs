//! Payments that somebody has to look at: shoppers may have paid without anybody telling us, orders may not want their
//! payment any more, and money may have to go back.
//!
//! What is to be done follows from the books alone ([`Books::task`]), and is done by whoever comes first: the call that
//! made it necessary, or the loop of any replica. The provider is asked between transactions; what it answers is
//! taken in as if it had been told by an event. So stopping anywhere needs no more than the next look.

use bodega_runtime::worker::Worker;
use tokio::time::timeout;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::{
    App, bookkeeping,
    books::{Books, Outcome, Source, Task},
    bounds::{AT_ONCE, INLINE, INTERVAL, LOOK},
    error::Error,
    outbox,
    payment::Payment,
    provider::{Failure, IntentSnapshot, Provider, Refund},
    status::OrderStatus,
    store::{self, books::Due},
};

const WORKER: Worker =
    Worker { name: "payments to look at", interval: INTERVAL, concurrency: AT_ONCE, timeout: LOOK };

/// Looks at what is due, for as long as the service runs.
pub(crate) async fn run(app: App) {
    let providers = app.payments.names();
    let claim = || store::books::claim(&app.db, &providers, AT_ONCE);
    WORKER.run(claim, |due| look_or_leave(&app, due)).await;
}

async fn look_or_leave(app: &App, due: Due) {
    if let Err(cause) = look_at(app, due).await {
        let id = due.order_id;
        warn!(order.id = %id, "The payment of order {id} is left for later: {cause}");
    }
}

/// Does what an order's payments need now, if their providers answer soon; else the loop will.
pub(crate) async fn settle_now(app: &App, books: &Books) {
    let id = books.id;
    let settled = timeout(INLINE, async {
        for payment in &books.payments {
            if matches!(books.task(payment, app.payments.window()), Task::CallOff | Task::Refund) {
                look_or_leave(app, Due { order_id: id, payment_id: payment.id }).await;
            }
        }
    });
    if settled.await.is_err() {
        warn!(order.id = %id, "The payment of order {id} is left for later: no answer yet");
    }
}

/// What a provider said.
enum Answer {
    /// It need not be asked.
    None,
    IntentSnapshot(IntentSnapshot),
    Refund(Refund),
    Failure(Failure),
}

/// Looks at a payment, and does what is to be done about it.
///
/// # Errors
/// The database's, and [`Error::ProviderDown`]: it is done at another look.
pub(crate) async fn look_at(app: &App, due: Due) -> Result<(), Error> {
    attend(app, due, |books, payment| books.task(payment, app.payments.window())).await
}

/// Calls a payment off, whatever its order wants.
///
/// # Errors
/// As [`look_at`].
pub(crate) async fn call_off(app: &App, due: Due) -> Result<(), Error> {
    attend(app, due, |_, payment| if payment.is_live() { Task::CallOff } else { Task::Rest }).await
}

async fn attend(app: &App, due: Due, task: impl Fn(&Books, &Payment) -> Task) -> Result<(), Error> {
    let Some(books) = store::books::read(&app.db, due.order_id).await? else { return Ok(()) };
    let Some(payment) = books.payment(due.payment_id) else { return Ok(()) };
    let Some(provider) = app.payments.by_name(&payment.provider) else {
        return Err(Error::ProviderDown(format!("{} is not configured", payment.provider)));
    };
    let answer = ask(provider.as_ref(), task(&books, payment), due.order_id, payment).await;
    if write_down(app, due, payment, &answer, task).await? {
        outbox::tell_now(app, due.order_id).await;
    }
    match answer {
        Answer::Failure(cause) => Err(Error::ProviderDown(cause.to_string())),
        Answer::None | Answer::IntentSnapshot(_) | Answer::Refund(_) => Ok(()),
    }
}

async fn ask(provider: &dyn Provider, task: Task, order_id: Uuid, payment: &Payment) -> Answer {
    let intent_id = payment.intent_id.as_deref();
    let snapshot = match (task, intent_id) {
        (Task::LookUp, Some(intent_id)) => provider.look_up(intent_id, &payment.wanted(order_id)).await,
        (Task::CallOff, Some(intent_id)) => provider.cancel(intent_id, &payment.wanted(order_id)).await,
        (Task::Refund, _) => {
            let refund = match &payment.refund_id {
                Some(refund_id) => provider.look_up_refund(refund_id).await,
                None => provider.refund(intent_id.unwrap_or_default(), &payment.refund_key()).await,
            };
            return refund.map_or_else(Answer::Failure, Answer::Refund);
        }
        _ => return Answer::None,
    };
    snapshot.map_or_else(Answer::Failure, Answer::IntentSnapshot)
}

/// Writes down what came of a look at a payment as it was `asked` about, and ends what has waited for too long. Whether
/// the order was cancelled with it.
async fn write_down(
    app: &App,
    due: Due,
    asked: &Payment,
    answer: &Answer,
    task: impl Fn(&Books, &Payment) -> Task,
) -> Result<bool, Error> {
    let Due { order_id, payment_id } = due;
    let keep = |books: &mut Books| {
        take_in(books, asked, answer);
        let task = |books: &Books| books.payment(payment_id).map(|payment| task(books, payment));
        let was_never_made = books.payment(payment_id).is_some_and(Payment::was_never_made);
        if task(books) == Some(Task::CallOff) && was_never_made {
            books.give_up(payment_id);
        }
        if task(books) == Some(Task::Expire) {
            books.move_to(OrderStatus::Cancelled, None)?;
        }
        Ok(())
    };
    let (books, ()) = bookkeeping::keep(app, order_id, None, keep).await?;
    log(&books);
    Ok(books.was_cancelled())
}

/// Takes in what a provider said of a payment as it was `asked` about. That may be a while ago, and others may have
/// asked since.
fn take_in(books: &mut Books, asked: &Payment, answer: &Answer) {
    let id = asked.id;
    let Some(payment) = books.payment(id) else { return };
    let is_as_asked = (payment.status, payment.poll_count) == (asked.status, asked.poll_count);
    // Of a refund that has failed, another may be under way by now.
    let is_same_refund =
        (payment.failed_refunds, &payment.refund_id) == (asked.failed_refunds, &asked.refund_id);
    books.looked_at(id);
    match answer {
        Answer::Refund(_) | Answer::Failure(Failure::Spent(_) | Failure::Refused(_)) if !is_same_refund => {}
        Answer::IntentSnapshot(snapshot) => {
            let source = if is_as_asked { Source::Asked } else { Source::Told };
            let outcome = books.take_in(id, snapshot, source);
            if !matches!(outcome, Outcome::Applied | Outcome::Unchanged) {
                let (order_id, what) = (books.id, outcome.as_str());
                error!(order.id = %order_id, "The provider's intent is not that of order {order_id}: {what}");
            }
        }
        Answer::Refund(refund) => books.take_in_refund(id, refund),
        // Either is what this key will go on to be answered with.
        Answer::Failure(Failure::Spent(_) | Failure::Refused(_)) => books.refund_failed(id),
        Answer::Failure(Failure::Unavailable(_)) => books.unanswered(id),
        Answer::None => {}
    }
}

/// Tells what was decided.
pub(crate) fn log(books: &Books) {
    let id = books.id;
    for step in &books.steps {
        if step.moved {
            info!(order.id = %id, "Order {id} is {}", step.status);
        }
        if let Some((_, status)) = step.payment {
            info!(order.id = %id, "The payment of order {id} is {}", status.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        payment::PaymentStatus,
        provider::{IntentState, RefundState},
    };

    /// The books of an order with one card payment that stands there.
    fn books(status: PaymentStatus) -> Books {
        let mut books = Books {
            id: Uuid::now_v7(),
            status: OrderStatus::Pending,
            total_minor: 2500,
            currency: "USD".to_owned(),
            payments: vec![Payment::new(1, "stripe", 2500, "USD")],
            steps: Vec::new(),
        };
        books.payments[0].intent_id = Some("pi_1".to_owned());
        books.payments[0].status = status;
        books
    }

    fn processing() -> Answer {
        Answer::IntentSnapshot(IntentSnapshot {
            intent_id: "pi_1".to_owned(),
            order_id: None,
            payment_id: None,
            amount_minor: 2500,
            currency: "USD".to_owned(),
            state: IntentState::Processing,
        })
    }

    #[test]
    fn what_was_seen_before_others_looked_again_is_how_things_stood_once() {
        let mut books = books(PaymentStatus::Failed);
        let asked = books.payments[0].clone();
        let mut overtaken = books.clone();
        take_in(&mut books, &asked, &processing());
        assert_eq!(books.payments[0].status, PaymentStatus::Processing, "the shopper tries again");
        overtaken.looked_at(asked.id);
        take_in(&mut overtaken, &asked, &processing());
        assert_eq!(overtaken.payments[0].status, PaymentStatus::Failed, "that was declined, too");
    }

    #[test]
    fn a_refusal_that_comes_after_others_have_made_the_refund_does_not_ask_for_another() {
        let refused = Answer::Failure(Failure::Refused("no".to_owned()));
        let mut books = books(PaymentStatus::RefundPending);
        let asked = books.payments[0].clone();
        let mut overtaken = books.clone();
        take_in(&mut books, &asked, &refused);
        assert_ne!(books.payments[0].refund_key(), asked.refund_key());
        let made = Refund { id: "re_1".to_owned(), state: RefundState::Pending };
        overtaken.take_in_refund(asked.id, &made);
        take_in(&mut overtaken, &asked, &refused);
        assert_eq!(overtaken.payments[0].refund_key(), asked.refund_key());
        assert_eq!(overtaken.payments[0].refund_id.as_deref(), Some("re_1"));
    }
}
