//! Fields that several requests have.

use bodega_runtime::status::Violations;

const MAX_KEY_LENGTH: usize = 255;
const MAX_CODE_LENGTH: usize = 64;
const MAX_REGION_LENGTH: usize = 100;
/// Most lines of a refund or a shipment.
pub(crate) const MAX_LINES: usize = 200;

/// Checks an idempotency key. An empty one stands for none.
pub(crate) fn check_idempotency_key(key: &str, violations: &mut Violations) {
    let is_printable = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    violations.require(
        is_printable && key.len() <= MAX_KEY_LENGTH,
        "idempotency_key",
        format!("must have 1 to {MAX_KEY_LENGTH} printable ASCII characters"),
    );
}

/// Checks products and quantities of lines, each product once.
pub(crate) fn check_lines(lines: &[(i32, i32)], violations: &mut Violations) {
    violations.require(lines.len() <= MAX_LINES, "lines", format!("must have at most {MAX_LINES} entries"));
    // Limits the number of violations.
    for (index, (product_id, quantity)) in lines.iter().take(MAX_LINES).enumerate() {
        violations.require(*quantity > 0, &format!("lines[{index}].quantity"), "must be greater than 0");
        let is_new = !lines[..index].iter().any(|(other, _)| other == product_id);
        violations.require(is_new, &format!("lines[{index}].variant_id"), "is given twice");
    }
}

/// Returns the code of a discount in upper case.
pub(crate) fn parse_code(code: &str, field: &str, violations: &mut Violations) -> String {
    let code = code.trim().to_ascii_uppercase();
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    violations.require(
        (1..=MAX_CODE_LENGTH).contains(&code.len()) && code.bytes().all(is_allowed),
        field,
        format!("must have 1 to {MAX_CODE_LENGTH} letters, digits, - and _"),
    );
    code
}

/// Returns an ISO 3166-1 alpha-2 code in upper case.
pub(crate) fn parse_country(country: &str, field: &str, violations: &mut Violations) -> String {
    let country = country.trim().to_ascii_uppercase();
    let is_code = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
    violations.require(is_code, field, "must be an ISO 3166-1 alpha-2 code such as US");
    country
}

/// Returns a region in upper case, as customers may write it in either case; empty for a whole country.
pub(crate) fn parse_region(region: &str, field: &str, violations: &mut Violations) -> String {
    let region = region.trim().to_uppercase();
    violations.require_text(&region, 0, MAX_REGION_LENGTH, field);
    region
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_valid<T>(check: impl FnOnce(&mut Violations) -> T) -> Option<T> {
        let mut violations = Violations::new();
        let value = check(&mut violations);
        violations.finish().ok().map(|()| value)
    }

    #[test]
    fn idempotency_keys_are_printable_ascii() {
        let is_key = |key: &str| is_valid(|violations| check_idempotency_key(key, violations)).is_some();
        for key in ["", "a key~", &"k".repeat(255)] {
            assert!(is_key(key), "{key}");
        }
        for key in ["é", "a\nb", "\u{7f}", &"k".repeat(256)] {
            assert!(!is_key(key), "{key}");
        }
    }

    #[test]
    fn lines_have_a_quantity_and_are_given_once() {
        let mut violations = Violations::new();
        check_lines(&[(1, 1), (2, 0), (1, 3)], &mut violations);
        let messages = "lines[1].quantity must be greater than 0; lines[2].variant_id is given twice";
        assert_eq!(violations.to_string(), messages);
        let lines: Vec<_> = (1..=201).map(|id| (id, 0)).collect();
        let mut violations = Violations::new();
        check_lines(&lines, &mut violations);
        assert!(violations.to_string().starts_with("lines must have at most 200 entries; lines[0]"));
        assert!(!violations.to_string().contains("lines[200]"));
    }

    #[test]
    fn countries_are_two_letters_in_either_case() {
        let country = |text: &str| is_valid(|violations| parse_country(text, "country", violations));
        assert_eq!(country(" de ").as_deref(), Some("DE"));
        for invalid in ["", "D", "DEU", "D1", "é"] {
            assert_eq!(country(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn regions_are_in_upper_case_and_at_most_100_characters() {
        let mut violations = Violations::new();
        assert_eq!(parse_region(" california ", "region", &mut violations), "CALIFORNIA");
        assert_eq!(parse_region("", "region", &mut violations), "");
        assert!(violations.is_empty());
        parse_region(&"x".repeat(101), "region", &mut violations);
        assert_eq!(violations.to_string(), "region must have at most 100 characters");
    }
}
