//! Worked examples, computed by hand.

use bodega_pricing::{Breakdown, Cart, DiscountClass, DiscountOutcome, Error, Line, price};

use super::carts::{amount, flat, line, percent, rate, taxed};

fn one_rate(ppm: i32, lines: Vec<Line>) -> Cart {
    Cart { lines, tax_rates: vec![rate(ppm)], prices_include_tax: true, ..Cart::default() }
}

#[test]
fn a_cart_without_rules_costs_its_prices() {
    let cart = Cart { lines: vec![line(1250, 2), line(99, 3)], ..Cart::default() };
    let Breakdown { subtotal_minor, discount_total_minor, tax_total_minor, total_minor, taxes, .. } =
        price(&cart).unwrap();
    assert_eq!((subtotal_minor, discount_total_minor, tax_total_minor), (2797, 0, 0));
    assert_eq!((total_minor, taxes), (2797, vec![]));
}

#[test]
fn taxes_that_prices_include_are_computed_from_the_total() {
    let priced = price(&one_rate(200_000, vec![taxed(3823, 10, 0)])).unwrap();
    assert_eq!((priced.total_minor, priced.tax_total_minor), (38_230, 6372));
    assert_eq!(priced.taxes[0].taxable_minor, 31_858);
}

#[test]
fn a_rate_is_taken_off_the_line_and_not_off_the_unit() {
    let cart = Cart {
        discounts: vec![percent(DiscountClass::Line, 62_000)],
        ..one_rate(200_000, vec![taxed(3823, 10, 0)])
    };
    let priced = price(&cart).unwrap();
    assert_eq!((priced.total_minor, priced.tax_total_minor), (35_860, 5977));
    assert_eq!(priced.discounts, [DiscountOutcome::Applied(2370)]);
}

#[test]
fn taxes_are_computed_after_discounts() {
    let cart = Cart {
        discounts: vec![amount(DiscountClass::Order, 1000)],
        ..one_rate(100_000, vec![taxed(5000, 1, 0)])
    };
    let priced = price(&cart).unwrap();
    assert_eq!((priced.total_minor, priced.tax_total_minor), (4000, 364));
}

#[test]
fn a_discount_of_100_percent_leaves_exactly_nothing() {
    for class in [DiscountClass::Line, DiscountClass::Order] {
        let cart = Cart {
            discounts: vec![percent(class, 1_000_000)],
            ..one_rate(190_000, vec![taxed(39_900, 1, 0)])
        };
        let priced = price(&cart).unwrap();
        assert_eq!((priced.total_minor, priced.tax_total_minor), (0, 0));
        assert_eq!((priced.subtotal_minor, priced.discount_total_minor), (39_900, 39_900));
    }
}

#[test]
fn two_rates_share_a_discount_and_shipping() {
    let mut cart = Cart {
        lines: vec![taxed(1999, 3, 0), taxed(1250, 2, 1)],
        discounts: vec![percent(DiscountClass::Line, 100_000), amount(DiscountClass::Order, 1000)],
        shipping: flat(490),
        tax_rates: vec![rate(190_000), rate(70_000)],
        prices_include_tax: true,
    };
    let priced = price(&cart).unwrap();
    assert_eq!((priced.total_minor, priced.tax_total_minor), (7137, 941));
    assert_eq!((priced.subtotal_minor, priced.discount_total_minor), (8497, 1850));
    assert_eq!(priced.shipping_total_minor, 490);
    let lines = priced.lines.iter().map(|line| {
        (
            line.gross_minor,
            line.line_discount_minor,
            line.order_discount_minor,
            line.tax_minor,
            line.total_minor,
        )
    });
    // 19 %: 46.91 + 3.46 of shipping contain 8.04 of tax; 7 %: 19.56 + 1.44 contain 1.37.
    assert_eq!(lines.collect::<Vec<_>>(), [(5997, 600, 706, 749, 4691), (2500, 250, 294, 128, 1956)]);
    assert_eq!((priced.shipping.tax_minor, priced.shipping.total_minor), (55 + 9, 490));
    let taxes: Vec<_> = priced.taxes.iter().map(|tax| (tax.rate, tax.taxable_minor, tax.tax_minor)).collect();
    assert_eq!(taxes, [(0, 4233, 804), (1, 1963, 137)]);

    // 50.37 * 19 % = 9.57 and 21.00 * 7 % = 1.47 on top.
    cart.prices_include_tax = false;
    let priced = price(&cart).unwrap();
    assert_eq!((priced.tax_total_minor, priced.total_minor), (1104, 8241));
}

#[test]
fn totals_beyond_64_bits_and_negative_amounts_are_rejected() {
    let total = |lines: Vec<Line>| price(&Cart { lines, ..Cart::default() }).map(|priced| priced.total_minor);
    assert_eq!(total(vec![line(i64::MAX, 1)]), Ok(i64::MAX));
    assert_eq!(total(vec![line(i64::MAX, 2)]), Err(Error::Overflow));
    assert_eq!(total(vec![line(i64::MAX, 1), line(1, 1)]), Err(Error::Overflow));
    assert_eq!(total(vec![line(-1, 1)]), Err(Error::Negative("price")));
    assert_eq!(total(vec![line(1, -1)]), Err(Error::Negative("quantity")));
    assert_eq!(total(vec![taxed(1, 1, 0)]), Err(Error::UnknownTaxRate(0)));

    // A tax or shipping may be what does not fit.
    let added = one_rate(1_000_000, vec![taxed(i64::MAX, 1, 0)]);
    assert_eq!(price(&Cart { prices_include_tax: false, ..added }), Err(Error::Overflow));
    let cart = Cart { lines: vec![line(i64::MAX, 1)], shipping: flat(1), ..Cart::default() };
    assert_eq!(price(&cart), Err(Error::Overflow));
}
