//! Hashing and verifying of passwords, with a concurrency limit, on threads of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use bodega_runtime::low_priority::LowPriorityThreads;

use super::{
    bcrypt_hash,
    db::Credentials,
    hash::{self, Typed, Verification},
    permits::HashPermits,
};
use crate::{config::Settings, error::Error};

/// Hashes and verifies passwords with a concurrency limit, on threads that do not delay requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hasher {
    threads: Arc<LowPriorityThreads>,
    permits: HashPermits,
    /// Verified for unknown users, so that they take as long as known ones.
    dummy_hash: Arc<str>,
    /// Milliseconds that a rejection takes at least, so that imported hashes do not show by their time.
    min_rejection: Arc<AtomicU32>,
}

impl Hasher {
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Self> {
        let max = settings.max_concurrent_hashes;
        let threads = LowPriorityThreads::new("password-hash", usize::try_from(max)?)?.into();
        let start = Instant::now();
        let dummy_hash = hash::hash(&format!("{:x}", rand::random::<u128>()))?.into();
        let permits = HashPermits::new(max, settings.hash_wait, start.elapsed());
        Ok(Self { threads, permits, dummy_hash, min_rejection: Arc::default() })
    }

    /// Rejects a call that will hash a password if it would be rejected then. So a flood of such calls costs no statements.
    ///
    /// # Errors
    /// [`Error::TooBusy`] if [`HashPermits::acquire`] would give no permit.
    pub(crate) fn check_capacity(&self) -> Result<(), Error> {
        if self.permits.are_exhausted() { Err(Error::TooBusy) } else { Ok(()) }
    }

    /// Returns the hash to store.
    ///
    /// # Errors
    /// [`Error::TooBusy`] without a permit, see [`HashPermits::acquire`].
    pub(crate) async fn hash(&self, password: &str) -> Result<String, Error> {
        let password = password.to_owned();
        let (hash, _) = self.with_permit(move || hash::hash(&password)).await?;
        Ok(hash)
    }

    /// Verifies `password` against a stored hash.
    ///
    /// # Errors
    /// [`Error::TooBusy`] without a permit, see [`HashPermits::acquire`].
    pub(crate) async fn verify(&self, stored_hash: &str, password: &str) -> Result<Verification, Error> {
        self.verify_if(true, stored_hash, password).await
    }

    /// Verifies a login. `None` stands for an unknown user: the verification takes as long, and the password is wrong, as it
    /// is for a user who cannot log in.
    ///
    /// # Errors
    /// [`Error::TooBusy`] without a permit, see [`HashPermits::acquire`].
    pub(crate) async fn verify_login(
        &self,
        credentials: Option<&Credentials>,
        password: &str,
    ) -> Result<Verification, Error> {
        match credentials {
            Some(found) => self.verify_if(found.can_log_in, &found.password_hash, password).await,
            None => self.verify_if(false, &self.dummy_hash, password).await,
        }
    }

    /// Adapts the time of rejections to the imported hashes, of which `highest_bcrypt_cost` is the highest cost.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub(crate) async fn hide_imported_hashes(&self, highest_bcrypt_cost: Option<u32>) -> Result<(), Error> {
        let min_rejection = match highest_bcrypt_cost {
            None => Duration::ZERO,
            Some(cost) => self.with_permit(move || bcrypt_hash::max_duration(cost)).await?.0,
        };
        self.min_rejection.store(milliseconds(min_rejection), Ordering::Relaxed);
        Ok(())
    }

    /// Whether or not the password `may_match`, it is hashed in the same way.
    async fn verify_if(
        &self,
        may_match: bool,
        stored_hash: &str,
        password: &str,
    ) -> Result<Verification, Error> {
        let Some(typed) = Typed::new(password) else { return Ok(Verification::Wrong) };
        let stored = stored_hash.to_owned();
        let (verification, started) =
            self.with_permit(move || hash::verify(may_match, &stored, &typed)).await?;
        if bcrypt_hash::is_one(stored_hash) {
            let min_rejection = milliseconds(bcrypt_hash::with_margin(started.elapsed()));
            self.min_rejection.fetch_max(min_rejection, Ordering::Relaxed);
        }
        if verification == Verification::Wrong {
            let min_rejection = Duration::from_millis(self.min_rejection.load(Ordering::Relaxed).into());
            tokio::time::sleep_until((started + min_rejection).into()).await;
        }
        Ok(verification)
    }

    /// Returns the result of `work`, and when it started.
    async fn with_permit<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> Result<(T, Instant), Error> {
        let permit = self.permits.acquire().await.ok_or(Error::TooBusy)?;
        let started = Instant::now();
        let task = self.threads.run(move || {
            let result = work();
            // Released only now, even if the call was cancelled, because a thread was occupied until now.
            drop(permit);
            result
        });
        let result = task.await.map_err(|error| Error::Internal(error.into()))??;
        Ok((result, started))
    }
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn hasher(max_concurrent: u32) -> Hasher {
        let mut settings = Settings::new("a secret of the tests: 7d0fKq2vXw".parse().unwrap());
        settings.max_concurrent_hashes = max_concurrent;
        settings.hash_wait = Duration::from_millis(50);
        Hasher::new(&settings).unwrap()
    }

    #[tokio::test]
    async fn rejections_take_as_long_as_those_of_imported_hashes() {
        let hasher = hasher(1);
        let stored = hasher.hash("correct horse").await.unwrap();
        hasher.hide_imported_hashes(Some(12)).await.unwrap();
        let hidden = Duration::from_millis(hasher.min_rejection.load(Ordering::Relaxed).into());
        let start = Instant::now();
        bcrypt::hash("correct horse", 10).unwrap();
        assert!(hidden > start.elapsed(), "more than a lower cost: {hidden:?}");
        for rejection in
            [hasher.verify_login(None, "wrong horse").await, hasher.verify(&stored, "wrong horse").await]
        {
            assert_eq!(rejection.unwrap(), Verification::Wrong);
        }
        assert!(start.elapsed() >= 2 * hidden);

        hasher.hide_imported_hashes(None).await.unwrap();
        assert_eq!(hasher.min_rejection.load(Ordering::Relaxed), 0);
        hasher.verify(&bcrypt::hash("correct horse", 8).unwrap(), "wrong horse").await.unwrap();
        assert_ne!(
            hasher.min_rejection.load(Ordering::Relaxed),
            0,
            "a new import is noticed at its first login"
        );
    }

    #[tokio::test]
    async fn a_user_who_cannot_log_in_has_no_correct_password() {
        let hasher = hasher(1);
        let password_hash = hasher.hash("correct horse").await.unwrap();
        let mut found = Credentials { id: uuid::Uuid::nil(), password_hash, can_log_in: true };
        let verification = hasher.verify_login(Some(&found), "correct horse").await.unwrap();
        assert_eq!(verification, Verification::Correct { upgraded_hash: None });
        found.can_log_in = false;
        assert_eq!(hasher.verify_login(Some(&found), "correct horse").await.unwrap(), Verification::Wrong);
    }

    #[tokio::test]
    async fn an_unknown_user_takes_as_long_as_a_known_one() {
        let mut hasher = hasher(1);
        assert_eq!(hasher.verify_login(None, "correct horse").await.unwrap(), Verification::Wrong);
        assert!(hasher.dummy_hash.starts_with(hash::CURRENT_PREFIX), "same parameters, same time");

        let stored = hasher.hash("correct horse").await.unwrap();
        let permit = hasher.permits.acquire().await.unwrap();
        assert!(matches!(hasher.verify(&stored, "correct horse").await, Err(Error::TooBusy)));
        assert!(
            matches!(hasher.verify_login(None, "correct horse").await, Err(Error::TooBusy)),
            "waits for a permit too"
        );

        drop(permit);
        hasher.dummy_hash = "no hash".into();
        let failed = hasher.verify_login(None, "correct horse").await;
        assert!(matches!(failed, Err(Error::Internal(_))), "verifies the dummy hash: {failed:?}");
    }

    #[tokio::test]
    async fn does_not_hash_very_long_passwords() {
        let hasher = hasher(1);
        let _permit = hasher.permits.acquire().await.unwrap();
        let verification = hasher.verify_login(None, &"x".repeat(1025)).await.unwrap();
        assert_eq!(verification, Verification::Wrong, "without waiting for a permit");
    }
}
