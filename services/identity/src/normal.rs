//! Comparing what people type: without regard to case, and to the ways Unicode has of writing the same thing.

use unicode_normalization::UnicodeNormalization as _;

/// The form under which names, usernames and emails are compared and kept unique.
///
/// NFKC and lower case. By way of upper case, so that `ß` and `SS`, `ς` and `Σ` are the same, and to that by way of
/// lower case, which `ẞ` needs. Normalised again, since letters may fall apart when their case changes.
pub(crate) fn fold(text: &str) -> String {
    let upper = text.nfkc().flat_map(char::to_lowercase).flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).nfkc().collect()
}

/// NFC: the form in which an email address is kept (RFC 6532); it is written as before, if not in the same bytes.
pub(crate) fn nfc(text: &str) -> String {
    text.nfc().collect()
}

/// NFKC: the form in which a username is kept and shown.
pub(crate) fn nfkc(text: &str) -> String {
    text.nfkc().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_looks_the_same_is_the_same() {
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
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
    }

    #[test]
    fn what_differs_stays_different() {
        assert_ne!(fold("ada"), fold("adä"));
        assert_ne!(fold("ada"), fold("ada "));
    }

    #[test]
    fn every_letter_has_one_form() {
        for c in '\0'..=char::MAX {
            let folded = fold(c.encode_utf8(&mut [0; 4]));
            assert_eq!(fold(&folded), folded, "{c}");
        }
    }

    proptest! {
        #[test]
        fn the_case_of_a_letter_does_not_matter(text in "[a-zA-Z0-9àéîõüÀÉÎÕÜßαβγδΑΒΓΔσΣςабвгАБВГ@._-]{0,40}") {
            prop_assert_eq!(fold(&text.to_uppercase()), fold(&text));
            prop_assert_eq!(fold(&text.to_lowercase()), fold(&text));
        }

        #[test]
        fn folding_twice_changes_nothing(text in "[\\p{L}\\p{N}._@-]{0,40}") {
            prop_assert_eq!(fold(&fold(&text)), fold(&text));
        }
    }
}
