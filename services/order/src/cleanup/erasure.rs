//! Deletes what deleted users have entered at checkout: contacts, addresses and notes. Orders keep their lines and amounts.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bodega_runtime::{database::Pool, worker::Worker};
use tracing::info;
use uuid::Uuid;

use super::db;
use crate::{error::Error, upstream::Upstreams};

const WORKER: Worker = Worker {
    name: "erasure of contacts",
    interval: Duration::from_secs(3600),
    idle_interval: Duration::from_secs(3600),
    concurrency: 1,
    timeout: Duration::from_secs(30),
};

/// Asks identity for deleted users until the future is dropped. Any number of replicas may do so at the same time.
pub(crate) async fn run(db: Pool, upstreams: Upstreams) {
    // The last user that was asked for; nil at the start of a round.
    let position = Mutex::new(Uuid::nil());
    WORKER.repeat(|| erase_batch(&db, &upstreams, &position)).await;
}

/// Returns whether there are more users in this round.
async fn erase_batch(db: &Pool, upstreams: &Upstreams, position: &Mutex<Uuid>) -> Result<bool, Error> {
    let after = *position.lock().unwrap_or_else(PoisonError::into_inner);
    let users = db::users_with_contacts(db, after).await?;
    let deleted = upstreams.deleted_users(&users).await?;
    if !deleted.is_empty() {
        let contacts = db::delete_contacts(db, &deleted).await?;
        info!("deleted the contacts of {contacts} orders of {} deleted users", deleted.len());
    }
    *position.lock().unwrap_or_else(PoisonError::into_inner) = users.last().copied().unwrap_or_default();
    Ok(!users.is_empty())
}
