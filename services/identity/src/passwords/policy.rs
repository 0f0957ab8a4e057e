//! The policy for new passwords, after NIST SP 800-63B: a minimum length, no common password, no personal data.
//!
//! The common passwords are those of the crate `zxcvbn` (MIT): 30,000 passwords, and frequent English words and names. It also
//! recognizes a word in disguise: `P@ssw0rd`, `drowssap`, `Summer2024!`. Its estimate of the strength is not used, because
//! it would reject long passphrases of a user's choice.

use std::collections::HashSet;

use bodega_runtime::status::Violations;
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory},
};
use zxcvbn::{Match, matching::patterns::MatchPattern, zxcvbn};

use crate::users::{Email, Name, Username, nfkc, normalize};

const MIN_LENGTH: usize = 8;
const MAX_LENGTH: usize = 256;
/// Shorter words are too common in passwords.
const MIN_WORD_LENGTH: usize = 3;
/// Characters that are classified: no word is longer, and the time increases with the square.
const MAX_CLASSIFIED: usize = 40;
/// Symbols that `zxcvbn` takes for letters. It tries all combinations, so a text with several is not classified.
const LETTER_SYMBOLS: &str = "@({[<$!|+%";
const MAX_LETTER_SYMBOLS: usize = 2;
/// The name of the service.
const SHOP: &str = "bodega";

/// Data of the user that a password must not repeat.
pub(crate) struct PersonalData<'a> {
    pub(crate) name: &'a Name,
    pub(crate) email: &'a Email,
    pub(crate) username: Option<&'a Username>,
}

impl PersonalData<'_> {
    /// Returns the name, username and email, their parts, and the name of the shop; normalized.
    fn words(&self) -> Vec<&str> {
        let email = [self.email.normalized.as_str(), self.email.normalized_local_part()];
        let username = self.username.map(|username| username.normalized.as_str());
        let whole = email.into_iter().chain(username).chain([self.name.normalized.as_str(), SHOP]);
        let parts = whole.flat_map(|word| word.split(|c: char| !c.is_alphanumeric()).chain([word]));
        parts.filter(|word| word.chars().count() >= MIN_WORD_LENGTH).collect()
    }
}

/// Checks a new password; adds violations of `field` to `violations`.
pub(crate) fn check_policy(
    password: &str,
    personal: &PersonalData<'_>,
    field: &str,
    violations: &mut Violations,
) {
    let password = nfkc(password);
    let length = password.chars().count();
    if !(MIN_LENGTH..=MAX_LENGTH).contains(&length) {
        violations.add(field, format!("must have {MIN_LENGTH} to {MAX_LENGTH} characters"));
        return;
    }
    if !password.contains(is_visible) {
        violations.add(field, "must not consist of spaces, control and invisible characters only");
        return;
    }
    let password = normalize(&password);
    let words = personal.words();
    let inner = password.trim_matches(|c: char| !c.is_alphabetic());
    let kinds = [password.as_str(), inner].map(|text| classify(text, &words));
    let is_personal = kinds.contains(&Kind::Personal) || words.contains(&password.as_str());
    violations.require(
        !is_personal,
        field,
        "must not be made of your own name, username or email, or the name of the shop",
    );
    let is_common = kinds.contains(&Kind::Common);
    violations.require(is_personal || !is_common, field, "is one of the most common passwords");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Words of the user or of the shop, with any digits and symbols between them.
    Personal,
    /// One word of the dictionary, with any digits and symbols around it.
    Common,
    Other,
}

fn classify(text: &str, words: &[&str]) -> Kind {
    let start: String = text.chars().take(MAX_CLASSIFIED).collect();
    let symbols: HashSet<char> = start.chars().filter(|c| LETTER_SYMBOLS.contains(*c)).collect();
    if symbols.len() > MAX_LETTER_SYMBOLS {
        return Kind::Other;
    }
    let estimate = zxcvbn(&start, words);
    let parts: Vec<_> = estimate.sequence().iter().filter(|part| has_letter(part)).collect();
    if !parts.is_empty() && parts.iter().all(|part| is_one_of(words, part)) {
        return Kind::Personal;
    }
    let word = match *parts {
        [part] => dictionary_word(part),
        [] => match estimate.sequence() {
            [part] => dictionary_word(part),
            _ => None,
        },
        _ => None,
    };
    word.map_or(Kind::Other, |_| Kind::Common)
}

fn is_visible(c: char) -> bool {
    let is_ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c);
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    !(c.is_whitespace()
        || is_ignorable
        || matches!(
            category,
            GeneralCategory::Control | GeneralCategory::Format | GeneralCategory::Unassigned
        ))
}

fn has_letter(part: &Match) -> bool {
    part.token.contains(char::is_alphabetic)
}

fn is_one_of(words: &[&str], part: &Match) -> bool {
    dictionary_word(part).is_some_and(|word| words.contains(&word))
}

/// Returns the word of the dictionary that a part of a password is, or repeats.
fn dictionary_word(part: &Match) -> Option<&str> {
    match &part.pattern {
        MatchPattern::Dictionary(word) => Some(&word.matched_word),
        MatchPattern::Repeat(repeat) => match repeat.base_matches.as_slice() {
            [base] => dictionary_word(base),
            _ => None,
        },
        _ => None,
    }
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
    fn rejects_common_passwords_in_disguise() {
        for invalid in [
            "P@ssword1",
            "p@ssw0rd",
            "drowssap",
            "Summer2024!",
            "!!dragon99",
            "passwordpassword",
            "Iloveyou1!",
        ] {
            assert!(!accepts(invalid), "{invalid}");
        }
        for valid in ["password of summer", "dragon-xq7-kv2", "48205839201", "hunter wants tea"] {
            assert!(accepts(valid), "{valid}");
        }
    }

    #[test]
    fn rejects_the_words_of_the_user_and_of_the_shop() {
        for invalid in
            ["bodega123", "bodegabodega", "Bodega2024!", "lovelace1815", "AdaLovelace!", "c0untess99"]
        {
            assert!(!accepts(invalid), "{invalid}");
        }
        for valid in ["ada counts to nine", "my bodega opens late"] {
            assert!(accepts(valid), "{valid}");
        }
    }

    #[test]
    fn rejects_passwords_without_a_visible_character() {
        for invalid in [" ", "\u{200b}", "\u{202e}", "\u{3164}", "\0", "\u{fe0f}", "\u{a0}"] {
            assert!(!accepts(&invalid.repeat(8)), "{invalid:?}");
        }
        assert!(!accepts("\u{200b} \0\u{2060}\u{200d}\t\n\u{feff}"));
    }

    #[test]
    fn counts_the_characters_of_the_nfkc() {
        assert!(!accepts("Zoe\u{308} xyz"), "seven characters");
        assert!(accepts("Zoe\u{308} xyzq"), "eight characters");
        assert!(!accepts(&"\u{fdfa}".repeat(256)), "18 characters each");
    }

    #[test]
    fn long_passwords_are_checked_quickly() {
        // Thirty seconds without the limits, in a debug build.
        let start = std::time::Instant::now();
        for slow in ["4@8({[<369$1!|05+7%2", "0123456789|!", "password", "qwertyuiop", "12345678"] {
            let password: String = slow.chars().cycle().take(MAX_LENGTH).collect();
            accepts(&password);
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
    }
}
