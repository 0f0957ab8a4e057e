//! Payments that somebody has to look at: shoppers may have paid without anybody telling us, orders may not want their
//! payment any more, and money may have to go back.
//!
//! What is to be done follows from the books alone ([`Books::task`]), and is done by whoever comes first: the call that
//! made it necessary, or the loop of any replica. The provider is asked between transactions; what it answers is
//! taken in as if it had been told by an event. So stopping anywhere needs no more than the next look.

use std::time::Duration;

use bodega_runtime::{database, rounds::Rounds};
use tokio::time::timeout;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::{
    App,
    books::{Books, Outcome, Source, Task},
    error::Error,
    outbox,
    payment::Payment,
    provider::{Failure, Provider, Refund, Sighting},
    recover::{BOUND, INTERVAL},
    status::OrderStatus,
    store::{self, books::Due},
};

/// How long a caller is kept waiting for it.
const INLINE_BOUND: Duration = Duration::from_secs(2);
/// How many payments are looked at in one round.
const BATCH: i64 = 64;
const ROUNDS: Rounds = Rounds { what: "payments to look at", interval: INTERVAL, at_once: 8, bound: BOUND };

/// Looks at what is due, for as long as the service runs.
pub(crate) async fn run(app: App) {
    let providers = app.payments.names();
    let claim = || store::books::claim(&app.db, &providers, BATCH);
    ROUNDS.run(claim, |due| look_or_leave(&app, due)).await;
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
    let settled = timeout(INLINE_BOUND, async {
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
    Sighting(Sighting),
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
        Answer::None | Answer::Sighting(_) | Answer::Refund(_) => Ok(()),
    }
}

async fn ask(provider: &dyn Provider, task: Task, order_id: Uuid, payment: &Payment) -> Answer {
    let intent_id = payment.intent_id.as_deref();
    let sighting = match (task, intent_id) {
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
    sighting.map_or_else(Answer::Failure, Answer::Sighting)
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
    let mut transaction = database::begin(&app.db).await?;
    let Some(mut books) = store::books::open(&mut transaction, order_id, None).await? else {
        return Ok(false);
    };
    books.looked_at(payment_id);
    // Of a refund that has failed, another may be under way by now.
    let is_stale = books.payment(payment_id).is_some_and(|payment| payment.refunds != asked.refunds);
    match answer {
        Answer::Refund(_) | Answer::Failure(_) if is_stale => {}
        Answer::Sighting(sighting) => {
            let outcome = books.take_in(payment_id, sighting, Source::Asked);
            if !matches!(outcome, Outcome::Applied | Outcome::Unchanged) {
                let what = outcome.as_str();
                error!(order.id = %order_id, "The provider's intent is not that of order {order_id}: {what}");
            }
        }
        Answer::Refund(refund) => books.take_in_refund(payment_id, refund),
        // Either is what this key will go on to be answered with.
        Answer::Failure(Failure::Spent(_) | Failure::Refused(_)) => books.refund_failed(payment_id),
        Answer::None | Answer::Failure(Failure::Unavailable(_)) => {}
    }
    let task = |books: &Books| books.payment(payment_id).map(|payment| task(books, payment));
    if task(&books) == Some(Task::CallOff) && books.payment(payment_id).is_some_and(Payment::was_never_made) {
        books.give_up(payment_id);
    }
    if task(&books) == Some(Task::Expire) {
        books.move_to(OrderStatus::Cancelled, None)?;
    }
    store::books::close(&mut transaction, &books, app.payments.window()).await?;
    transaction.commit().await?;
    log(&books);
    Ok(books.was_cancelled())
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
