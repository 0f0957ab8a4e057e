//! Signing access tokens, with an Ed25519 key that all replicas share through the database.

mod key;
mod seal;

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use anyhow::Context as _;
use bodega_runtime::auth::{AUDIENCE, Claims, ISSUER};
use sqlx::PgPool;
use time::OffsetDateTime;
use tracing::info;
use uuid::Uuid;

use self::{key::SigningKey, seal::Seal};
use crate::{account::Account, config::SecretKey, store};

/// How long a key signs.
const KEY_LIFETIME: time::Duration = time::Duration::days(90);
/// How often a replica looks which key it is to sign with.
pub(crate) const RELOAD_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Signs access tokens with the current key.
pub(crate) struct Signer {
    db: PgPool,
    seal: Seal,
    access_ttl: Duration,
    current: RwLock<Arc<SigningKey>>,
}

impl Signer {
    /// A signer with the current key; the first one ever makes it.
    ///
    /// # Errors
    /// When the database does not answer, or `secret` is not the one the key was sealed with.
    pub(crate) async fn start(db: PgPool, secret: &SecretKey, access_ttl: Duration) -> anyhow::Result<Self> {
        let seal = Seal::new(secret)?;
        let current = load_or_make(&db, &seal).await?;
        Ok(Self { db, seal, access_ttl, current: RwLock::new(Arc::new(current)) })
    }

    /// An access token for a session of `account`, with the role that the account has now.
    ///
    /// # Errors
    /// When it cannot be signed, which a key that could be loaded does not do.
    pub(crate) fn access_token(&self, account: &Account, session_id: Uuid) -> anyhow::Result<String> {
        let issued_at = OffsetDateTime::now_utc().unix_timestamp();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: account.id,
            sid: session_id,
            role: account.role.into(),
            iat: issued_at,
            exp: issued_at + i64::try_from(self.access_ttl.as_secs())?,
            jti: Uuid::now_v7(),
        };
        self.current().sign(&claims)
    }

    /// The keys that verify tokens which may still be alive, the one that signs first. From the database: another
    /// replica may have made a new one.
    pub(crate) async fn public_keys(&self) -> sqlx::Result<Vec<store::signing_keys::Public>> {
        // A replica goes on signing with a retired key until it looks again.
        store::signing_keys::public(&self.db, self.access_ttl + 2 * RELOAD_INTERVAL).await
    }

    /// Takes up the key that another replica has made, or makes one when the current key is old.
    ///
    /// # Errors
    /// As [`Signer::start`].
    pub(crate) async fn reload(&self) -> anyhow::Result<()> {
        let mut key = load_or_make(&self.db, &self.seal).await?;
        if key.created_at() < OffsetDateTime::now_utc() - KEY_LIFETIME {
            key = self.rotate(&key).await?;
        }
        if let Ok(mut current) = self.current.write() {
            *current = Arc::new(key);
        }
        Ok(())
    }

    async fn rotate(&self, old: &SigningKey) -> anyhow::Result<SigningKey> {
        let mut tx = self.db.begin().await?;
        if store::signing_keys::retire(&mut tx, old.kid()).await? {
            key::make(&mut *tx, &self.seal).await?;
        }
        tx.commit().await?;
        let new = load_or_make(&self.db, &self.seal).await?;
        info!(key.id = new.kid(), "Access tokens are signed with key {} from now on", new.kid());
        Ok(new)
    }

    fn current(&self) -> Arc<SigningKey> {
        match self.current.read() {
            Ok(current) => current.clone(),
            // Whoever panicked did so with a whole key in place.
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }
}

/// The current key. Of several replicas that start at once, one makes it, and the database settles which.
async fn load_or_make(db: &PgPool, seal: &Seal) -> anyhow::Result<SigningKey> {
    if let Some(sealed) = store::signing_keys::current(db).await? {
        return SigningKey::open(&sealed, seal);
    }
    key::make(db, seal).await?;
    let sealed = store::signing_keys::current(db).await?.context("there is no signing key")?;
    SigningKey::open(&sealed, seal)
}
