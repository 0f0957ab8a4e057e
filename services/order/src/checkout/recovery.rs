//! The worker that completes abandoned checkouts: their process was killed or timed out, or an upstream was unavailable.
//!
//! Each is claimed by one replica. Expired checkouts are withdrawn instead: a customer who saw the order fail and left must
//! not find it placed hours later.

use bodega_runtime::{
    telemetry,
    timeouts::{WORK_LEASE, WORKER_IDLE_INTERVAL, WORKER_INTERVAL},
    worker::Worker,
};
use tracing::{info, warn};

use super::{
    db::checkouts::{self, Checkout},
    processing,
};
use crate::{app::App, backoff::CONCURRENCY};

/// Processing has a timeout of its own, and the delivery after it needs no lease.
const WORKER: Worker = Worker {
    name: "order recovery",
    interval: WORKER_INTERVAL,
    idle_interval: WORKER_IDLE_INTERVAL,
    concurrency: CONCURRENCY,
    timeout: WORK_LEASE,
};

pub(crate) async fn run(app: App) {
    WORKER.run(|| checkouts::claim_abandoned(&app.db), |checkout| recover(&app, checkout)).await;
}

async fn recover(app: &App, checkout: Checkout) {
    let id = checkout.id;
    let work = async {
        if checkout.is_expired {
            processing::withdraw(app, &checkout).await
        } else {
            processing::process(app, &checkout).await
        }
    };
    match telemetry::process_stored("recover checkout", checkout.traceparent.as_deref(), work).await {
        Ok(_) => info!(order.id = %id, "abandoned order recovered"),
        Err(error) => warn!(order.id = %id, "order recovery failed, will be retried: {error}"),
    }
}
