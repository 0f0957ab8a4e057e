//! Password hashing with argon2id, with a concurrency limit.
//!
//! New passwords are hashed in NFKC (NIST SP 800-63B), so that the same characters typed on another device match. A stored
//! hash is compared with the password as typed first, because earlier versions and other systems hashed that.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::anyhow;
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{self, PasswordHasher as _, PasswordVerifier as _},
};

use super::{bcrypt_hash, db::Credentials, permits::HashPermits};
use crate::{config::Settings, error::Error, users::nfkc};

// The recommendation of OWASP: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// The prefix of hashes with these parameters.
const CURRENT_PREFIX: &str = "$argon2id$v=19$m=19456,t=2,p=1$";
/// More than the policy allows. Longer passwords are rejected without hashing them.
const MAX_BYTES: usize = 1024;
/// Longer passwords are rejected without normalizing them: NFKC does not shorten a text to less than a quarter.
const MAX_TYPED_BYTES: usize = 4 * MAX_BYTES;

/// Hashes and verifies passwords on blocking threads, with a concurrency limit.
#[derive(Clone)]
pub(crate) struct Hasher {
    permits: HashPermits,
    /// Verified for unknown users, so that they take as long as known ones.
    dummy_hash: Arc<str>,
    /// Milliseconds that a rejection takes at least, so that imported hashes do not show by their time.
    min_rejection: Arc<AtomicU32>,
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
        Ok(Self { permits, dummy_hash, min_rejection: Arc::default() })
    }

    /// Returns the hash to store.
    ///
    /// # Errors
    /// [`Error::TooBusy`] without a permit, see [`HashPermits::acquire`].
    pub(crate) async fn hash(&self, password: &str) -> Result<String, Error> {
        let password = nfkc(password);
        let (hash, _) = self.with_permit(move || hash(password.as_bytes())).await?;
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
            self.with_permit(move || verify_forms(may_match, &stored, &typed)).await?;
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
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            // Released only now, even if the call was cancelled, because the thread used a core until now.
            drop(permit);
            result
        });
        let result = task.await.map_err(|error| Error::Internal(error.into()))??;
        Ok((result, started))
    }
}

/// The forms of a password that a stored hash may be of.
struct Typed {
    /// As typed; `None` if no password in this form was ever accepted.
    typed: Option<String>,
    /// In NFKC, if that is another form.
    normalized: Option<String>,
}

impl Typed {
    /// Returns `None` for a password that is too long to be one.
    fn new(password: &str) -> Option<Self> {
        if password.len() > MAX_TYPED_BYTES {
            return None;
        }
        let is_possible = |form: &String| form.len() <= MAX_BYTES;
        let typed = Some(password.to_owned()).filter(is_possible);
        let normalized = Some(nfkc(password)).filter(|form| is_possible(form) && form != password);
        (typed.is_some() || normalized.is_some()).then_some(Self { typed, normalized })
    }
}

fn verify_forms(may_match: bool, stored: &str, password: &Typed) -> anyhow::Result<Verification> {
    let Typed { typed, normalized } = password;
    for form in [typed, normalized].into_iter().flatten() {
        if matches(stored, form)? && may_match {
            let is_current =
                stored.starts_with(CURRENT_PREFIX) && normalized.as_ref().is_none_or(|it| it == form);
            let can_upgrade = !is_current && !bcrypt_hash::ignores_end_of(stored, form);
            let new = normalized.as_ref().unwrap_or(form);
            let upgraded_hash = can_upgrade.then(|| hash(new.as_bytes())).transpose()?;
            return Ok(Verification::Correct { upgraded_hash });
        }
    }
    Ok(Verification::Wrong)
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
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
    if bcrypt_hash::is_one(stored) {
        return bcrypt_hash::matches(stored, password);
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
        let mut settings = Settings::new("a secret of the tests: 7d0fKq2vXw".parse().unwrap());
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
        let correct = hasher.verify(&stored, "correct horse").await.unwrap();
        assert_eq!(correct, Verification::Correct { upgraded_hash: None });
        assert_eq!(hasher.verify(&stored, "correct horse ").await.unwrap(), Verification::Wrong);
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
            assert_eq!(hasher.verify(&stored, "wrong horse").await.unwrap(), Verification::Wrong);
            let verification = hasher.verify(&stored, "correct horse").await.unwrap();
            let Verification::Correct { upgraded_hash: Some(upgraded_hash) } = verification else {
                panic!("{stored}: {verification:?}")
            };
            let again = hasher.verify(&upgraded_hash, "correct horse").await.unwrap();
            assert_eq!(again, Verification::Correct { upgraded_hash: None });
        }
    }

    #[tokio::test]
    async fn compares_passwords_in_any_unicode_representation() {
        let hasher = hasher(1);
        let (composed, decomposed) = ("Zo\u{eb} at four", "Zoe\u{308} at four");
        let stored = hasher.hash(decomposed).await.unwrap();
        for typed in [composed, decomposed, "Ｚoë at four"] {
            let verification = hasher.verify(&stored, typed).await.unwrap();
            assert_eq!(verification, Verification::Correct { upgraded_hash: None }, "{typed}");
        }
        let earlier = hash(decomposed.as_bytes()).unwrap();
        assert_eq!(hasher.verify(&earlier, composed).await.unwrap(), Verification::Wrong);
        let Verification::Correct { upgraded_hash: Some(upgraded_hash) } =
            hasher.verify(&earlier, decomposed).await.unwrap()
        else {
            panic!("a hash of the password as typed is replaced")
        };
        let verification = hasher.verify(&upgraded_hash, composed).await.unwrap();
        assert_eq!(verification, Verification::Correct { upgraded_hash: None });
    }

    #[tokio::test]
    async fn never_replaces_a_bcrypt_hash_that_ignores_the_end_of_the_password() {
        let hasher = hasher(1);
        let start = "x".repeat(72);
        let stored = bcrypt::hash(format!("{start}tail-one"), 4).unwrap();
        for end in ["tail-one", "tail-TWO", ""] {
            let verification = hasher.verify(&stored, &format!("{start}{end}")).await.unwrap();
            assert_eq!(verification, Verification::Correct { upgraded_hash: None }, "{end}");
        }
        assert_eq!(hasher.verify(&stored, &"x".repeat(71)).await.unwrap(), Verification::Wrong);

        let short = bcrypt::hash("correct horse", 4).unwrap();
        for with_nul in ["correct horse\0", "correct horse\0correct horse"] {
            assert_eq!(hasher.verify(&short, with_nul).await.unwrap(), Verification::Wrong);
        }
        let long = bcrypt::hash("x".repeat(71), 4).unwrap();
        let verification = hasher.verify(&long, &"x".repeat(71)).await.unwrap();
        assert!(matches!(verification, Verification::Correct { upgraded_hash: Some(_) }));
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
        assert!(hasher.dummy_hash.starts_with(CURRENT_PREFIX), "same parameters, same time");

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
