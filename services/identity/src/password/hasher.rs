//! How passwords are kept: argon2id, a bounded number of hashes at once.

use std::{sync::Arc, time::Instant};

use anyhow::anyhow;
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{self, PasswordHasher as _, PasswordVerifier as _},
};

use super::turns::Turns;
use crate::{config::Settings, error::Error};

/// OWASP's recommendation: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// How a hash made with these begins.
const CURRENT: &str = "$argon2id$v=19$m=19456,t=2,p=1$";
/// The variants of bcrypt that are in use; `$2x$` marks hashes of a broken implementation.
const BCRYPT: [&str; 3] = ["$2a$", "$2b$", "$2y$"];
/// A password as long as policy allows fits; anything longer cannot be right, and is not worth a hash.
const MAX_BYTES: usize = 1024;

/// Hashes and verifies passwords. At most so many at once, each on a thread where it holds nobody up.
#[derive(Clone)]
pub(crate) struct Hasher {
    turns: Turns,
    /// What passwords of unknown accounts are verified against, so that they take as long as any other.
    dummy: Arc<str>,
}

/// What became of a password that was verified.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not the account's.
    Wrong,
    /// The account's.
    Right {
        /// What to keep from now on, where the hash was not up to date.
        upgrade: Option<String>,
    },
}

impl Hasher {
    /// A hasher with the settings' bounds.
    ///
    /// # Errors
    /// When argon2 refuses our parameters.
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Self> {
        let unguessable: [u8; 32] = rand::random();
        let began = Instant::now();
        let dummy = hash(&unguessable)?.into();
        let turns = Turns::new(settings.max_concurrent_hashes, settings.hash_wait, began.elapsed());
        Ok(Self { turns, dummy })
    }

    /// The hash to keep of `password`.
    ///
    /// # Errors
    /// [`Error::TooBusy`] when its turn does not come in time: mostly at once, see [`Turns::take`].
    pub(crate) async fn hash(&self, password: &str) -> Result<String, Error> {
        let password = password.to_owned();
        self.in_turn(move || hash(password.as_bytes())).await
    }

    /// Whether `password` is the one that `kept` is the hash of. Without a hash it takes as long, and is wrong.
    ///
    /// # Errors
    /// [`Error::TooBusy`] when its turn does not come in time: mostly at once, see [`Turns::take`].
    pub(crate) async fn verify(&self, kept: Option<&str>, password: &str) -> Result<Verdict, Error> {
        if password.len() > MAX_BYTES {
            return Ok(Verdict::Wrong);
        }
        let known = kept.is_some();
        let kept = kept.unwrap_or(&self.dummy).to_owned();
        let password = password.to_owned();
        self.in_turn(move || {
            // Hashed before it is asked whether that was any use.
            let right = matches(&kept, &password)?;
            if !(right && known) {
                return Ok(Verdict::Wrong);
            }
            let upgrade = if kept.starts_with(CURRENT) { None } else { Some(hash(password.as_bytes())?) };
            Ok(Verdict::Right { upgrade })
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = self.turns.take().await.ok_or(Error::TooBusy)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            // Only now: nobody may be waiting for the answer any more, but the core was busy until here.
            drop(turn);
            done
        });
        Ok(done.await.map_err(|cause| Error::Internal(cause.into()))??)
    }
}

fn argon2() -> anyhow::Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|cause| anyhow!("argon2: {cause}"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &[u8]) -> anyhow::Result<String> {
    let hash = argon2()?.hash_password(password).map_err(|cause| anyhow!("argon2: {cause}"))?;
    Ok(hash.to_string())
}

fn matches(kept: &str, password: &str) -> anyhow::Result<bool> {
    if BCRYPT.iter().any(|prefix| kept.starts_with(prefix)) {
        return bcrypt::verify(password, kept).map_err(|cause| anyhow!("a kept hash: {cause}"));
    }
    match argon2()?.verify_password(password.as_bytes(), kept) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(cause) => Err(anyhow!("a kept hash: {cause}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn hasher(at_once: u32) -> Hasher {
        let mut settings = Settings::new("x".repeat(32).parse().unwrap());
        settings.max_concurrent_hashes = at_once;
        settings.hash_wait = Duration::from_millis(50);
        Hasher::new(&settings).unwrap()
    }

    #[tokio::test]
    async fn a_password_matches_its_hash_and_no_other() {
        let hasher = hasher(1);
        let kept = hasher.hash("correct horse").await.unwrap();
        assert!(kept.starts_with(CURRENT), "{kept}");
        assert_ne!(kept, hasher.hash("correct horse").await.unwrap(), "salted");
        let right = hasher.verify(Some(&kept), "correct horse").await.unwrap();
        assert_eq!(right, Verdict::Right { upgrade: None });
        assert_eq!(hasher.verify(Some(&kept), "correct horse ").await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn hashes_of_old_are_accepted_and_replaced() {
        let hasher = hasher(1);
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let weak = weak.hash_password(b"correct horse").unwrap().to_string();
        let parts = bcrypt::hash_with_result("correct horse", 4).unwrap();
        let bcrypts = [bcrypt::Version::TwoA, bcrypt::Version::TwoB, bcrypt::Version::TwoY]
            .map(|version| parts.format_for_version(version));
        for kept in bcrypts.into_iter().chain([weak]) {
            assert_eq!(hasher.verify(Some(&kept), "wrong horse").await.unwrap(), Verdict::Wrong);
            let verdict = hasher.verify(Some(&kept), "correct horse").await.unwrap();
            let Verdict::Right { upgrade: Some(upgrade) } = verdict else { panic!("{kept}: {verdict:?}") };
            let again = hasher.verify(Some(&upgrade), "correct horse").await.unwrap();
            assert_eq!(again, Verdict::Right { upgrade: None });
        }
    }

    #[tokio::test]
    async fn an_unknown_account_costs_a_hash_like_any_other() {
        let mut hasher = hasher(1);
        assert_eq!(hasher.verify(None, "correct horse").await.unwrap(), Verdict::Wrong);
        assert!(hasher.dummy.starts_with(CURRENT), "the same parameters: the same time");

        let kept = hasher.hash("correct horse").await.unwrap();
        let turn = hasher.turns.take().await.unwrap();
        assert!(matches!(hasher.verify(Some(&kept), "correct horse").await, Err(Error::TooBusy)));
        assert!(
            matches!(hasher.verify(None, "correct horse").await, Err(Error::TooBusy)),
            "it waits for a turn too"
        );

        drop(turn);
        hasher.dummy = "no hash".into();
        let failed = hasher.verify(None, "correct horse").await;
        assert!(
            matches!(failed, Err(Error::Internal(_))),
            "the dummy is what it is verified against: {failed:?}"
        );
    }

    #[tokio::test]
    async fn megabytes_are_not_hashed() {
        let hasher = hasher(1);
        let _turn = hasher.turns.take().await.unwrap();
        let verdict = hasher.verify(None, &"x".repeat(1025)).await.unwrap();
        assert_eq!(verdict, Verdict::Wrong, "without waiting for a turn");
    }
}
