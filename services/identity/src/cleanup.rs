//! Workers: the rotation of signing keys, the time of rejected logins, and the cleanup of old sessions and recognized
//! clients.

use std::{sync::Arc, time::Duration};

use bodega_runtime::{database::Pool, worker::Worker};
use tracing::info;

use crate::{
    api_keys,
    error::Error,
    passwords::{self, Hasher},
    recovery, second_factor, sessions,
    signing::{RELOAD_INTERVAL, Signer},
};

const KEY_ROTATION: Worker = Worker {
    name: "signing key rotation",
    interval: RELOAD_INTERVAL,
    idle_interval: RELOAD_INTERVAL,
    concurrency: 1,
    timeout: Duration::from_secs(30),
};
/// Finds imported hashes.
const HASH_SURVEY: Worker = Worker {
    name: "survey of password hashes",
    interval: Duration::from_secs(60 * 60),
    idle_interval: Duration::from_secs(60 * 60),
    concurrency: 1,
    timeout: Duration::from_secs(30),
};
const SESSION_CLEANUP: Worker = Worker {
    name: "session cleanup",
    interval: Duration::from_secs(60 * 60),
    idle_interval: Duration::from_secs(60 * 60),
    concurrency: 1,
    timeout: Duration::from_secs(30),
};
const CLIENT_CLEANUP: Worker = Worker { name: "cleanup of recognized clients", ..SESSION_CLEANUP };
const TOKEN_CLEANUP: Worker = Worker { name: "token cleanup", ..SESSION_CLEANUP };
/// Ended sessions are kept for longer than the maximum lifetime of an access token.
const ENDED_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// Sessions per statement: few enough to be deleted before the statement times out.
const BATCH_SIZE: u16 = 500;

/// Rotates the signing key, and loads the key of other replicas.
pub(crate) async fn rotate_signing_keys(signer: Arc<Signer>) {
    KEY_ROTATION.repeat(async || signer.reload().await.map(|()| false)).await;
}

/// Deletes mailed tokens that have expired.
pub(crate) async fn delete_expired_tokens(db: Pool) {
    TOKEN_CLEANUP
        .repeat(async || -> sqlx::Result<bool> {
            Ok(recovery::db::delete_expired(&db, BATCH_SIZE.into()).await? >= i64::from(BATCH_SIZE))
        })
        .await;
}

/// Adapts the time of rejected logins to the imported hashes.
pub(crate) async fn hide_imported_hashes(db: Pool, hasher: Hasher) {
    HASH_SURVEY
        .repeat(async || -> Result<bool, Error> {
            let cost = passwords::db::highest_bcrypt_cost(&db).await?;
            hasher.hide_imported_hashes(cost.and_then(|cost| u32::try_from(cost).ok())).await?;
            Ok(false)
        })
        .await;
}

/// Deletes sessions that ended, or were not used within `refresh_ttl`, expired challenges of logins, and
/// API keys that ended.
pub(crate) async fn delete_old_sessions(db: Pool, refresh_ttl: Duration) {
    let unused = refresh_ttl + ENDED_RETENTION;
    SESSION_CLEANUP
        .repeat(async || -> sqlx::Result<bool> {
            let deleted =
                sessions::db::sessions::delete_old(&db, ENDED_RETENTION, unused, BATCH_SIZE.into()).await?;
            second_factor::db::delete_expired_challenges(&db, BATCH_SIZE.into()).await?;
            let retention = ENDED_RETENTION.as_secs_f64();
            api_keys::db::delete_old(&db, retention, BATCH_SIZE.into()).await?;
            if deleted > 0 {
                info!("deleted {deleted} old sessions");
            }
            Ok(deleted == u64::from(BATCH_SIZE))
        })
        .await;
}

/// Deletes clients that are not recognized any more.
pub(crate) async fn delete_old_recognized_clients(db: Pool) {
    CLIENT_CLEANUP
        .repeat(async || -> sqlx::Result<bool> {
            let deleted = sessions::db::recognized_clients::delete_old(&db, BATCH_SIZE.into()).await?;
            Ok(deleted == u64::from(BATCH_SIZE))
        })
        .await;
}
