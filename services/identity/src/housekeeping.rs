//! What is done beside the calls: keys are renewed, and sessions of old forgotten.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use tracing::{error, info};

use crate::{app::App, signing::RELOAD_INTERVAL, store};

/// How long a session that ended is kept: for longer than an access token of it may live.
const KEEP_ENDED: Duration = Duration::from_secs(24 * 60 * 60);
/// How long each of it may take: a database that is silent, rather than down, must not end it for good.
const BOUND: Duration = Duration::from_secs(30);
/// Sessions forgotten by one statement: as many as are done well before it times out.
const BATCH: u16 = 500;

/// Keeps house for as long as it is polled.
pub(crate) async fn run(app: Arc<App>) {
    loop {
        if let Err(cause) = timeout(BOUND, app.signer.reload()).await.map_err(Into::into).flatten() {
            error!("signing keys were not renewed: {cause:#}");
        }
        if let Err(cause) = timeout(BOUND, forget_sessions(&app)).await.map_err(Into::into).flatten() {
            error!("old sessions were not forgotten: {cause:#}");
        }
        tokio::time::sleep(RELOAD_INTERVAL).await;
    }
}

async fn forget_sessions(app: &App) -> anyhow::Result<()> {
    let keep_unused = app.settings.refresh_ttl + KEEP_ENDED;
    let mut count = 0;
    loop {
        let forgotten = store::sessions::forget(&app.db, KEEP_ENDED, keep_unused, BATCH.into()).await?;
        count += forgotten;
        if forgotten < BATCH.into() {
            break;
        }
    }
    if count > 0 {
        info!("Forgot {count} old sessions");
    }
    Ok(())
}
