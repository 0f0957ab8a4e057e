//! Verification of a code: a one-time password, or a recovery code.

use bodega_runtime::database::Pool;
use sqlx::PgConnection;
use time::OffsetDateTime;
use tracing::info;
use uuid::Uuid;

use super::{
    db::{self, SecondFactor},
    recovery_codes, totp,
};
use crate::{
    config::Settings,
    encryption::{Encryption, SecretUsed},
    error::Error,
};

/// Secrets that are encrypted again at a time.
const BATCH_SIZE: i64 = 500;
const PURPOSE: &[u8] = b"bodega identity: second factors at rest, AES-256-GCM, 1";

/// Verifies codes. The secrets in the database are encrypted.
pub(crate) struct Codes {
    encryption: Encryption,
}

impl Codes {
    /// Derives the key of the secrets from the secret of the installation.
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self { encryption: Encryption::new(settings, PURPOSE)? })
    }

    /// Encrypts the secrets under `JWT_SECRET_KEY` that are encrypted under the secondary secret.
    pub(crate) async fn reencrypt(&self, db: &Pool) -> anyhow::Result<()> {
        let mut after = Uuid::nil();
        loop {
            let batch = db::list_encrypted(db, after, BATCH_SIZE).await?;
            let Some(last) = batch.last() else { return Ok(()) };
            after = last.user_id;
            for db::EncryptedSecret { user_id, encrypted_secret: old } in batch {
                let id = user_id.to_string();
                if let Some((secret, SecretUsed::Secondary)) = self.encryption.decrypt(&id, &old) {
                    let new = self.encryption.encrypt(&id, &secret)?;
                    db::update_encrypted(db, user_id, &old, &new).await?;
                }
            }
        }
    }

    /// Generates a secret, stores it, and returns it for the user's authenticator app.
    pub(super) async fn enroll(
        &self,
        db: &Pool,
        user_id: Uuid,
        email: &str,
    ) -> Result<totp::Enrollment, Error> {
        let secret: [u8; totp::SECRET_BYTES] = rand::random();
        let encrypted = self.encryption.encrypt(&user_id.to_string(), &secret)?;
        if !db::enroll(db, user_id, &encrypted).await? {
            return Err(Error::SecondFactorEnabled);
        }
        Ok(totp::enrollment(&secret, email)?)
    }

    /// Confirms the second factor that a locked user has enrolled, with its first code.
    pub(super) async fn confirm(
        &self,
        db: &mut PgConnection,
        user_id: Uuid,
        code: &str,
    ) -> Result<(), Error> {
        let factor = db::lock(db, user_id).await?.ok_or(Error::SecondFactorNotEnabled)?;
        if factor.is_enabled {
            return Err(Error::SecondFactorEnabled);
        }
        if self.accept_password(db, user_id, &factor, code).await? { Ok(()) } else { Err(Error::InvalidCode) }
    }

    /// Verifies a code of a locked user, who must have a second factor. It cannot be used again.
    pub(super) async fn verify(&self, db: &mut PgConnection, user_id: Uuid, code: &str) -> Result<(), Error> {
        let factor = db::lock(db, user_id).await?.filter(|factor| factor.is_enabled);
        let factor = factor.ok_or(Error::SecondFactorNotEnabled)?;
        if self.accept_password(db, user_id, &factor, code).await? {
            return Ok(());
        }
        if let Some(hash) = recovery_codes::hash(code)
            && db::use_recovery_code(db, user_id, &hash).await?
        {
            info!(user.id = %user_id, "recovery code used");
            return Ok(());
        }
        Err(Error::InvalidCode)
    }

    /// Returns whether a one-time password is valid, and later than the last accepted one.
    async fn accept_password(
        &self,
        db: &mut PgConnection,
        user_id: Uuid,
        factor: &SecondFactor,
        code: &str,
    ) -> Result<bool, Error> {
        let (secret, _) =
            self.encryption.decrypt(&user_id.to_string(), &factor.encrypted_secret).ok_or_else(|| {
                anyhow::anyhow!("JWT_SECRET_KEY cannot decrypt the second factor of user {user_id}")
            })?;
        let now = u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap_or_default();
        // Apps show the code in groups of three digits.
        let step = totp::check(&secret, &code.replace(' ', ""), now)?;
        let step = step.and_then(|step| i64::try_from(step).ok());
        let Some(step) = step.filter(|step| *step > factor.last_step) else { return Ok(false) };
        db::accept_step(db, user_id, step).await?;
        Ok(true)
    }
}
