use super::*;

fn address() -> pb::PostalAddress {
    pb::PostalAddress {
        name: "Ada Lovelace".to_owned(),
        line1: " 12 St James's Square ".to_owned(),
        city: "London".to_owned(),
        country: "gb".to_owned(),
        ..pb::PostalAddress::default()
    }
}

fn full() -> pb::CheckoutForm {
    pb::CheckoutForm {
        contact: Some(pb::CheckoutContact {
            email: "ada@example.com".to_owned(),
            ..pb::CheckoutContact::default()
        }),
        shipping_address: Some(address()),
        billing_address: None,
        shipping_method: Some(3),
        discount_codes: vec!["spring".to_owned(), " SPRING".to_owned(), "vip-1".to_owned()],
        note: " ring twice ".to_owned(),
        locale: "en-GB".to_owned(),
    }
}

fn parse(form: pb::CheckoutForm, purpose: Purpose) -> Result<Form, String> {
    let mut violations = Violations::new();
    let form = Form::parse(Some(form), purpose, &mut violations);
    violations.finish().map(|()| form).map_err(|violations| violations.to_string())
}

#[test]
fn trims_the_fields_and_changes_codes_and_countries_to_upper_case() {
    let form = parse(full(), Purpose::Order).unwrap();
    assert_eq!(form.choices.discount_codes, ["SPRING", "VIP-1"]);
    assert_eq!(form.personal.note.as_deref(), Some("ring twice"));
    let address = form.personal.shipping_address.as_ref().unwrap();
    assert_eq!((address.line1.as_str(), address.country.as_str()), ("12 St James's Square", "GB"));
    assert_eq!(form.place(), Some(Place { country: "GB".to_owned(), region: String::new() }));
}

#[test]
fn names_each_invalid_field() {
    let invalid = pb::CheckoutForm {
        contact: Some(pb::CheckoutContact {
            email: "Ada <ada@example.com>".to_owned(),
            name: "a".repeat(101),
            phone: "\0".to_owned(),
        }),
        shipping_address: Some(pb::PostalAddress::default()),
        billing_address: Some(pb::PostalAddress { country: "GBR".to_owned(), ..address() }),
        shipping_method: Some(0),
        discount_codes: ["SPRING", "", "10 %", "a", "b", "c"].map(str::to_owned).to_vec(),
        note: "n".repeat(1_001),
        locale: "pt_BR".to_owned(),
    };
    let mut violations = Violations::new();
    Form::parse(Some(invalid), Purpose::Order, &mut violations);
    let text = violations.to_string();
    for field in [
        "contact.email must be",
        "contact.name must have",
        "contact.phone must not",
        "shipping_address.name must have 1",
        "shipping_address.line1 must have 1",
        "shipping_address.city must have 1",
        "shipping_address.country must be",
        "billing_address.country must be",
        "shipping_method must be",
        "discount_codes must have at most 5",
        "discount_codes[1] must have",
        "discount_codes[2] must have",
        "note must have",
        "locale must be",
    ] {
        assert!(text.contains(field), "{field}: {text}");
    }
    assert_eq!(text.split("; ").count(), 14, "{text}");
}

#[test]
fn contact_and_addresses_are_single_lines() {
    let break_lines = |text: &mut String| text.push_str("a\n\nb");
    let mut form = full();
    form.note = "a\n\nb".to_owned();
    assert!(parse(form.clone(), Purpose::Order).is_ok());
    let contact = form.contact.get_or_insert_default();
    [&mut contact.name, &mut contact.phone].into_iter().for_each(break_lines);
    let address = form.shipping_address.get_or_insert_default();
    let pb::PostalAddress { name, company, line1, line2, city, region, postal_code, country: _, phone } =
        address;
    [name, company, line1, line2, city, region, postal_code, phone].into_iter().for_each(break_lines);
    for purpose in [Purpose::Quote, Purpose::Order] {
        let rejected = parse(form.clone(), purpose).unwrap_err();
        assert_eq!(rejected.matches(" must be one line").count(), 10, "{rejected}");
        assert!(rejected.starts_with("contact.name must be one line"), "{rejected}");
    }
}

#[test]
fn quotes_accept_what_is_incomplete_but_not_what_is_wrong() {
    let incomplete = pb::CheckoutForm {
        contact: Some(pb::CheckoutContact::default()),
        shipping_address: Some(pb::PostalAddress {
            country: "de".to_owned(),
            ..pb::PostalAddress::default()
        }),
        ..pb::CheckoutForm::default()
    };
    let form = parse(incomplete.clone(), Purpose::Quote).unwrap();
    assert_eq!(form.place().unwrap().country, "DE");
    assert!(parse(incomplete, Purpose::Order).is_err());
    let contact = Some(pb::CheckoutContact { email: "ada".to_owned(), ..Default::default() });
    assert!(parse(pb::CheckoutForm { contact, ..Default::default() }, Purpose::Quote).is_err());
}

#[test]
fn the_hash_is_that_of_all_fields_and_none_for_an_empty_form() {
    assert_eq!(parse(pb::CheckoutForm::default(), Purpose::Order).unwrap().hash(), None);
    let hash = |form| parse(form, Purpose::Order).unwrap().hash().unwrap();
    let first = hash(full());
    assert_eq!(first.len(), 32);
    assert_eq!(hash(full()), first);
    let changes: [fn(&mut pb::CheckoutForm); 7] = [
        |form| form.contact = None,
        |form| form.shipping_address = None,
        |form| form.billing_address = Some(address()),
        |form| form.shipping_method = Some(4),
        |form| form.discount_codes.truncate(2),
        |form| form.note.clear(),
        |form| form.locale.clear(),
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut form = full();
        change(&mut form);
        assert_ne!(hash(form), first, "change {index}");
    }
}

/// A hash that another version computes differently would reject retries during an upgrade.
#[test]
fn the_json_of_a_form_is_stable() {
    let form = parse(full(), Purpose::Order).unwrap();
    assert_eq!(
        serde_json::to_string(&form).unwrap(),
        r#"{"shipping_method":3,"discount_codes":["SPRING","VIP-1"],"locale":"en-GB","contact":{"email":"ada@example.com"},"shipping_address":{"name":"Ada Lovelace","line1":"12 St James's Square","city":"London","country":"GB"},"note":"ring twice"}"#
    );
    let stored = serde_json::to_value(&form).unwrap();
    assert_eq!(serde_json::from_value::<Form>(stored).unwrap(), form);
    assert_eq!(serde_json::from_str::<Form>("{}").unwrap(), Form::default());
}
