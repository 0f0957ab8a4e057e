//! Attempts that nobody drives any more: whoever did was killed, gave up, or had no neighbour to ask.
//!
//! Any replica takes them over, one replica each. What is too old to be still wanted is undone instead: a shopper who
//! was told to come back, and did not, shall not find an order hours later.

use std::time::Duration;

use bodega_runtime::rounds::Rounds;
use tracing::{info, warn};

use crate::{App, drive, order::Attempt, store};

/// How often to look for what was left behind.
pub(crate) const INTERVAL: Duration = Duration::from_millis(500);
/// How long claiming and driving may take: less than a lease.
pub(crate) const BOUND: Duration = Duration::from_secs(6);
const ROUNDS: Rounds = Rounds { what: "orders left behind", interval: INTERVAL, at_once: 8, bound: BOUND };
/// How many attempts are taken over in one round: all of them are driven at once, within one lease.
const BATCH: i64 = 8;

/// Drives on what was left behind, for as long as the service runs.
pub(crate) async fn run(app: App) {
    let claim = || store::attempts::take_over_left_behind(&app.db, BATCH);
    ROUNDS.run(claim, |attempt| recover(&app, attempt)).await;
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
