//! Password hashing with argon2id, with a concurrency limit.

use std::{sync::Arc, time::Instant};

use anyhow::anyhow;
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{self, PasswordHasher as _, PasswordVerifier as _},
};

use super::permits::HashPermits;
use crate::{config::Settings, error::Error};

// The recommendation of OWASP: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// The prefix of hashes with these parameters.
const CURRENT_PREFIX: &str = "$argon2id$v=19$m=19456,t=2,p=1$";
/// The accepted variants of bcrypt; `$2x$` marks hashes of a broken implementation.
const BCRYPT_PREFIXES: [&str; 3] = ["$2a$", "$2b$", "$2y$"];
/// More than the policy allows. Longer passwords are rejected without hashing them.
const MAX_BYTES: usize = 1024;

/// Hashes and verifies passwords on blocking threads, with a concurrency limit.
#[derive(Clone)]
pub(crate) struct Hasher {
    permits: HashPermits,
    /// Verified for unknown users, so that they take as long as known ones.
    dummy_hash: Arc<str>,
}

/// The result of verifying a password.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verification {
    Wrong,
    Correct {
        /// A new hash that replaces an outdated one.
        upgraded_hash: Option<String>,
    },
}

impl Hasher {
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Self> {
        let random: [u8; 32] = rand::random();
        let start = Instant::now();
        let dummy_hash = hash(&random)?.into();
        let permits = HashPermits::new(settings.max_concurrent_hashes, settings.hash_wait, start.elapsed());
        Ok(Self { permits, dummy_hash })
    }

    /// Returns the hash to store.
    ///
    /// # Errors
    /// [`Error::TooBusy`] without a permit, see [`HashPermits::acquire`].
    pub(crate) async fn hash(&self, password: &str) -> Result<String, Error> {
        let password = password.to_owned();
        self.with_permit(move || hash(password.as_bytes())).await
    }

    /// Verifies `password` against a stored hash. `None` stands for an unknown user: the verification takes as long,
    /// and the password is wrong.
    ///
    /// # Errors
    /// [`Error::TooBusy`] without a permit, see [`HashPermits::acquire`].
    pub(crate) async fn verify(
        &self,
        stored_hash: Option<&str>,
        password: &str,
    ) -> Result<Verification, Error> {
        if password.len() > MAX_BYTES {
            return Ok(Verification::Wrong);
        }
        let is_known = stored_hash.is_some();
        let stored = stored_hash.unwrap_or(&self.dummy_hash).to_owned();
        let password = password.to_owned();
        self.with_permit(move || {
            // The hash is computed for unknown users too, so that they take as long.
            let is_match = matches(&stored, &password)?;
            if !(is_match && is_known) {
                return Ok(Verification::Wrong);
            }
            let upgraded_hash =
                if stored.starts_with(CURRENT_PREFIX) { None } else { Some(hash(password.as_bytes())?) };
            Ok(Verification::Correct { upgraded_hash })
        })
        .await
    }

    async fn with_permit<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = self.permits.acquire().await.ok_or(Error::TooBusy)?;
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            // Released only now, even if the call was cancelled, because the thread used a core until now.
            drop(permit);
            result
        });
        Ok(task.await.map_err(|error| Error::Internal(error.into()))??)
    }
}

fn argon2() -> anyhow::Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| anyhow!("argon2: {error}"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &[u8]) -> anyhow::Result<String> {
    let hash = argon2()?.hash_password(password).map_err(|error| anyhow!("argon2: {error}"))?;
    Ok(hash.to_string())
}

fn matches(stored: &str, password: &str) -> anyhow::Result<bool> {
    if BCRYPT_PREFIXES.iter().any(|prefix| stored.starts_with(prefix)) {
        return bcrypt::verify(password, stored).map_err(|error| anyhow!("invalid stored hash: {error}"));
    }
    match argon2()?.verify_password(password.as_bytes(), stored) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(anyhow!("invalid stored hash: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn hasher(max_concurrent: u32) -> Hasher {
        let mut settings = Settings::new("x".repeat(32).parse().unwrap());
        settings.max_concurrent_hashes = max_concurrent;
        settings.hash_wait = Duration::from_millis(50);
        Hasher::new(&settings).unwrap()
    }

    #[tokio::test]
    async fn verifies_the_hashed_password_only() {
        let hasher = hasher(1);
        let stored = hasher.hash("correct horse").await.unwrap();
        assert!(stored.starts_with(CURRENT_PREFIX), "{stored}");
        assert_ne!(stored, hasher.hash("correct horse").await.unwrap(), "salted");
        let correct = hasher.verify(Some(&stored), "correct horse").await.unwrap();
        assert_eq!(correct, Verification::Correct { upgraded_hash: None });
        assert_eq!(hasher.verify(Some(&stored), "correct horse ").await.unwrap(), Verification::Wrong);
    }

    #[tokio::test]
    async fn accepts_outdated_hashes_and_upgrades_them() {
        let hasher = hasher(1);
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let weak = weak.hash_password(b"correct horse").unwrap().to_string();
        let parts = bcrypt::hash_with_result("correct horse", 4).unwrap();
        let bcrypts = [bcrypt::Version::TwoA, bcrypt::Version::TwoB, bcrypt::Version::TwoY]
            .map(|version| parts.format_for_version(version));
        for stored in bcrypts.into_iter().chain([weak]) {
            assert_eq!(hasher.verify(Some(&stored), "wrong horse").await.unwrap(), Verification::Wrong);
            let verification = hasher.verify(Some(&stored), "correct horse").await.unwrap();
            let Verification::Correct { upgraded_hash: Some(upgraded_hash) } = verification else {
                panic!("{stored}: {verification:?}")
            };
            let again = hasher.verify(Some(&upgraded_hash), "correct horse").await.unwrap();
            assert_eq!(again, Verification::Correct { upgraded_hash: None });
        }
    }

    #[tokio::test]
    async fn an_unknown_user_takes_as_long_as_a_known_one() {
        let mut hasher = hasher(1);
        assert_eq!(hasher.verify(None, "correct horse").await.unwrap(), Verification::Wrong);
        assert!(hasher.dummy_hash.starts_with(CURRENT_PREFIX), "same parameters, same time");

        let stored = hasher.hash("correct horse").await.unwrap();
        let permit = hasher.permits.acquire().await.unwrap();
        assert!(matches!(hasher.verify(Some(&stored), "correct horse").await, Err(Error::TooBusy)));
        assert!(
            matches!(hasher.verify(None, "correct horse").await, Err(Error::TooBusy)),
            "waits for a permit too"
        );

        drop(permit);
        hasher.dummy_hash = "no hash".into();
        let failed = hasher.verify(None, "correct horse").await;
        assert!(matches!(failed, Err(Error::Internal(_))), "verifies the dummy hash: {failed:?}");
    }

    #[tokio::test]
    async fn does_not_hash_very_long_passwords() {
        let hasher = hasher(1);
        let _permit = hasher.permits.acquire().await.unwrap();
        let verification = hasher.verify(None, &"x".repeat(1025)).await.unwrap();
        assert_eq!(verification, Verification::Wrong, "without waiting for a permit");
    }
}
