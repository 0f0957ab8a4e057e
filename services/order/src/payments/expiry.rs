//! Cancels orders that were not paid in time and of which no payment is polled, for instance because no payment was started.
//! The stock of an order is released once, however often it is cancelled.
//!
//! Orders with a payment that is polled are cancelled by its poll, which first cancels the intent at the provider
//! ([`reconcile`](super::reconcile)). Both decide under the lock of the order, so a payment that arrives at the same moment is
//! either seen, or refunded.

use bodega_runtime::{
    telemetry,
    timeouts::{EXPIRY_IDLE_INTERVAL, EXPIRY_INTERVAL, WORK},
    worker::Worker,
};
use tracing::{info, warn};

use super::{
    db::due_payments::{self as db, ExpiredOrder},
    update::update_locked,
};
use crate::{app::App, backoff::CONCURRENCY, error::Error, outbox::deliveries};

const WORKER: Worker = Worker {
    name: "order expiry",
    interval: EXPIRY_INTERVAL,
    idle_interval: EXPIRY_IDLE_INTERVAL,
    concurrency: CONCURRENCY,
    timeout: WORK,
};

/// Expires orders until it is dropped.
pub(crate) async fn run(app: App) {
    let (window, free_window) = (app.providers.order_window(1), app.providers.order_window(0));
    if window.or(free_window).is_none() {
        return;
    }
    let (app, providers) = (&app, app.providers.names());
    let claim = || db::find_expired(&app.db, window, free_window, &providers);
    WORKER.run(claim, |order| expire_or_log(app, order)).await;
}

async fn expire_or_log(app: &App, order: ExpiredOrder) {
    let id = order.id;
    let work = expire(app, &order);
    if let Err(error) = telemetry::process_stored("expire order", order.traceparent.as_deref(), work).await {
        warn!(order.id = %id, "cannot cancel the expired order, will be retried: {error}");
    }
}

async fn expire(app: &App, order: &ExpiredOrder) -> Result<(), Error> {
    let window = app.providers.order_window(order.total_minor);
    let providers = app.providers.names();
    let (payments, ()) =
        update_locked(app, order.id, None, |payments| payments.expire(window, &providers)).await?;
    if payments.was_cancelled() {
        info!(order.id = %order.id, "order was not paid in time");
        deliveries::deliver_pending_inline(app, order.id).await;
    }
    Ok(())
}
