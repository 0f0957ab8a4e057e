//! Signing of access tokens with an Ed25519 key, which all replicas share through the database.

mod db;
mod key;
mod key_encryption;

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use anyhow::Context as _;
use bodega_audit::{Actor, Event, Subject};
use bodega_runtime::{
    auth::{self, AUDIENCE, Claims, ISSUER},
    database::Pool,
};
use time::OffsetDateTime;
use tracing::info;
use uuid::Uuid;

pub(crate) use self::db::PublicKey;
use self::{key::SigningKey, key_encryption::KeyEncryption};
use crate::{AUDIT, config::Settings, sessions::IssuedSession, users::Role};

const KEY_LIFETIME: time::Duration = time::Duration::days(90);
/// Interval at which a replica loads the current key.
pub(crate) const RELOAD_INTERVAL: Duration = Duration::from_secs(60 * 60);

pub(crate) struct Signer {
    db: Pool,
    encryption: KeyEncryption,
    access_ttl: Duration,
    require_admin_second_factor: bool,
    current: RwLock<Arc<SigningKey>>,
}

impl Signer {
    /// Loads the current key, or generates it when there is none.
    ///
    /// # Errors
    /// When the database fails, or the key was encrypted under another secret.
    pub(crate) async fn start(db: Pool, settings: &Settings) -> anyhow::Result<Self> {
        let Settings { ref jwt_secret, access_ttl, require_admin_second_factor, .. } = *settings;
        let encryption = KeyEncryption::new(jwt_secret)?;
        let current = RwLock::new(Arc::new(load_or_generate(&db, &encryption).await?));
        Ok(Self { db, encryption, access_ttl, require_admin_second_factor, current })
    }

    /// Issues an access token for a session. An admin who has to enroll a second factor first gets the role `user`.
    pub(crate) fn access_token(&self, session: &IssuedSession) -> anyhow::Result<String> {
        let IssuedSession { id, user, second_factor_at, .. } = session;
        let second_factor_missing =
            self.require_admin_second_factor && user.role == Role::Admin && second_factor_at.is_none();
        let role = if second_factor_missing { Role::User } else { user.role };
        self.sign(user.id, *id, role.into(), self.access_ttl, |claims| {
            claims.second_factor_at = second_factor_at.map(OffsetDateTime::unix_timestamp);
            claims.second_factor_missing = second_factor_missing;
        })
    }

    /// Issues an access token for an API key. Returns it with its lifetime.
    pub(crate) fn api_key_token(
        &self,
        id: Uuid,
        scope: &str,
        lifetime: Duration,
    ) -> anyhow::Result<(String, Duration)> {
        let lifetime = lifetime.min(self.access_ttl);
        let token =
            self.sign(id, id, auth::Role::ApiKey, lifetime, |claims| claims.scope = scope.to_owned())?;
        Ok((token, lifetime))
    }

    fn sign(
        &self,
        subject: Uuid,
        session_id: Uuid,
        role: auth::Role,
        lifetime: Duration,
        change: impl FnOnce(&mut Claims),
    ) -> anyhow::Result<String> {
        let issued_at = OffsetDateTime::now_utc().unix_timestamp();
        let mut claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: subject,
            sid: session_id,
            role,
            iat: issued_at,
            exp: issued_at + i64::try_from(lifetime.as_secs())?,
            jti: Uuid::now_v7(),
            scope: String::new(),
            second_factor_at: None,
            second_factor_missing: false,
        };
        change(&mut claims);
        self.current().sign(&claims)
    }

    /// Returns the keys of all tokens that may be valid, the current key first. Reads the database, because another
    /// replica may have rotated the key.
    pub(crate) async fn public_keys(&self) -> sqlx::Result<Vec<PublicKey>> {
        // A replica signs with a retired key until it reloads.
        db::list_public(&self.db, self.access_ttl + 2 * RELOAD_INTERVAL).await
    }

    /// Loads the current key, which another replica may have rotated, and rotates it when it is old.
    pub(crate) async fn reload(&self) -> anyhow::Result<()> {
        let mut key = load_or_generate(&self.db, &self.encryption).await?;
        if key.created_at() < OffsetDateTime::now_utc() - KEY_LIFETIME {
            key = self.rotate(&key).await?;
        }
        if let Ok(mut current) = self.current.write() {
            *current = Arc::new(key);
        }
        Ok(())
    }

    async fn rotate(&self, old: &SigningKey) -> anyhow::Result<SigningKey> {
        let mut transaction = self.db.begin().await?;
        if db::retire(&mut transaction, old.kid()).await? {
            key::generate(&mut *transaction, &self.encryption).await?;
            let event = Event::new("signing_key.rotated", Actor::System);
            let event = event.on(Subject::new("signing_key", old.kid()));
            AUDIT.record(&mut transaction, event).await?;
        }
        transaction.commit().await?;
        let new = load_or_generate(&self.db, &self.encryption).await?;
        info!(key.id = new.kid(), "rotated signing key");
        Ok(new)
    }

    fn current(&self) -> Arc<SigningKey> {
        match self.current.read() {
            Ok(current) => current.clone(),
            // The key is replaced as a whole, so it is valid after a panic.
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }
}

/// Loads the current key, or generates it. Replicas that start at once agree on one key by a unique index.
async fn load_or_generate(db: &Pool, encryption: &KeyEncryption) -> anyhow::Result<SigningKey> {
    if let Some(key) = db::find_current(db).await? {
        return SigningKey::decrypt(&key, encryption);
    }
    key::generate(db, encryption).await?;
    let key = db::find_current(db).await?.context("signing key not found")?;
    SigningKey::decrypt(&key, encryption)
}
