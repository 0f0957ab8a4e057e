//! Delivery addresses.

pub(crate) mod db;

use bodega_proto::identity::v1 as pb;
use bodega_runtime::status::Violations;

const MAX_ADDRESSES: usize = 20;

/// Trims the fields of addresses and changes the country to upper case; adds violations to `violations`.
pub(crate) fn parse(addresses: Vec<pb::Address>, violations: &mut Violations) -> Vec<pb::Address> {
    violations.require(
        addresses.len() <= MAX_ADDRESSES,
        "addresses",
        format!("must have at most {MAX_ADDRESSES} entries"),
    );
    violations.require(
        addresses.iter().filter(|address| address.is_default).count() <= 1,
        "addresses",
        "must have at most one default address",
    );
    // Limits the number of violations.
    addresses
        .into_iter()
        .take(MAX_ADDRESSES)
        .enumerate()
        .map(|(index, address)| parse_address(index, &address, violations))
        .collect()
}

fn parse_address(index: usize, address: &pb::Address, violations: &mut Violations) -> pb::Address {
    let mut text = |value: &str, field: &str, min, max| {
        let value = value.trim();
        violations.require_line(value, min, max, &format!("addresses[{index}].{field}"));
        value.to_owned()
    };
    let parsed = pb::Address {
        name: text(&address.name, "name", 1, 100),
        line1: text(&address.line1, "line1", 1, 200),
        line2: text(&address.line2, "line2", 0, 200),
        city: text(&address.city, "city", 1, 100),
        region: text(&address.region, "region", 0, 100),
        postal_code: text(&address.postal_code, "postal_code", 0, 20),
        country: address.country.trim().to_ascii_uppercase(),
        phone: text(&address.phone, "phone", 0, 30),
        is_default: address.is_default,
    };
    violations.require(
        parsed.country.len() == 2 && parsed.country.bytes().all(|byte| byte.is_ascii_uppercase()),
        &format!("addresses[{index}].country"),
        "must be an ISO 3166-1 alpha-2 code such as US",
    );
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> pb::Address {
        pb::Address {
            name: "Ada Lovelace".into(),
            line1: " 1 Main St ".into(),
            city: "London".into(),
            country: "gb".into(),
            is_default: true,
            ..Default::default()
        }
    }

    #[test]
    fn trims_the_fields_and_changes_the_country_to_upper_case() {
        let mut violations = Violations::new();
        let parsed = parse(vec![address()], &mut violations);
        assert!(violations.is_empty(), "{violations}");
        assert_eq!((parsed[0].line1.as_str(), parsed[0].country.as_str()), ("1 Main St", "GB"));
    }

    #[test]
    fn names_each_invalid_field_with_its_index() {
        let mut violations = Violations::new();
        let invalid =
            pb::Address { country: "GBR".into(), city: String::new(), is_default: false, ..address() };
        parse(vec![address(), invalid], &mut violations);
        let text = violations.to_string();
        assert!(text.contains("addresses[1].country") && text.contains("addresses[1].city"), "{text}");
        assert!(!text.contains("addresses[0]"), "{text}");
    }

    #[test]
    fn rejects_two_defaults_and_too_many_addresses() {
        let mut violations = Violations::new();
        parse(vec![address(), address()], &mut violations);
        assert!(!violations.is_empty());
        let mut violations = Violations::new();
        parse(vec![pb::Address { is_default: false, ..address() }; 21], &mut violations);
        assert!(!violations.is_empty());
    }
}
