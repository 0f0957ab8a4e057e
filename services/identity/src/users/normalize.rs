//! Normalization for comparison: independent of case and of the Unicode representation.
//!
//! `precis-profiles` does not fit: its profiles map to lower case only, so `ß` and `SS` would differ, and they reject
//! characters that emails may contain.

use unicode_normalization::UnicodeNormalization as _;

/// Returns the form in which names, usernames and emails are compared and must be unique.
///
/// NFKC and lower case. The upper case in between makes `ß` equal to `SS` and `ς` to `Σ`; the lower case before it is for
/// `ẞ`. A change of case can decompose letters, so the result is normalized again.
pub(crate) fn normalize(text: &str) -> String {
    let upper = text.nfkc().flat_map(char::to_lowercase).flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).nfkc().collect()
}

/// Returns the NFC, the form in which email addresses are stored (RFC 6532).
pub(crate) fn nfc(text: &str) -> String {
    text.nfc().collect()
}

/// Returns the NFKC, the form in which usernames are stored.
pub(crate) fn nfkc(text: &str) -> String {
    text.nfkc().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ignores_case_and_representation() {
        for (one, other) in [
            ("Ada@Example.ORG", "ada@example.org"),
            ("Zoe\u{308}", "zoë"),
            ("ｆｕｌｌ", "full"),
            ("ﬁne", "FINE"),
            ("STRASSE", "straße"),
            ("STRAẞE", "straße"),
            ("ΟΔΟΣ", "οδος"),
            ("οδος", "οδοσ"),
        ] {
            assert_eq!(normalize(one), normalize(other), "{one} {other}");
        }
    }

    #[test]
    fn keeps_different_texts_different() {
        assert_ne!(normalize("ada"), normalize("adä"));
        assert_ne!(normalize("ada"), normalize("ada "));
    }

    #[test]
    fn is_idempotent_for_every_character() {
        for c in '\0'..=char::MAX {
            let normalized = normalize(c.encode_utf8(&mut [0; 4]));
            assert_eq!(normalize(&normalized), normalized, "{c}");
        }
    }

    proptest! {
        #[test]
        fn ignores_the_case_of_letters(text in "[a-zA-Z0-9àéîõüÀÉÎÕÜßαβγδΑΒΓΔσΣςабвгАБВГ@._-]{0,40}") {
            prop_assert_eq!(normalize(&text.to_uppercase()), normalize(&text));
            prop_assert_eq!(normalize(&text.to_lowercase()), normalize(&text));
        }

        #[test]
        fn is_idempotent(text in "[\\p{L}\\p{N}._@-]{0,40}") {
            prop_assert_eq!(normalize(&normalize(&text)), normalize(&text));
        }
    }
}
