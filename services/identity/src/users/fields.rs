//! Names, emails and usernames: validation and normalization.

use bodega_runtime::status::Violations;
use email_address::{EmailAddress, Options};
use icu_properties::{CodePointMapData, props::GeneralCategory};

use super::normalize::{nfc, nfkc, normalize};

const MAX_NAME_CHARS: usize = 100;
const MIN_USERNAME_CHARS: usize = 3;
const MAX_USERNAME_CHARS: usize = 30;
/// The maximum of RFC 5321.
const MAX_EMAIL_CHARS: usize = 254;

/// A full name of 1 to 100 characters without surrounding whitespace.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) display: String,
    pub(crate) normalized: String,
}

impl Name {
    /// Parses a name; adds its violations to `violations`.
    pub(crate) fn parse(text: &str, violations: &mut Violations) -> Self {
        let name = text.trim();
        violations.require_line(name, 1, MAX_NAME_CHARS, "name");
        // A name could otherwise look like another one, or turn the text around it.
        violations.require(
            !name.contains(is_format),
            "name",
            "must not contain invisible characters or change the direction of text",
        );
        Self { display: name.to_owned(), normalized: normalize(name) }
    }
}

/// Returns whether a character is of the Unicode category Cf: bidirectional controls, zero-width characters and tags.
fn is_format(c: char) -> bool {
    CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::Format
}

/// An email address of at most 254 characters: as entered, without surrounding whitespace, in NFC.
#[derive(Clone, Debug)]
pub(crate) struct Email {
    pub(crate) display: String,
    pub(crate) normalized: String,
}

impl Email {
    /// Parses an address; adds its violations to `violations`.
    pub(crate) fn parse(text: &str, violations: &mut Violations) -> Self {
        let email = Self { display: nfc(text.trim()), normalized: normalize(text.trim()) };
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        // Both forms: normalization must not turn a compatibility character into an `@` or a quote.
        let valid = [&email.display, &email.normalized].into_iter().all(|form| {
            form.chars().count() <= MAX_EMAIL_CHARS
                && !form.contains(char::is_control)
                && EmailAddress::parse_with_options(form, options).is_ok()
        });
        violations.require(valid, "email", "must be an email address");
        email
    }

    /// Returns the normalized part before the `@`.
    pub(crate) fn normalized_local_part(&self) -> &str {
        self.normalized.rsplit_once('@').map_or("", |(local, _)| local)
    }
}

/// A username: 3 to 30 letters, digits, `.`, `_` or `-`, in NFKC.
#[derive(Clone, Debug)]
pub(crate) struct Username {
    pub(crate) display: String,
    pub(crate) normalized: String,
}

impl Username {
    /// Parses a username, or `None` for an empty text; adds its violations to `violations`.
    pub(crate) fn parse(text: &str, violations: &mut Violations) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let display = nfkc(text);
        let normalized = normalize(&display);
        let length = display.chars().count();
        let valid = (MIN_USERNAME_CHARS..=MAX_USERNAME_CHARS).contains(&length)
            && display
                .chars()
                .chain(normalized.chars())
                .all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '\u{307}'));
        violations.require(
            valid,
            "username",
            format!(
                "must have {MIN_USERNAME_CHARS} to {MAX_USERNAME_CHARS} letters, digits, dots, underscores or hyphens"
            ),
        );
        Some(Self { display, normalized })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts<T>(parse: impl FnOnce(&mut Violations) -> T) -> bool {
        let mut violations = Violations::new();
        parse(&mut violations);
        violations.is_empty()
    }

    #[test]
    fn an_email_requires_a_local_part_and_a_domain() {
        for valid in [
            "a@b.co",
            " ada@example.org ",
            "o'hara+shop@example.co.uk",
            "jörg@example.org",
            "zoe\u{308}@example.org",
            "x@münchen.de",
        ] {
            assert!(accepts(|v| Email::parse(valid, v)), "{valid}");
        }
        let long = format!("{}@{}.org", "a".repeat(64), "b".repeat(63).repeat(3));
        for invalid in [
            "",
            "ada",
            "ada@",
            "@example.org",
            "ada@example",
            "a b@example.org",
            "a@b@c.org",
            "a\0@b.co",
            "Ada <a@b.co>",
            "a@[127.0.0.1]",
            "a＠x@b.co",
            "a@b.co\n.x",
            &long,
        ] {
            assert!(!accepts(|v| Email::parse(invalid, v)), "{invalid}");
        }
    }

    #[test]
    fn rejects_usernames_with_other_characters() {
        for valid in ["ada", "ada.l_1-x", "Zoë", "Иван", "İpek"] {
            assert!(accepts(|v| Username::parse(valid, v)), "{valid}");
        }
        for invalid in ["ab", "ada@home", "a da", "ada!", "ada\u{202e}", "\0\0\0", &"a".repeat(31), "ﷺﷺﷺ"]
        {
            assert!(!accepts(|v| Username::parse(invalid, v)), "{invalid}");
        }
        assert!(accepts(|v| assert!(Username::parse("", v).is_none())));
    }

    #[test]
    fn rejects_blank_and_long_names() {
        assert!(!accepts(|v| Name::parse("  ", v)));
        assert!(!accepts(|v| Name::parse(&"x".repeat(101), v)));
        assert!(!accepts(|v| Name::parse("Ada\n\nYou won: http://example.org", v)), "mails greet with it");
        assert!(accepts(|v| assert_eq!(Name::parse(" Ada ", v).display, "Ada")));
    }

    #[test]
    fn rejects_names_with_invisible_characters() {
        for invalid in ["\u{202e}admin", "ad\u{200b}min", "Ada\u{2066}", "\u{feff}Ada B", "Ada\u{e0041}"] {
            assert!(!accepts(|v| Name::parse(invalid, v)), "{invalid:?}");
        }
        for valid in ["Zoe\u{308}", "محمد", "Jean-Luc O’Neill", "李小龍"] {
            assert!(accepts(|v| Name::parse(valid, v)), "{valid}");
        }
    }

    proptest! {
        #[test]
        fn accepted_values_are_safe_to_compare(text in "\\PC{0,300}|.{0,40}") {
            let mut violations = Violations::new();
            let username = Username::parse(&text, &mut violations);
            if violations.is_empty() && let Some(username) = username {
                prop_assert!(!username.normalized.contains('@') && !username.normalized.contains(char::is_control));
            }
            let mut violations = Violations::new();
            let email = Email::parse(&text, &mut violations);
            if violations.is_empty() {
                prop_assert!(email.normalized.contains('@') && !email.display.contains(char::is_control));
            }
        }
    }
}
