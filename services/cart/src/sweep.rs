//! Ends what nobody comes back for.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::{MissedTickBehavior, timeout};
use tracing::{info, warn};

use crate::store::{carts, checkouts};

/// A guest's cart that did not change for so long has ended.
const GUEST_CART_DAYS: i32 = 30;
/// An order that was taken out of a cart is not asked about again after so long.
const CHECKOUT_DAYS: i32 = 90;
/// How often to look.
const INTERVAL: Duration = Duration::from_secs(3600);
/// Rows a statement deletes, so that none takes long.
const BATCH: i64 = 1000;
/// How long a batch may take: a connection may hang for ever.
const BOUND: Duration = Duration::from_secs(10);

/// Sweeps now, and again every hour. Any number of replicas may do so at once.
pub(crate) async fn run(db: PgPool) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match sweep(&db).await {
            (0, 0) => {}
            (carts, checkouts) => info!("Swept {carts} guest carts and {checkouts} checkouts"),
        }
    }
}

/// Returns how many guest carts and checkouts are gone. What is left when the database fails is left to the next sweep.
async fn sweep(db: &PgPool) -> (u64, u64) {
    let mut swept = (0, 0);
    loop {
        match timeout(BOUND, sweep_batch(db)).await {
            Ok(Ok((0, 0))) => return swept,
            Ok(Ok((carts, checkouts))) => swept = (swept.0 + carts, swept.1 + checkouts),
            Ok(Err(cause)) => {
                warn!("cannot sweep: {cause}");
                return swept;
            }
            Err(_) => {
                warn!("cannot sweep: it took too long");
                return swept;
            }
        }
    }
}

async fn sweep_batch(db: &PgPool) -> sqlx::Result<(u64, u64)> {
    let carts = carts::delete_stale_guests(db, GUEST_CART_DAYS, BATCH).await?;
    let checkouts = checkouts::delete_old(db, CHECKOUT_DAYS, BATCH).await?;
    Ok((carts, checkouts))
}
