//! What payment providers tell.
//!
//! An event is written down by its id before it is answered, and applied once: at once, as a rule; the loop takes what
//! was left behind. It may come twice, late, or before what it follows: see [`books`](crate::books).

use bodega_runtime::{database::retry_on_conflict, worker::Worker};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::{
    App, backoff,
    books::{Books, Outcome, Source},
    bounds::{AT_ONCE, INLINE, INTERVAL, WORK},
    error::Error,
    outbox, reconcile,
    store::{
        self,
        events::{EventId, Unapplied},
    },
};

const WORKER: Worker =
    Worker { name: "events of payment providers", interval: INTERVAL, concurrency: AT_ONCE, timeout: WORK };

/// Takes an event in, as it came.
///
/// # Errors
/// [`Error::BadEvent`] and [`Error::UnknownProvider`]: nothing was stored.
pub(crate) async fn take(app: &App, provider: &str, payload: &[u8], signature: &str) -> Result<(), Error> {
    let event = app.payments.event(provider, payload, signature).ok_or(Error::UnknownProvider)??;
    let Some(snapshot) = &event.snapshot else { return Ok(()) };
    let id = EventId { provider: provider.to_owned(), id: event.id.clone() };
    if !store::events::insert(&app.db, &id, &event, snapshot).await? {
        return Ok(());
    }
    match timeout(INLINE, apply(app, &id)).await {
        Ok(Ok(())) => {}
        Ok(Err(cause)) => warn!("Event {} is left for later: {cause}", id.id),
        Err(_) => warn!("Event {} is left for later: it took too long", id.id),
    }
    Ok(())
}

/// Applies what was left behind, for as long as the service runs.
pub(crate) async fn run(app: App) {
    let claim = || store::events::claim(&app.db, AT_ONCE);
    let apply = |event| apply_or_postpone(&app, event);
    WORKER.run(claim, apply).await;
}

async fn apply_or_postpone(app: &App, event: Unapplied) {
    let Err(cause) = apply(app, &event.id).await else { return };
    warn!("Event {} is left for later: {cause}", event.id.id);
    let pause = backoff::pause(event.attempts);
    if let Err(cause) = store::events::postpone(&app.db, &event.id, pause).await {
        warn!("Event {} is left for later: {cause}", event.id.id);
    }
}

/// Applies an event, if nobody else has.
async fn apply(app: &App, id: &EventId) -> Result<(), Error> {
    let Some(Applied { kind, outcome, books }) = retry_on_conflict(|| apply_once(app, id)).await? else {
        return Ok(());
    };
    match outcome {
        Outcome::Applied | Outcome::Unchanged => {
            info!("Event {} ({kind}) is {}", id.id, outcome.as_str())
        }
        wrong => warn!("Event {} ({kind}) is let go: {}", id.id, wrong.as_str()),
    }
    let Some(books) = books else { return Ok(()) };
    reconcile::log(&books);
    if books.was_cancelled() {
        outbox::tell_now(app, books.id).await;
    }
    Ok(())
}

/// What came of an event.
struct Applied {
    kind: String,
    outcome: Outcome,
    books: Option<Books>,
}

/// The transaction in which an event is applied; `None` when it was before.
async fn apply_once(app: &App, id: &EventId) -> sqlx::Result<Option<Applied>> {
    let mut transaction = app.db.begin().await?;
    let Some(event) = store::events::lock(&mut transaction, id).await? else { return Ok(None) };
    let snapshot = &event.snapshot.0;
    let payment_id = snapshot.payment_id;
    let found =
        store::books::of_intent(&mut transaction, &id.provider, &snapshot.intent_id, payment_id).await?;
    let mut books = match &found {
        Some(due) if event.own_account => store::books::open(&mut transaction, due.order_id, None).await?,
        _ => None,
    };
    let outcome = match (&mut books, found) {
        _ if !event.own_account => Outcome::WrongAccount,
        (Some(books), Some(due)) => books.take_in(due.payment_id, snapshot, Source::Told),
        _ => Outcome::UnknownPayment,
    };
    if let Some(books) = &books {
        store::books::close(&mut transaction, books, app.payments.window()).await?;
    }
    store::events::applied(&mut transaction, id, outcome).await?;
    transaction.commit().await?;
    Ok(Some(Applied { kind: event.kind, outcome, books }))
}
