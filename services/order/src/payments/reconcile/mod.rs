//! Polls payments: customers may have paid without an event arriving, orders may not need their payment any more, and money
//! may have to be refunded.
//!
//! The action follows from the stored state alone ([`OrderPayments::due_action`]), and is taken by the call that makes it
//! due or by the worker of any replica. The provider is called between transactions, and its result is applied like an
//! event. So a process may stop anywhere, and the next poll continues.

#[cfg(test)]
mod tests;

use bodega_runtime::{
    telemetry,
    timeouts::{INLINE_WORK, PAYMENT_POLL, WORKER_IDLE_INTERVAL, WORKER_INTERVAL},
    worker::Worker,
};
use tokio::time::timeout;
use tracing::{error, warn};

use super::{
    db::{
        due_payments::{self, ClaimedPayment},
        order_payments::{self as db, PaymentKey},
    },
    order_payments::{Action, OrderPayments, SnapshotOutcome, Source},
    payment::{Payment, PaymentStatus},
    provider::{IntentSnapshot, ListedRefund, Provider, ProviderError, Refund},
    review::{Review, ReviewReason},
    update::update_locked,
};
use crate::{app::App, backoff::CONCURRENCY, error::Error, orders::status::OrderStatus, outbox::deliveries};

const WORKER: Worker = Worker {
    name: "payment reconciliation",
    interval: WORKER_INTERVAL,
    idle_interval: WORKER_IDLE_INTERVAL,
    concurrency: CONCURRENCY,
    timeout: PAYMENT_POLL,
};

pub(crate) async fn run(app: App) {
    let (app, providers) = (&app, app.providers.names());
    let poll = |ClaimedPayment { order_id, payment_id, traceparent }| async move {
        take_action_or_log(app, PaymentKey { order_id, payment_id }, traceparent.as_deref()).await;
    };
    WORKER.run(|| due_payments::claim(&app.db, &providers), poll).await;
}

async fn take_action_or_log(app: &App, key: PaymentKey, traceparent: Option<&str>) {
    let work = take_action(app, key, |payments, payment| due_action(app, payments, payment));
    if let Err(error) = telemetry::process_stored("poll payment", traceparent, work).await {
        let PaymentKey { order_id, payment_id } = key;
        warn!(order.id = %order_id, payment.id = %payment_id, "payment poll failed, will be retried: {error}");
    }
}

/// Takes the actions that an order's payments require if their providers respond soon. Otherwise the worker takes them.
pub(crate) async fn take_actions_inline(app: &App, payments: &OrderPayments) {
    let order_id = payments.order_id;
    let work = timeout(INLINE_WORK, async {
        for payment in &payments.payments {
            if matches!(due_action(app, payments, payment), Action::CancelIntent | Action::Refund) {
                let key = PaymentKey { order_id, payment_id: payment.id };
                take_action_or_log(app, key, payment.traceparent.as_deref()).await;
            }
        }
    });
    if work.await.is_err() {
        warn!(order.id = %order_id, "payment provider is slow, the worker will retry");
    }
}

/// Cancels a payment, whether or not its order needs it.
///
/// # Errors
/// Errors of the database, and [`Error::ProviderUnavailable`].
pub(crate) async fn cancel_payment(app: &App, key: PaymentKey) -> Result<(), Error> {
    take_action(
        app,
        key,
        |_, payment| if payment.may_be_paid() { Action::CancelIntent } else { Action::Nothing },
    )
    .await
}

fn due_action(app: &App, payments: &OrderPayments, payment: &Payment) -> Action {
    payments.due_action(payment, app.providers.order_window(payments.total_minor))
}

/// The result of a call to a provider.
enum ProviderResult {
    NotCalled,
    Snapshot(IntentSnapshot),
    Refund(Refund),
    Refunds(Vec<ListedRefund>),
    Failed(ProviderError),
}

/// Takes the action that `action` returns for a payment.
async fn take_action(
    app: &App,
    key: PaymentKey,
    action: impl Fn(&OrderPayments, &Payment) -> Action,
) -> Result<(), Error> {
    let Some(payments) = db::load(&app.db, key.order_id).await? else { return Ok(()) };
    let Some(payment) = payments.payment(key.payment_id) else { return Ok(()) };
    let Some(provider) = app.providers.by_name(&payment.provider) else {
        return Err(Error::ProviderUnavailable(format!("{} is not configured", payment.provider)));
    };
    let result = call_provider(provider, action(&payments, payment), &payments, payment).await;
    let payment_id = key.payment_id;
    let (updated, ()) = update_locked(app, key.order_id, None, |payments| {
        apply_result(payments, payment, &result);
        let action =
            |payments: &OrderPayments| payments.payment(payment_id).map(|payment| action(payments, payment));
        let has_no_intent = payments.payment(payment_id).is_some_and(Payment::has_no_intent);
        if action(payments) == Some(Action::CancelIntent) && has_no_intent {
            payments.close_cancelled(payment_id);
        }
        if action(payments) == Some(Action::Review) {
            let is_refund = payments
                .payment(payment_id)
                .is_some_and(|payment| payment.status == PaymentStatus::RefundPending);
            let reason = if is_refund { ReviewReason::RefundFailed } else { ReviewReason::Unsettled };
            payments.open_review(payment_id, Review { reason, reported: None });
        }
        if action(payments) == Some(Action::CancelOrder) {
            payments.change_status(OrderStatus::Cancelled, None)?;
        }
        Ok(())
    })
    .await?;
    if updated.was_cancelled() {
        deliveries::deliver_pending_inline(app, key.order_id).await;
    }
    match result {
        // The payment has ended or is in review: there is nothing to retry.
        ProviderResult::Failed(ProviderError::NotFound(_)) => Ok(()),
        ProviderResult::Failed(error) => Err(Error::ProviderUnavailable(error.to_string())),
        ProviderResult::NotCalled
        | ProviderResult::Snapshot(_)
        | ProviderResult::Refund(_)
        | ProviderResult::Refunds(_) => Ok(()),
    }
}

async fn call_provider(
    provider: &dyn Provider,
    action: Action,
    payments: &OrderPayments,
    payment: &Payment,
) -> ProviderResult {
    let intent_id = payment.intent_id.as_deref();
    let new_intent = payment.new_intent(payments.order_id);
    let snapshot = match (action, intent_id) {
        (Action::Poll, Some(intent_id)) => provider.retrieve_intent(intent_id, &new_intent).await,
        (Action::CancelIntent, Some(intent_id)) => provider.cancel_intent(intent_id, &new_intent).await,
        (Action::Refund, _) => {
            let refund = match &payment.refund_id {
                Some(refund_id) => provider.retrieve_refund(refund_id).await,
                None => provider.refund(intent_id.unwrap_or_default(), &payment.refund_key()).await,
            };
            return refund.map_or_else(ProviderResult::Failed, ProviderResult::Refund);
        }
        (Action::ListRefunds, Some(intent_id)) => {
            let listed = provider.list_refunds(intent_id).await;
            return listed.map_or_else(ProviderResult::Failed, ProviderResult::Refunds);
        }
        _ => return ProviderResult::NotCalled,
    };
    snapshot.map_or_else(ProviderResult::Failed, ProviderResult::Snapshot)
}

/// Applies the result of a call that was made for the payment in the state `polled`. Other processes may have polled it
/// since.
fn apply_result(payments: &mut OrderPayments, polled: &Payment, result: &ProviderResult) {
    let id = polled.id;
    let Some(payment) = payments.payment(id) else { return };
    let state = |payment: &Payment| {
        let refunds = payment.refunds.iter().map(|refund| (refund.id, refund.status));
        (payment.status, payment.poll_count, refunds.collect::<Vec<_>>())
    };
    let is_unchanged = state(payment) == state(polled);
    // If the refund has failed, another one may be under way.
    let is_same_refund =
        (payment.failed_refunds, &payment.refund_id) == (polled.failed_refunds, &polled.refund_id);
    payments.record_poll(id);
    match result {
        ProviderResult::Refund(_)
        | ProviderResult::Failed(ProviderError::KeyUnusable(_) | ProviderError::Rejected(_))
            if !is_same_refund => {}
        ProviderResult::Failed(ProviderError::NotFound(_)) if !is_unchanged => {}
        ProviderResult::Failed(ProviderError::NotFound(error)) => apply_missing(payments, polled, error),
        ProviderResult::Snapshot(snapshot) => {
            let source = if is_unchanged { Source::Poll } else { Source::Event };
            let outcome = payments.apply_snapshot(id, snapshot, source);
            if !matches!(outcome, SnapshotOutcome::Applied | SnapshotOutcome::Unchanged) {
                let (order_id, outcome) = (payments.order_id, outcome.as_str());
                error!(order.id = %order_id, payment.id = %id, outcome, "the provider's intent does not match the payment");
            }
        }
        ProviderResult::Refund(refund) => payments.apply_refund(id, refund),
        // Refunds that were created since are listed the next time.
        ProviderResult::Refunds(listed) => payments.apply_listed_refunds(id, listed, polled),
        // It was read, and not made.
        ProviderResult::Failed(ProviderError::KeyUnusable(_) | ProviderError::Rejected(_))
            if polled.refund_id.is_some() =>
        {
            payments.record_failed_poll(id);
        }
        // The provider returns the same for this key.
        ProviderResult::Failed(ProviderError::KeyUnusable(_) | ProviderError::Rejected(_)) => {
            payments.record_failed_refund(id);
        }
        ProviderResult::Failed(ProviderError::Unavailable(_)) => payments.record_failed_poll(id),
        ProviderResult::NotCalled => {}
    }
}

/// Ends a payment whose intent or refund the provider does not know: test data was deleted, or the keys are of another
/// account. No money can arrive by this account any more. If some arrives after all, it is applied as usual.
fn apply_missing(payments: &mut OrderPayments, payment: &Payment, error: &str) {
    let (order_id, payment_id) = (payments.order_id, payment.id);
    match payment.status {
        PaymentStatus::RefundPending => {
            let review = Review { reason: ReviewReason::RefundFailed, reported: None };
            payments.open_review(payment_id, review);
        }
        PaymentStatus::Completed | PaymentStatus::Refunded => {
            warn!(order.id = %order_id, payment.id = %payment_id, "the provider does not know the settled payment: {error}");
        }
        _ => {
            warn!(order.id = %order_id, payment.id = %payment_id, "the provider does not know the payment, cancelling it: {error}");
            payments.close_cancelled(payment_id);
        }
    }
}
