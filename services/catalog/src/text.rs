//! Normalization and validation of text fields.

use bodega_runtime::status::Violations;
use unicode_normalization::UnicodeNormalization as _;

/// Trims a single line of text and normalizes it to NFC. It must have 1 to `max` characters and no control characters;
/// violations are added under `field`.
pub(crate) fn single_line(text: &str, max: usize, field: &str, violations: &mut Violations) -> String {
    let line: String = text.trim().nfc().collect();
    violations.require(
        (1..=max).contains(&line.chars().count()),
        field,
        format!("must have 1 to {max} characters"),
    );
    violations.require(
        !line.chars().any(char::is_control),
        field,
        "must not contain line breaks or control characters",
    );
    line
}

/// Trims a multi-line text and normalizes it to NFC. It must have at most `max` characters, and no control
/// characters except line breaks and tabs; violations are added under `field`.
pub(crate) fn multi_line(text: &str, max: usize, field: &str, violations: &mut Violations) -> String {
    let text: String = text.trim().nfc().collect();
    violations.require_text(&text, 0, max, field);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, Violations> {
        let mut violations = Violations::new();
        let line = single_line(text, 3, "name", &mut violations);
        violations.finish().map(|()| line)
    }

    #[test]
    fn trims_a_line() {
        assert_eq!(parse("  a b\n"), Ok("a b".to_owned()));
    }

    #[test]
    fn counts_a_composed_letter_as_one_character() {
        assert_eq!(parse("e\u{301}e\u{301}e\u{301}"), Ok("ééé".to_owned()));
    }

    #[test]
    fn rejects_invalid_lines() {
        for text in ["", "  ", "four", "a\nb", "a\0", "\u{7f}"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
