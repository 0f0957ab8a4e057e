use super::*;
use crate::{
    checkout::{pricing::Price, pricing_inputs::CodeRejection},
    orders::breakdown::Breakdown,
};

/// Cart lines of 10.00 and 5.00, of which the first costs 12.00 by now.
fn price_changed(expected_total_minor: Option<i64>) -> Option<Rejection> {
    let line = |product_id, quoted_price_minor| Line { product_id, quantity: 1, quoted_price_minor };
    let price = |name: &str, price_minor| Price { name: name.to_owned(), price_minor, ..Price::default() };
    let priced = PricedLines {
        prices: vec![price("Mug", 1200), price("Pen", 500)],
        total_minor: 1700,
        currency: "USD".to_owned(),
        ..PricedLines::default()
    };
    Rejection::price_changed(expected_total_minor, &[line(1, 1000), line(2, 500)], &priced, true)
}

#[test]
fn an_unexpected_total_names_only_the_changed_lines() {
    let rejection = price_changed(Some(1500)).unwrap();
    assert_eq!(rejection.to_string(), "total is 17.00 USD, expected 15.00 USD");
    let expected = ("products[1]".to_owned(), "price of Mug changed from 10.00 USD to 12.00 USD".to_owned());
    assert_eq!(rejection.violations(), [expected]);
}

#[test]
fn a_changed_variant_is_named() {
    let price = Price {
        name: "Shirt".to_owned(),
        variant_name: Some("M / red".to_owned()),
        price_minor: 2000,
        ..Price::default()
    };
    let priced = PricedLines { prices: vec![price], currency: "USD".to_owned(), ..PricedLines::default() };
    let lines = [Line { product_id: 41, quantity: 1, quoted_price_minor: 1500 }];
    let rejection = Rejection::price_changed(Some(1500), &lines, &priced, false).unwrap();
    assert_eq!(rejection.violations()[0].1, "price of Shirt (M / red) changed from 15.00 USD to 20.00 USD");
}

#[test]
fn a_difference_that_lines_do_not_explain_names_the_parts_of_the_total() {
    let tax = Tax { name: "VAT".to_owned(), rate_ppm: 88_750, taxable_minor: 900, tax_minor: 80 };
    let priced = PricedLines {
        prices: vec![Price { name: "Mug".to_owned(), price_minor: 1000, ..Price::default() }],
        breakdown: Breakdown { discount_minor: 100, tax_minor: 80, taxes: vec![tax], ..Breakdown::default() },
        total_minor: 980,
        currency: "USD".to_owned(),
        ..PricedLines::default()
    };
    let lines = [Line { product_id: 1, quantity: 1, quoted_price_minor: 1000 }];
    let violations =
        |has_rules| Rejection::price_changed(Some(999), &lines, &priced, has_rules).unwrap().violations();
    let part = |name: &str, message: &str| (name.to_owned(), message.to_owned());
    let expected = [
        part("discount_total", "is 1.00 USD"),
        part("shipping_total", "is 0.00 USD"),
        part("tax_total", "is 0.80 USD (VAT 8.875 %)"),
    ];
    assert_eq!(violations(true), expected);
    assert_eq!(violations(false), []);
}

#[test]
fn price_changes_are_accepted_unless_the_client_expects_another_total() {
    assert_eq!(price_changed(None), None);
    assert_eq!(price_changed(Some(1700)), None);
}

#[test]
fn short_lines_name_the_available_quantity() {
    let line =
        |name: &str, available| ShortLine { product_id: 7, name: name.to_owned(), requested: 3, available };
    assert_eq!(line("Mug", 1).to_string(), "only 1 left of Mug, 3 requested");
    assert_eq!(line("Mug", 0).to_string(), "none left of Mug, 3 requested");
    assert_eq!(line("", 0).to_string(), "product 7 does not exist");
}

#[test]
fn names_codes_and_missing_fields() {
    let codes = vec![RejectedCode { code: "SPRING".to_owned(), reason: CodeRejection::Exhausted }];
    let rejection = Rejection::DiscountRejected { codes };
    assert_eq!(rejection.to_string(), "discount code rejected: SPRING: exhausted");
    assert_eq!(rejection.violations(), [("discount_codes".to_owned(), "SPRING: exhausted".to_owned())]);
    let missing = vec!["shipping_address".to_owned(), "shipping_method".to_owned()];
    let rejection = Rejection::ShippingRequired { missing };
    assert_eq!(rejection.to_string(), "shipping_address, shipping_method required");
    assert_eq!(rejection.violations().len(), 2);
}

#[test]
fn rejections_survive_serialization() {
    let short = ShortLine { product_id: 7, name: "Mug".to_owned(), requested: 3, available: 1 };
    let price = price_changed(Some(1)).unwrap();
    let code = RejectedCode { code: "SPRING".to_owned(), reason: CodeRejection::NotYet };
    for rejection in [
        Rejection::OutOfStock { lines: vec![short] },
        price,
        Rejection::DiscountRejected { codes: vec![code] },
        Rejection::ShippingRequired { missing: vec!["shipping_address".to_owned()] },
        Rejection::ShippingUnavailable,
        Rejection::Withdrawn,
    ] {
        assert!(Rejection::CODES.contains(&rejection.code()));
        let json = serde_json::to_string(&rejection).unwrap();
        assert_eq!(serde_json::from_str::<Rejection>(&json).unwrap(), rejection);
    }
}
