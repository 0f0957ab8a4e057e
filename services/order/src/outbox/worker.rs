//! The worker that makes the deliveries which were not made inline.

use bodega_runtime::{
    timeouts::{WORK, WORKER_IDLE_INTERVAL, WORKER_INTERVAL},
    worker::Worker,
};
use tracing::warn;

use super::{
    db::{self, Delivery},
    deliveries::deliver,
};
use crate::{
    app::App,
    backoff::{CONCURRENCY, RETRY},
};

const WORKER: Worker = Worker {
    name: "outbox delivery",
    interval: WORKER_INTERVAL,
    idle_interval: WORKER_IDLE_INTERVAL,
    concurrency: CONCURRENCY,
    timeout: WORK,
};

pub(crate) async fn run(app: App) {
    WORKER.run(|| db::claim(&app.db), |delivery| deliver_or_postpone(&app, delivery)).await;
}

async fn deliver_or_postpone(app: &App, delivery: Delivery) {
    let Err(error) = deliver(app, &delivery).await else { return };
    let Delivery { order_id, kind, .. } = delivery;
    let pause = RETRY.pause(delivery.attempts);
    warn!(order.id = %order_id, kind = kind.as_str(), "delivery failed, retrying in {pause:?}: {error}");
    if let Err(error) = db::postpone(&app.db, order_id, kind, pause).await {
        warn!(order.id = %order_id, kind = kind.as_str(), "cannot postpone the delivery, retrying when its lease ends: {error}");
    }
}
