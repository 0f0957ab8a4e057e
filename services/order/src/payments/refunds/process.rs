//! Carries refunds out: asks their provider, and notifies the catalog of returned units.
//!
//! The next step follows from what is stored. The provider and the catalog are called between transactions, and both recognize
//! a repeated call by the refund's id. So a process may stop anywhere, and the next one continues.

use bodega_runtime::{
    telemetry,
    timeouts::{EXPIRY_IDLE_INTERVAL, INLINE_WORK, PAYMENT_POLL, WORKER_INTERVAL},
    worker::Worker,
};
use tokio::time::timeout;
use tracing::warn;
use uuid::Uuid;

use super::{PartialRefund, RefundStatus};
use crate::{
    app::App,
    backoff::CONCURRENCY,
    error::Error,
    payments::{
        db::{
            due_refunds::{self as db, ClaimedRefund},
            order_payments,
            refunds::RefundKey,
        },
        payment::Payment,
        provider::{NewRefund, Provider, ProviderError, Refund, RefundState},
        update::update_locked,
    },
};

const WORKER: Worker = Worker {
    name: "refunds",
    interval: WORKER_INTERVAL,
    idle_interval: EXPIRY_IDLE_INTERVAL,
    concurrency: CONCURRENCY,
    timeout: PAYMENT_POLL,
};

/// Processes refunds until it is dropped.
pub(crate) async fn run(app: App) {
    let (app, providers) = (&app, app.providers.names());
    let work = |claimed: ClaimedRefund| async move {
        let ClaimedRefund { order_id, payment_id, refund_id, traceparent } = claimed;
        process_or_log(app, RefundKey { order_id, payment_id, refund_id }, traceparent.as_deref()).await;
    };
    WORKER.run(|| db::claim(&app.db, &providers), work).await;
}

/// Processes a refund if its provider and the catalog respond soon. Otherwise the worker does.
pub(crate) async fn process_inline(app: &App, key: RefundKey) {
    if timeout(INLINE_WORK, process_or_log(app, key, None)).await.is_err() {
        warn!(order.id = %key.order_id, refund.id = %key.refund_id, "refund takes long, the worker will continue");
    }
}

async fn process_or_log(app: &App, key: RefundKey, traceparent: Option<&str>) {
    if let Err(error) = telemetry::process_stored("process refund", traceparent, process(app, key)).await {
        let RefundKey { order_id, refund_id, .. } = key;
        warn!(order.id = %order_id, refund.id = %refund_id, "cannot process the refund, will be retried: {error}");
    }
}

async fn process(app: &App, key: RefundKey) -> Result<(), Error> {
    let RefundKey { order_id, payment_id, refund_id } = key;
    let Some(payments) = order_payments::load(&app.db, order_id).await? else { return Ok(()) };
    let find = |payment: &Payment| payment.refunds.iter().find(|refund| refund.id == refund_id).cloned();
    let Some(payment) = payments.payment(payment_id) else { return Ok(()) };
    let Some(refund) = find(payment) else { return Ok(()) };
    let mut outage = None;
    if refund.status == RefundStatus::Pending {
        let Some(provider) = app.providers.by_name(&payment.provider) else {
            return Err(Error::ProviderUnavailable(format!("{} is not configured", payment.provider)));
        };
        let result = call_provider(provider, payment, &refund).await;
        update_locked(app, order_id, None, |payments| {
            payments.apply_partial_refund(payment_id, (refund_id, refund.key_number), &result);
            Ok(())
        })
        .await?;
        let is_open = |error: &ProviderError| {
            matches!(error, ProviderError::Unavailable(_) | ProviderError::NotFound(_))
        };
        outage = result.err().filter(is_open);
    }
    let has_units = return_units(app, order_id, refund_id).await?;
    if !has_units && refund.status != RefundStatus::Pending {
        db::unschedule(&app.db, refund_id).await?;
    }
    outage.map_or(Ok(()), |error| Err(Error::ProviderUnavailable(error.to_string())))
}

/// Makes the refund or reads its state.
///
/// # Errors
/// [`ProviderError::Rejected`] only if the provider has not made it; [`ProviderError::NotFound`] if the provider does not know
/// the refund or its intent, which it may have known before.
async fn call_provider(
    provider: &dyn Provider,
    payment: &Payment,
    refund: &PartialRefund,
) -> Result<Refund, ProviderError> {
    if let Some(id) = &refund.provider_refund_id {
        return provider.retrieve_refund(id).await.map_err(as_unknown);
    }
    let intent_id = payment.intent_id.as_deref().unwrap_or_default();
    if refund.may_have_been_made() {
        if let Some(made) = find_made(provider, intent_id, refund).await? {
            return Ok(made);
        }
        if refund.is_out_of_keys() {
            return Err(ProviderError::Rejected(
                "the payment provider has failed again and again".to_owned(),
            ));
        }
    }
    let part = NewRefund {
        refund_id: refund.id,
        idempotency_key: refund.provider_key(),
        amount_minor: refund.amount_minor,
        currency: payment.currency.clone(),
    };
    match provider.refund_part(intent_id, &part).await {
        Err(ProviderError::NotFound(error)) if refund.is_first_attempt() => {
            Err(ProviderError::Rejected(error))
        }
        // An earlier call may have made it.
        Err(error @ ProviderError::Rejected(_))
            if !refund.is_first_attempt() && !refund.may_have_been_made() =>
        {
            find_made(provider, intent_id, refund).await?.ok_or(error)
        }
        result => result,
    }
}

/// Returns the refund if an earlier call has made it.
async fn find_made(
    provider: &dyn Provider,
    intent_id: &str,
    refund: &PartialRefund,
) -> Result<Option<Refund>, ProviderError> {
    let listed = provider.list_refunds(intent_id).await.map_err(as_unknown)?;
    let made = listed.into_iter().filter(|listed| listed.refund_id == Some(refund.id));
    Ok(made.map(|listed| listed.refund).min_by_key(|refund| refund.state == RefundState::Failed))
}

/// An error of a call that only reads does not mean that there is no refund: the call may have used the keys of another
/// account, for instance.
fn as_unknown(error: ProviderError) -> ProviderError {
    match error {
        ProviderError::Rejected(error) | ProviderError::KeyUnusable(error) => ProviderError::NotFound(error),
        ProviderError::Unavailable(_) | ProviderError::NotFound(_) => error,
    }
}

/// Notifies the catalog of the units of an accepted refund, unless it was notified before. Returns whether there were any.
///
/// # Errors
/// Errors of the catalog and the database.
pub(crate) async fn return_units(app: &App, order_id: Uuid, refund_id: Uuid) -> Result<bool, Error> {
    let Some(units) = db::units_to_return(&app.db, refund_id).await? else { return Ok(false) };
    app.upstreams.return_units(refund_id, order_id, &units).await?;
    db::complete_return(&app.db, refund_id).await?;
    Ok(true)
}
