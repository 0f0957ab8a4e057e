//! Receives webhook events of payment providers and applies them.
//!
//! An event is stored by its id before the provider gets a response, and applied once: usually by the call that has stored
//! it, and otherwise by the worker.

use bodega_runtime::{
    database::retry_on_conflict,
    telemetry,
    timeouts::{INLINE_WORK, WORK, WORKER_IDLE_INTERVAL, WORKER_INTERVAL},
    worker::Worker,
};
use sqlx::PgConnection;
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::{
    db::{
        order_payments::find_by_intent,
        provider_events::{self, EventKey, PendingEvent},
        reviews,
    },
    order_payments::{OrderPayments, SnapshotOutcome, Source},
    provider::{IntentSnapshot, IntentState},
    update::{log_changes, update_in},
};
use crate::{
    app::App,
    backoff::{CONCURRENCY, RETRY},
    error::Error,
    outbox::deliveries,
};

const WORKER: Worker = Worker {
    name: "provider event processing",
    interval: WORKER_INTERVAL,
    idle_interval: WORKER_IDLE_INTERVAL,
    concurrency: CONCURRENCY,
    timeout: WORK,
};

/// Verifies, stores and applies an event. Events without a snapshot of an intent are ignored.
///
/// # Errors
/// [`Error::InvalidEvent`] and [`Error::ProviderNotConfigured`], with nothing stored.
pub(crate) async fn handle_webhook_event(
    app: &App,
    provider: &str,
    payload: &[u8],
    signature: &str,
) -> Result<(), Error> {
    let provider = app.providers.by_name(provider).ok_or(Error::ProviderNotConfigured)?;
    let event = provider.parse_webhook(payload, signature).ok_or(Error::ProviderNotConfigured)??;
    let Some(snapshot) = &event.snapshot else { return Ok(()) };
    let key = EventKey { provider: provider.name().to_owned(), id: event.id.clone() };
    if !provider_events::insert(&app.db, &key, &event, snapshot).await? {
        return Ok(());
    }
    let traceparent = telemetry::traceparent();
    match timeout(INLINE_WORK, apply(app, &key, traceparent.as_deref())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            warn!(event.id = key.id, "cannot apply the provider event, will be retried: {error}");
        }
        Err(_) => warn!(event.id = key.id, "applying the provider event timed out, will be retried"),
    }
    Ok(())
}

/// Applies stored events that were not applied by their call.
pub(crate) async fn run(app: App) {
    WORKER.run(|| provider_events::claim(&app.db), |event| apply_or_postpone(&app, event)).await;
}

async fn apply_or_postpone(app: &App, event: PendingEvent) {
    let Err(error) = apply(app, &event.key, event.traceparent.as_deref()).await else { return };
    let pause = RETRY.pause(event.attempts);
    warn!(event.id = event.key.id, "cannot apply the provider event, retrying in {pause:?}: {error}");
    if let Err(error) = provider_events::postpone(&app.db, &event.key, pause).await {
        warn!(
            event.id = event.key.id,
            "cannot postpone the provider event, retrying when its lease ends: {error}"
        );
    }
}

/// Applies an event unless it was applied before, in a span that is linked to the webhook request, the order and the payment.
async fn apply(app: &App, key: &EventKey, traceparent: Option<&str>) -> Result<(), Error> {
    telemetry::process_stored("apply payment event", traceparent, apply_linked(app, key)).await
}

async fn apply_linked(app: &App, key: &EventKey) -> Result<(), Error> {
    let applied = retry_on_conflict(|| apply_in_transaction(app, key)).await?;
    let Some(Applied { kind, outcome, payments, order_missing }) = applied else { return Ok(()) };
    if order_missing {
        error!(
            event.id = key.id,
            kind, "money has arrived for an order that does not exist, a person has to decide"
        );
    }
    match outcome {
        SnapshotOutcome::Applied | SnapshotOutcome::Unchanged => {
            info!(event.id = key.id, kind, outcome = outcome.as_str(), "provider event applied");
        }
        mismatch => warn!(event.id = key.id, kind, outcome = mismatch.as_str(), "provider event ignored"),
    }
    let Some(payments) = payments else { return Ok(()) };
    log_changes(&payments);
    if payments.was_cancelled() {
        deliveries::deliver_pending_inline(app, payments.order_id).await;
    }
    Ok(())
}

struct Applied {
    kind: String,
    outcome: SnapshotOutcome,
    payments: Option<OrderPayments>,
    /// Whether a review of money without an order was opened.
    order_missing: bool,
}

/// Returns `None` if the event was applied before.
async fn apply_in_transaction(app: &App, key: &EventKey) -> Result<Option<Applied>, Error> {
    let mut transaction = app.db.begin().await?;
    let Some(event) = provider_events::lock(&mut transaction, key).await? else { return Ok(None) };
    let snapshot = &event.snapshot.0;
    let (outcome, payments) = if event.own_account {
        let intent_id = &snapshot.intent_id;
        let found = find_by_intent(&mut transaction, &key.provider, intent_id, snapshot.payment_id).await?;
        let updated = match found {
            Some(found) => {
                update_in(app, &mut transaction, found.order_id, None, |payments| {
                    Ok(payments.apply_snapshot(found.payment_id, snapshot, Source::Event))
                })
                .await?
            }
            None => None,
        };
        updated
            .map_or((SnapshotOutcome::UnknownPayment, None), |(payments, outcome)| (outcome, Some(payments)))
    } else {
        (SnapshotOutcome::WrongAccount, None)
    };
    let order_missing = outcome == SnapshotOutcome::UnknownPayment
        && review_without_order(&mut transaction, &key.provider, snapshot).await?;
    provider_events::complete(&mut transaction, key, outcome).await?;
    transaction.commit().await?;
    Ok(Some(Applied { kind: event.kind, outcome, payments, order_missing }))
}

/// Opens a review of money for an order that this service has deleted: the metadata of its intent names both the order and
/// the payment. Intents of other programs have no such metadata.
async fn review_without_order(
    transaction: &mut PgConnection,
    provider: &str,
    snapshot: &IntentSnapshot,
) -> sqlx::Result<bool> {
    match (snapshot.order_id, snapshot.payment_id) {
        (Some(order_id), Some(payment_id))
            if snapshot.state == IntentState::Succeeded && snapshot.failed_refund.is_none() =>
        {
            reviews::open_without_order(transaction, provider, (order_id, payment_id), snapshot).await
        }
        _ => Ok(false),
    }
}
