use bodega_pricing::{Breakdown, Cart, DiscountClass, Line, price};

use super::carts::{flat, line, percent, rate, taxed};

fn priced(lines: Vec<Line>, prices_include_tax: bool) -> Breakdown {
    let tax_rates = vec![rate(190_000), rate(70_000)];
    price(&Cart { lines, shipping: flat(600), tax_rates, prices_include_tax, ..Cart::default() }).unwrap()
}

#[test]
fn a_tax_is_rounded_once_for_all_lines_of_its_rate() {
    // Each line alone: 0.13 * 19 % = 0.0247, rounded 0.02.
    let lines = vec![taxed(13, 1, 0), taxed(13, 1, 0), taxed(13, 1, 0)];
    let cart = Cart { lines, tax_rates: vec![rate(190_000)], ..Cart::default() };
    let priced = price(&cart).unwrap();
    assert_eq!((priced.tax_total_minor, priced.total_minor), (7, 46));
    assert_eq!(priced.lines.iter().map(|line| line.tax_minor).collect::<Vec<_>>(), [3, 2, 2]);
}

#[test]
fn untaxed_lines_take_their_part_of_shipping() {
    let priced = priced(vec![taxed(1000, 1, 0), line(2000, 1)], false);
    let taxes: Vec<_> = priced.taxes.iter().map(|tax| (tax.rate, tax.taxable_minor, tax.tax_minor)).collect();
    assert_eq!(taxes, [(0, 1200, 228)]);
    assert_eq!(
        (priced.lines[0].tax_minor, priced.lines[1].tax_minor, priced.shipping.tax_minor),
        (190, 0, 38)
    );
}

#[test]
fn shipping_of_free_lines_is_taxed_by_their_prices_before_discounts() {
    let cart = Cart {
        lines: vec![taxed(3000, 1, 0), taxed(1000, 1, 1)],
        discounts: vec![percent(DiscountClass::Order, 1_000_000)],
        shipping: flat(400),
        tax_rates: vec![rate(190_000), rate(70_000)],
        prices_include_tax: false,
    };
    let priced = price(&cart).unwrap();
    assert_eq!((priced.shipping.tax_minor, priced.total_minor), (57 + 7, 464));
}

#[test]
fn taxes_are_listed_in_the_order_of_the_lines() {
    let priced = priced(vec![taxed(1, 1, 1), taxed(1, 1, 0), taxed(1, 1, 1)], true);
    assert_eq!(priced.taxes.iter().map(|tax| tax.rate).collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn prices_that_include_taxes_stay_whatever_the_rate_is() {
    for ppm in [0, 70_000, 190_000, 1_000_000] {
        let cart = Cart {
            lines: vec![taxed(1999, 3, 0)],
            tax_rates: vec![rate(ppm)],
            prices_include_tax: true,
            ..Cart::default()
        };
        assert_eq!(price(&cart).unwrap().total_minor, 5997, "{ppm}");
    }
}
