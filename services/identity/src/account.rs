//! Accounts: what is known of somebody, and what of it is acceptable.

use bodega_runtime::{auth, status::Violations};
use email_address::{EmailAddress, Options};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::normal::{fold, nfc, nfkc};

const MAX_NAME: usize = 100;
const MIN_USERNAME: usize = 3;
const MAX_USERNAME: usize = 30;
/// RFC 5321 leaves a mailbox no more than this.
const MAX_EMAIL: usize = 254;

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub(crate) enum Role {
    /// Shops.
    User,
    /// Runs the shop.
    Admin,
}

impl Role {
    /// As the database has it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

impl From<Role> for auth::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::User => Self::User,
            Role::Admin => Self::Admin,
        }
    }
}

/// An account that has not been deleted.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) username: Option<String>,
    pub(crate) role: Role,
    pub(crate) avatar_url: String,
    pub(crate) avatar_thumbnail_url: String,
    pub(crate) disabled: bool,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) updated_at: OffsetDateTime,
}

/// A full name of 1 to 100 characters, without white space around it.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) shown: String,
    pub(crate) key: String,
}

impl Name {
    /// The name in `text`; what is wrong with it goes to `violations`.
    pub(crate) fn parse(text: &str, violations: &mut Violations) -> Self {
        let shown = text.trim();
        violations.require_text(shown, 1, MAX_NAME, "name");
        Self { shown: shown.to_owned(), key: fold(shown) }
    }
}

/// An email address of at most 254 characters, as it was typed but for white space around it, in NFC.
#[derive(Clone, Debug)]
pub(crate) struct Email {
    pub(crate) shown: String,
    pub(crate) key: String,
}

impl Email {
    /// The address in `text`; what is wrong with it goes to `violations`.
    pub(crate) fn parse(text: &str, violations: &mut Violations) -> Self {
        let email = Self { shown: nfc(text.trim()), key: fold(text.trim()) };
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        // Both forms: compatibility characters must not turn into an `@` or a quote.
        let good = [&email.shown, &email.key].into_iter().all(|form| {
            form.chars().count() <= MAX_EMAIL
                && !form.contains(char::is_control)
                && EmailAddress::parse_with_options(form, options).is_ok()
        });
        violations.require(good, "email", "must be an email address");
        email
    }

    /// What stands before the `@`, folded.
    pub(crate) fn local_part_key(&self) -> &str {
        self.key.rsplit_once('@').map_or("", |(local, _)| local)
    }
}

/// A username: 3 to 30 letters, digits, `.`, `_` or `-`, in NFKC.
#[derive(Clone, Debug)]
pub(crate) struct Username {
    pub(crate) shown: String,
    pub(crate) key: String,
}

impl Username {
    /// The username in `text`, `None` where it is empty; what is wrong with it goes to `violations`.
    pub(crate) fn parse(text: &str, violations: &mut Violations) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let shown = nfkc(text);
        let key = fold(&shown);
        let length = shown.chars().count();
        let good = (MIN_USERNAME..=MAX_USERNAME).contains(&length)
            && shown
                .chars()
                .chain(key.chars())
                .all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '\u{307}'));
        violations.require(
            good,
            "username",
            format!(
                "must have {MIN_USERNAME} to {MAX_USERNAME} letters, digits, dots, underscores or hyphens"
            ),
        );
        Some(Self { shown, key })
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
    fn an_email_has_a_mailbox_and_a_domain() {
        for good in [
            "a@b.co",
            " ada@example.org ",
            "o'hara+shop@example.co.uk",
            "jörg@example.org",
            "zoe\u{308}@example.org",
            "x@münchen.de",
        ] {
            assert!(accepts(|v| Email::parse(good, v)), "{good}");
        }
        let long = format!("{}@{}.org", "a".repeat(64), "b".repeat(63).repeat(3));
        for bad in [
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
            assert!(!accepts(|v| Email::parse(bad, v)), "{bad}");
        }
    }

    #[test]
    fn a_username_is_not_an_email_and_has_no_odd_characters() {
        for good in ["ada", "ada.l_1-x", "Zoë", "Иван", "İpek"] {
            assert!(accepts(|v| Username::parse(good, v)), "{good}");
        }
        for bad in ["ab", "ada@home", "a da", "ada!", "ada\u{202e}", "\0\0\0", &"a".repeat(31), "ﷺﷺﷺ"] {
            assert!(!accepts(|v| Username::parse(bad, v)), "{bad}");
        }
        assert!(accepts(|v| assert!(Username::parse("", v).is_none())));
    }

    #[test]
    fn a_name_is_not_blank() {
        assert!(!accepts(|v| Name::parse("  ", v)));
        assert!(!accepts(|v| Name::parse(&"x".repeat(101), v)));
        assert!(accepts(|v| assert_eq!(Name::parse(" Ada ", v).shown, "Ada")));
    }

    proptest! {
        #[test]
        fn nothing_that_is_typed_breaks_the_rules(text in "\\PC{0,300}|.{0,40}") {
            let mut violations = Violations::new();
            let username = Username::parse(&text, &mut violations);
            if violations.is_empty() && let Some(username) = username {
                prop_assert!(!username.key.contains('@') && !username.key.contains(char::is_control));
            }
            let mut violations = Violations::new();
            let email = Email::parse(&text, &mut violations);
            if violations.is_empty() {
                prop_assert!(email.key.contains('@') && !email.shown.contains(char::is_control));
            }
        }
    }
}
