//! Countries and regions.

use bodega_runtime::status::Violations;

const MAX_REGION_LENGTH: usize = 100;

/// Returns an ISO 3166-1 alpha-2 code in upper case.
pub(super) fn parse_country(country: &str, field: &str, violations: &mut Violations) -> String {
    let country = country.trim().to_ascii_uppercase();
    let is_code = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
    violations.require(is_code, field, "must be an ISO 3166-1 alpha-2 code such as US");
    country
}

/// Returns a region in upper case, as customers may write it in either case; empty for a whole country.
pub(super) fn parse_region(region: &str, field: &str, violations: &mut Violations) -> String {
    let region = region.trim().to_uppercase();
    violations.require_text(&region, 0, MAX_REGION_LENGTH, field);
    region
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_two_letters_in_either_case() {
        let country = |text: &str| {
            let mut violations = Violations::new();
            let country = parse_country(text, "country", &mut violations);
            violations.finish().ok().map(|()| country)
        };
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
