//! Attempts that nobody drives any more: whoever did was killed, gave up, or had no neighbour to ask.
//!
//! Any replica takes them over, one replica each. What is too old to be still wanted is undone instead: a shopper who
//! was told to come back, and did not, shall not find an order hours later.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::{App, drive, order::Attempt, store};

/// How often to look, give or take a fifth, so that replicas look at different times.
const INTERVAL: Duration = Duration::from_millis(500);
/// How many attempts are taken over in one round: all of them are driven at once, within one lease.
const BATCH: i64 = 8;

/// The pause before a loop looks again.
pub(crate) fn tick() -> Duration {
    INTERVAL.mul_f64(rand::random_range(0.8..=1.2))
}

/// Drives on what was left behind, for as long as the service runs.
pub(crate) async fn run(app: App) {
    loop {
        match store::attempts::take_over_left_behind(&app.db, BATCH).await {
            Ok(attempts) if attempts.is_empty() => {}
            Ok(attempts) => {
                let driven = futures_util::stream::iter(attempts);
                driven.for_each_concurrent(None, |attempt| recover(&app, attempt)).await;
                continue;
            }
            Err(cause) => warn!("Cannot look for orders left behind: {cause}"),
        }
        sleep(tick()).await;
    }
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
