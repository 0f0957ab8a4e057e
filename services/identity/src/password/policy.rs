//! Which passwords are good enough: long enough to resist guessing, and not what is guessed first.

use std::{collections::HashSet, sync::LazyLock};

use bodega_runtime::status::Violations;

use crate::{
    account::{Email, Name, Username},
    normal::fold,
};

const MIN_LENGTH: usize = 8;
const MAX_LENGTH: usize = 256;

/// The passwords that are tried first, in lower case, one a line.
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common.txt").lines().collect());

/// What a password must not be, since anybody can know it.
pub(crate) struct Personal<'a> {
    pub(crate) name: &'a Name,
    pub(crate) email: &'a Email,
    pub(crate) username: Option<&'a Username>,
}

/// Checks a new password; what is wrong with it goes to `violations`, under `field`.
pub(crate) fn check(password: &str, whose: &Personal<'_>, field: &str, violations: &mut Violations) {
    let length = password.chars().count();
    if !(MIN_LENGTH..=MAX_LENGTH).contains(&length) {
        violations.add(field, format!("must have {MIN_LENGTH} to {MAX_LENGTH} characters"));
        return;
    }
    let key = fold(password);
    violations.require(!COMMON.contains(key.as_str()), field, "is one of the most common passwords");
    let known = [&whose.name.key, &whose.email.key, whose.email.local_part_key()]
        .into_iter()
        .chain(whose.username.map(|username| username.key.as_str()));
    violations.require(
        known.into_iter().all(|known| known != key),
        field,
        "must not be your own name, username or email",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(password: &str) -> bool {
        let mut violations = Violations::new();
        let name = Name::parse("Ada Lovelace", &mut violations);
        let email = Email::parse("countess@example.org", &mut violations);
        let username = Username::parse("Ada.Lovelace", &mut violations);
        let whose = Personal { name: &name, email: &email, username: username.as_ref() };
        check(password, &whose, "password", &mut violations);
        violations.is_empty()
    }

    #[test]
    fn length_is_all_that_is_demanded() {
        for good in [
            "tr0ub4do",
            "correct horse battery staple",
            "пароль-на-стене",
            &"é".repeat(256),
            "a\0b c\td\u{7f}e",
        ] {
            assert!(accepts(good), "{good}");
        }
        for bad in ["", "short12", &"x".repeat(257)] {
            assert!(!accepts(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_guessed_first_is_refused_in_any_case() {
        for bad in ["password", "PASSWORD123", "12345678", "Qwertyuiop", "iLoveYou", "Welcome2024"] {
            assert!(!accepts(bad), "{bad}");
        }
    }

    #[test]
    fn what_anybody_knows_of_its_owner_is_refused_in_any_case() {
        for bad in ["ada lovelace", "ADA.LOVELACE", "Countess@Example.org", "COUNTESS"] {
            assert!(!accepts(bad), "{bad}");
        }
    }

    #[test]
    fn the_list_is_as_passwords_are_compared() {
        assert!(COMMON.len() > 500);
        for line in COMMON.iter() {
            assert!(*line == fold(line) && line.chars().count() >= MIN_LENGTH, "{line}");
        }
    }
}
