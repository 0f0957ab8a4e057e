use bodega_pricing::{
    Breakdown, Cart, Discount,
    DiscountClass::{Line, Order, Shipping},
    DiscountOutcome::{Applied, MinimumNotMet, NothingEligible, Superseded},
    Error, price,
};

use super::carts::{amount, flat, line, percent};

/// 2 x 10.00 + 1 x 30.00 + 5.00 for shipping.
fn priced(discounts: &[Discount]) -> Breakdown {
    let cart = Cart {
        lines: vec![line(1000, 2), line(3000, 1)],
        discounts: discounts.to_vec(),
        shipping: flat(500),
        ..Cart::default()
    };
    price(&cart).unwrap()
}

fn only(lines: &[usize], discount: Discount) -> Discount {
    Discount { lines: Some(lines.to_vec()), ..discount }
}

#[test]
fn the_best_discount_of_each_class_is_applied_and_classes_add_up() {
    let priced = priced(&[
        percent(Line, 100_000),
        amount(Order, 100),
        percent(Line, 200_000),
        amount(Shipping, 200),
        percent(Order, 500_000),
        percent(Shipping, 1_000_000),
    ]);
    assert_eq!(
        priced.discounts,
        [Superseded, Superseded, Applied(1000), Superseded, Applied(2000), Applied(500)]
    );
    assert_eq!(
        (priced.total_minor, priced.discount_total_minor, priced.shipping_total_minor),
        (2000, 3000, 0)
    );
}

#[test]
fn the_first_of_two_discounts_that_save_as_much_is_applied() {
    let discounts = priced(&[percent(Order, 100_000), amount(Order, 500)]).discounts;
    assert_eq!(discounts, [Applied(500), Superseded]);
}

#[test]
fn an_amount_is_taken_off_each_unit_or_once_off_the_order() {
    assert_eq!(priced(&[amount(Line, 400)]).discount_total_minor, 1200, "three units");
    assert_eq!(priced(&[amount(Line, 1500)]).discount_total_minor, 3500, "no unit costs less than nothing");
    assert_eq!(priced(&[amount(Order, 400)]).discount_total_minor, 400);
    assert_eq!(priced(&[amount(Order, i64::MAX)]).total_minor, 500, "shipping remains");
}

#[test]
fn a_discount_applies_to_its_lines_only() {
    let off = |priced: &Breakdown| {
        priced.lines.iter().map(|line| line.gross_minor - line.total_minor).collect::<Vec<_>>()
    };
    assert_eq!(off(&priced(&[only(&[0], percent(Line, 500_000))])), [1000, 0]);
    assert_eq!(off(&priced(&[only(&[1], amount(Order, 4000))])), [0, 3000], "at most what the lines cost");
    assert_eq!(off(&priced(&[only(&[1, 1], amount(Order, 1200))])), [0, 1200]);
    let elsewhere =
        [only(&[], percent(Line, 1)), only(&[2], percent(Order, 1)), only(&[], amount(Shipping, 1))];
    assert_eq!(priced(&elsewhere).discounts, [NothingEligible; 3]);
    assert_eq!(priced(&[only(&[1], amount(Shipping, 100))]).discounts, [Applied(100)]);
}

#[test]
fn a_minimum_is_compared_with_the_prices_before_discounts() {
    let from = |min_subtotal_minor| Discount { min_subtotal_minor, ..percent(Order, 100_000) };
    let half = percent(Line, 500_000);
    assert_eq!(priced(&[half.clone(), from(5000)]).discounts, [Applied(2500), Applied(250)]);
    assert_eq!(priced(&[half, from(5001)]).discounts, [Applied(2500), MinimumNotMet]);
}

#[test]
fn a_discount_that_saves_nothing_is_not_applied() {
    assert_eq!(priced(&[percent(Line, 0), amount(Order, 0)]).discounts, [NothingEligible; 2]);
    let without_shipping =
        Cart { lines: vec![line(1000, 1)], discounts: vec![percent(Shipping, 1_000_000)], ..Cart::default() };
    assert_eq!(price(&without_shipping).unwrap().discounts, [NothingEligible]);
}

#[test]
fn negative_discounts_are_rejected() {
    let cart = |discount| Cart { discounts: vec![discount], ..Cart::default() };
    assert_eq!(price(&cart(amount(Line, -1))), Err(Error::Negative("amount of a discount")));
    let minimum = Discount { min_subtotal_minor: -1, ..amount(Line, 1) };
    assert_eq!(price(&cart(minimum)), Err(Error::Negative("minimum of a discount")));
}
