//! Attempts that nobody drives any more: whoever did was killed, gave up, or had no neighbour to ask.
//!
//! Any replica takes them over, one replica each. What is too old to be still wanted is undone instead: a shopper who
//! was told to come back, and did not, shall not find an order hours later.

use bodega_runtime::worker::Worker;
use tracing::{info, warn};

use crate::{
    App,
    bounds::{AT_ONCE, INTERVAL, LEASE},
    drive,
    order::Attempt,
    store,
};

/// Driving has a bound of its own; what is told afterwards needs no lease.
const WORKER: Worker =
    Worker { name: "orders left behind", interval: INTERVAL, concurrency: AT_ONCE, timeout: LEASE };

/// Drives on what was left behind, for as long as the service runs.
pub(crate) async fn run(app: App) {
    let claim = || store::attempts::take_over_left_behind(&app.db, AT_ONCE);
    WORKER.run(claim, |attempt| recover(&app, attempt)).await;
}

async fn recover(app: &App, attempt: Attempt) {
    let id = attempt.id;
    let ended = if attempt.overdue {
        drive::withdraw(app, &attempt).await
    } else {
        drive::drive(app, &attempt).await
    };
    match ended {
        Ok(_) => info!(order.id = %id, "Recovered order {id}"),
        Err(cause) => warn!(order.id = %id, "Order {id} is still being placed: {cause}"),
    }
}
