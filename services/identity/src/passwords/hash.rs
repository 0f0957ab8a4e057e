//! Hashes of passwords, with argon2id.
//!
//! New passwords are hashed in NFKC (NIST SP 800-63B), so that the same characters typed on another device match. A stored
//! hash is compared with the password as typed first, because earlier versions and other systems hashed that.

use anyhow::anyhow;
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{self, PasswordHasher as _, PasswordVerifier as _},
};

use super::bcrypt_hash;
use crate::users::nfkc;

// The recommendation of OWASP: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// The prefix of hashes with these parameters.
pub(super) const CURRENT_PREFIX: &str = "$argon2id$v=19$m=19456,t=2,p=1$";
/// More than the policy allows. Longer passwords are rejected without hashing them.
const MAX_BYTES: usize = 1024;
/// Longer passwords are rejected without normalizing them: NFKC does not shorten a text to less than a quarter.
const MAX_TYPED_BYTES: usize = 4 * MAX_BYTES;

/// The result of verifying a password.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verification {
    Wrong,
    Correct {
        /// A new hash that replaces an outdated one.
        upgraded_hash: Option<String>,
    },
}

/// Returns the hash to store of a new password.
pub(super) fn hash(password: &str) -> anyhow::Result<String> {
    hash_form(&nfkc(password))
}

/// Verifies a password against a stored hash. Whether or not the password `may_match`, the work is the same.
pub(super) fn verify(may_match: bool, stored: &str, password: &Typed) -> anyhow::Result<Verification> {
    let Typed { typed, normalized } = password;
    for form in [typed, normalized].into_iter().flatten() {
        if matches(stored, form)? && may_match {
            let is_current =
                stored.starts_with(CURRENT_PREFIX) && normalized.as_ref().is_none_or(|it| it == form);
            let can_upgrade = !is_current && !bcrypt_hash::ignores_end_of(stored, form);
            let new = normalized.as_ref().unwrap_or(form);
            let upgraded_hash = can_upgrade.then(|| hash_form(new)).transpose()?;
            return Ok(Verification::Correct { upgraded_hash });
        }
    }
    Ok(Verification::Wrong)
}

fn argon2() -> anyhow::Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| anyhow!("argon2: {error}"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash_form(password: &str) -> anyhow::Result<String> {
    let hash = argon2()?.hash_password(password.as_bytes()).map_err(|error| anyhow!("argon2: {error}"))?;
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

/// The forms of a password that a stored hash may be of.
pub(super) struct Typed {
    /// As typed; `None` if no password in this form was ever accepted.
    typed: Option<String>,
    /// In NFKC, if that is another form.
    normalized: Option<String>,
}

impl Typed {
    /// Returns `None` for a password that is too long to be one.
    pub(super) fn new(password: &str) -> Option<Self> {
        if password.len() > MAX_TYPED_BYTES {
            return None;
        }
        let is_possible = |form: &String| form.len() <= MAX_BYTES;
        let typed = Some(password.to_owned()).filter(is_possible);
        let normalized = Some(nfkc(password)).filter(|form| is_possible(form) && form != password);
        (typed.is_some() || normalized.is_some()).then_some(Self { typed, normalized })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(stored: &str, password: &str) -> Verification {
        verify(true, stored, &Typed::new(password).unwrap()).unwrap()
    }

    #[test]
    fn verifies_the_hashed_password_only() {
        let stored = hash("correct horse").unwrap();
        assert!(stored.starts_with(CURRENT_PREFIX), "{stored}");
        assert_ne!(stored, hash("correct horse").unwrap(), "salted");
        let correct = verified(&stored, "correct horse");
        assert_eq!(correct, Verification::Correct { upgraded_hash: None });
        assert_eq!(verified(&stored, "correct horse "), Verification::Wrong);
    }

    #[test]
    fn accepts_outdated_hashes_and_upgrades_them() {
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let weak = weak.hash_password(b"correct horse").unwrap().to_string();
        let parts = bcrypt::hash_with_result("correct horse", 4).unwrap();
        let bcrypts = [bcrypt::Version::TwoA, bcrypt::Version::TwoB, bcrypt::Version::TwoY]
            .map(|version| parts.format_for_version(version));
        for stored in bcrypts.into_iter().chain([weak]) {
            assert_eq!(verified(&stored, "wrong horse"), Verification::Wrong);
            let verification = verified(&stored, "correct horse");
            let Verification::Correct { upgraded_hash: Some(upgraded_hash) } = verification else {
                panic!("{stored}: {verification:?}")
            };
            let again = verified(&upgraded_hash, "correct horse");
            assert_eq!(again, Verification::Correct { upgraded_hash: None });
        }
    }

    #[test]
    fn compares_passwords_in_any_unicode_representation() {
        let (composed, decomposed) = ("Zo\u{eb} at four", "Zoe\u{308} at four");
        let stored = hash(decomposed).unwrap();
        for typed in [composed, decomposed, "Ｚoë at four"] {
            let verification = verified(&stored, typed);
            assert_eq!(verification, Verification::Correct { upgraded_hash: None }, "{typed}");
        }
        let earlier = hash_form(decomposed).unwrap();
        assert_eq!(verified(&earlier, composed), Verification::Wrong);
        let Verification::Correct { upgraded_hash: Some(upgraded_hash) } = verified(&earlier, decomposed)
        else {
            panic!("a hash of the password as typed is replaced")
        };
        let verification = verified(&upgraded_hash, composed);
        assert_eq!(verification, Verification::Correct { upgraded_hash: None });
    }

    #[test]
    fn never_replaces_a_bcrypt_hash_that_ignores_the_end_of_the_password() {
        let start = "x".repeat(72);
        let stored = bcrypt::hash(format!("{start}tail-one"), 4).unwrap();
        for end in ["tail-one", "tail-TWO", ""] {
            let verification = verified(&stored, &format!("{start}{end}"));
            assert_eq!(verification, Verification::Correct { upgraded_hash: None }, "{end}");
        }
        assert_eq!(verified(&stored, &"x".repeat(71)), Verification::Wrong);

        let short = bcrypt::hash("correct horse", 4).unwrap();
        for with_nul in ["correct horse\0", "correct horse\0correct horse"] {
            assert_eq!(verified(&short, with_nul), Verification::Wrong);
        }
        let long = bcrypt::hash("x".repeat(71), 4).unwrap();
        let verification = verified(&long, &"x".repeat(71));
        assert!(matches!(verification, Verification::Correct { upgraded_hash: Some(_) }));
    }
}
