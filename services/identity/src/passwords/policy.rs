//! The policy for new passwords: a minimum length, not a common password, not personal data.

use std::{collections::HashSet, sync::LazyLock};

use bodega_runtime::status::Violations;

use crate::users::{Email, Name, Username, normalize};

const MIN_LENGTH: usize = 8;
const MAX_LENGTH: usize = 256;

/// The most common passwords, normalized, one per line.
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common.txt").lines().collect());

/// Data of the user that a password must not repeat.
pub(crate) struct PersonalData<'a> {
    pub(crate) name: &'a Name,
    pub(crate) email: &'a Email,
    pub(crate) username: Option<&'a Username>,
}

/// Checks a new password; adds violations of `field` to `violations`.
pub(crate) fn check_policy(
    password: &str,
    personal: &PersonalData<'_>,
    field: &str,
    violations: &mut Violations,
) {
    let length = password.chars().count();
    if !(MIN_LENGTH..=MAX_LENGTH).contains(&length) {
        violations.add(field, format!("must have {MIN_LENGTH} to {MAX_LENGTH} characters"));
        return;
    }
    let normalized = normalize(password);
    violations.require(!COMMON.contains(normalized.as_str()), field, "is one of the most common passwords");
    let personal =
        [&personal.name.normalized, &personal.email.normalized, personal.email.normalized_local_part()]
            .into_iter()
            .chain(personal.username.map(|username| username.normalized.as_str()));
    violations.require(
        personal.into_iter().all(|value| value != normalized),
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
        let personal = PersonalData { name: &name, email: &email, username: username.as_ref() };
        check_policy(password, &personal, "password", &mut violations);
        violations.is_empty()
    }

    #[test]
    fn requires_a_length_and_no_character_classes() {
        for valid in [
            "tr0ub4do",
            "correct horse battery staple",
            "пароль-на-стене",
            &"é".repeat(256),
            "a\0b c\td\u{7f}e",
        ] {
            assert!(accepts(valid), "{valid}");
        }
        for invalid in ["", "short12", &"x".repeat(257)] {
            assert!(!accepts(invalid), "{invalid}");
        }
    }

    #[test]
    fn rejects_common_passwords_in_any_case() {
        for invalid in ["password", "PASSWORD123", "12345678", "Qwertyuiop", "iLoveYou", "Welcome2024"] {
            assert!(!accepts(invalid), "{invalid}");
        }
    }

    #[test]
    fn rejects_personal_data_in_any_case() {
        for invalid in ["ada lovelace", "ADA.LOVELACE", "Countess@Example.org", "COUNTESS"] {
            assert!(!accepts(invalid), "{invalid}");
        }
    }

    #[test]
    fn the_list_of_common_passwords_is_normalized() {
        assert!(COMMON.len() > 500);
        for line in COMMON.iter() {
            assert!(*line == normalize(line) && line.chars().count() >= MIN_LENGTH, "{line}");
        }
    }
}
