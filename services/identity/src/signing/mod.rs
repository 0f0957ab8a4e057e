//! Signing of access tokens with an Ed25519 key, which all replicas share through the database.

mod db;
mod key;

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
use self::key::SigningKey;
use crate::{
    AUDIT,
    config::Settings,
    encryption::{Encryption, SecretUsed},
    sessions::IssuedSession,
    users::Role,
};

/// Domain of the encryption of private keys.
const PURPOSE: &[u8] = b"bodega identity: signing keys at rest, AES-256-GCM, 1";
const KEY_LIFETIME: time::Duration = time::Duration::days(90);
/// Interval at which a replica loads the current key.
pub(crate) const RELOAD_INTERVAL: Duration = Duration::from_secs(60);
/// A replica signs with a retired key until it reloads: replicas of earlier versions for up to an hour.
const RETIRED_KEY_USE: Duration = Duration::from_secs(2 * 60 * 60);

pub(crate) struct Signer {
    db: Pool,
    encryption: Encryption,
    access_ttl: Duration,
    require_admin_second_factor: bool,
    current: RwLock<Arc<SigningKey>>,
}

impl Signer {
    /// Loads the current key, or generates it when there is none. Encrypts it under `JWT_SECRET_KEY`, if it is encrypted under
    /// the secondary secret.
    ///
    /// # Errors
    /// When the database fails, or the key was encrypted under another secret.
    pub(crate) async fn start(db: Pool, settings: &Settings) -> anyhow::Result<Self> {
        let Settings { access_ttl, require_admin_second_factor, .. } = *settings;
        let encryption = Encryption::new(settings, PURPOSE)?;
        if let Some(key) = db::find_current(&db).await? {
            key::reencrypt(&db, &key, &encryption).await?;
        }
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
        db::list_public(&self.db, self.access_ttl + RETIRED_KEY_USE).await
    }

    /// Loads the current key, which another replica may have rotated, and rotates it when it is old.
    pub(crate) async fn reload(&self) -> anyhow::Result<()> {
        let mut key = load_or_generate(&self.db, &self.encryption).await?;
        if key.created_at() < OffsetDateTime::now_utc() - KEY_LIFETIME {
            key = rotate(&self.db, &self.encryption, &key).await?;
        }
        if let Ok(mut current) = self.current.write() {
            *current = Arc::new(key);
        }
        Ok(())
    }

    fn current(&self) -> Arc<SigningKey> {
        match self.current.read() {
            Ok(current) => current.clone(),
            // The key is replaced as a whole, so it is valid after a panic.
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }
}

/// The result of [`rotate_signing_key`].
#[derive(Debug)]
pub struct RotatedKey {
    /// Id of the new key.
    pub kid: String,
    /// Whether it is encrypted under the secondary secret, because the previous key is.
    pub is_under_secondary_secret: bool,
}

/// Replaces the signing key. Running processes sign with the new key within a minute, and tokens of the old key stay valid.
///
/// # Errors
/// When the database fails, or the key was encrypted under another secret.
pub async fn rotate_signing_key(db: &Pool, settings: &Settings) -> anyhow::Result<RotatedKey> {
    let encryption = Encryption::new(settings, PURPOSE)?;
    let old = load_or_generate(db, &encryption).await?;
    let new = rotate(db, &encryption, &old).await?;
    let is_under_secondary_secret = new.secret() == SecretUsed::Secondary;
    Ok(RotatedKey { kid: new.kid().to_owned(), is_under_secondary_secret })
}

/// The new key is encrypted under the secret of the old one, which all replicas have while it is replaced.
async fn rotate(db: &Pool, encryption: &Encryption, old: &SigningKey) -> anyhow::Result<SigningKey> {
    let mut transaction = db.begin().await?;
    if db::retire(&mut transaction, old.kid()).await? {
        key::generate(&mut *transaction, encryption, old.secret()).await?;
        let event = Event::new("signing_key.rotated", Actor::System);
        AUDIT.record(&mut transaction, event.on(Subject::new("signing_key", old.kid()))).await?;
    }
    transaction.commit().await?;
    let new = load_or_generate(db, encryption).await?;
    info!(key.id = new.kid(), "rotated signing key");
    Ok(new)
}

/// Loads the current key, or generates it. Replicas that start at once agree on one key by a unique index.
async fn load_or_generate(db: &Pool, encryption: &Encryption) -> anyhow::Result<SigningKey> {
    if let Some(key) = db::find_current(db).await? {
        return SigningKey::decrypt(&key, encryption);
    }
    key::generate(db, encryption, SecretUsed::Primary).await?;
    let key = db::find_current(db).await?.context("signing key not found")?;
    SigningKey::decrypt(&key, encryption)
}
