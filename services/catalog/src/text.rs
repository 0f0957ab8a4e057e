//! Texts that people type.

use bodega_runtime::status::Violations;
use unicode_normalization::UnicodeNormalization as _;

/// A line as it is kept: without space around it, and in the one way (NFC) of the many that Unicode has of writing
/// it. Not 1 to `max` characters then, or no line: added to the violations of `field`.
pub(crate) fn line(text: &str, max: usize, field: &str, violations: &mut Violations) -> String {
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

/// A text of several lines as it is kept. More than `max` characters, or some that are no text: added to the
/// violations of `field`.
pub(crate) fn block(text: &str, max: usize, field: &str, violations: &mut Violations) -> String {
    let block: String = text.trim().nfc().collect();
    violations.require_text(&block, 0, max, field);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, Violations> {
        let mut violations = Violations::new();
        let line = line(text, 3, "name", &mut violations);
        violations.finish().map(|()| line)
    }

    #[test]
    fn space_around_a_line_is_no_part_of_it() {
        assert_eq!(read("  a b\n"), Ok("a b".to_owned()));
    }

    #[test]
    fn a_letter_is_one_character_however_it_is_written() {
        assert_eq!(read("e\u{301}e\u{301}e\u{301}"), Ok("ééé".to_owned()));
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for text in ["", "  ", "four", "a\nb", "a\0", "\u{7f}"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
