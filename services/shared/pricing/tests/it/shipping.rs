use bodega_pricing::{Cart, DiscountClass, Error, Line, ShippingBasis, price};

use super::carts::{amount, line, shipping};

fn price_of(basis: ShippingBasis, bands: &[(i64, i64)], cart: Cart) -> Result<i64, Error> {
    price(&Cart { shipping: Some(shipping(basis, bands)), ..cart }).map(|priced| priced.shipping_total_minor)
}

#[test]
fn the_greatest_band_that_the_cart_reaches_applies() {
    let bands = [(5000, 0), (0, 490), (2000, 290)];
    let of = |price_minor| {
        let cart = Cart { lines: vec![line(price_minor, 1)], ..Cart::default() };
        price_of(ShippingBasis::Subtotal, &bands, cart)
    };
    assert_eq!([1999, 2000, 4999, 5000].map(of), [Ok(490), Ok(290), Ok(290), Ok(0)]);
}

#[test]
fn a_subtotal_is_reached_after_discounts() {
    let cart = Cart {
        lines: vec![line(5000, 1)],
        discounts: vec![amount(DiscountClass::Order, 1)],
        ..Cart::default()
    };
    assert_eq!(price_of(ShippingBasis::Subtotal, &[(0, 490), (5000, 0)], cart), Ok(490));
}

#[test]
fn a_weight_is_that_of_all_units() {
    let heavy = |weight_grams| Line { weight_grams, ..line(1, 3) };
    let of = |weight_grams| {
        let cart = Cart { lines: vec![heavy(weight_grams), line(1, 9)], ..Cart::default() };
        price_of(ShippingBasis::Weight, &[(0, 300), (1_500, 900)], cart)
    };
    assert_eq!((of(499), of(500), of(i32::MAX)), (Ok(300), Ok(900), Ok(900)));
}

#[test]
fn a_cart_below_all_bands_cannot_be_shipped() {
    let cart = || Cart { lines: vec![line(1000, 1)], ..Cart::default() };
    assert_eq!(price_of(ShippingBasis::Subtotal, &[(1001, 0)], cart()), Err(Error::NoShippingRate));
    assert_eq!(price_of(ShippingBasis::Flat, &[], cart()), Err(Error::NoShippingRate));
    assert_eq!(price_of(ShippingBasis::Flat, &[(0, -1)], cart()), Err(Error::Negative("price of shipping")));
    let negative = Err(Error::Negative("start of a shipping band"));
    assert_eq!(price_of(ShippingBasis::Flat, &[(-1, 0)], cart()), negative);
}
