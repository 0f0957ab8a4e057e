//! Carts of tests.

use bodega_pricing::{
    Cart, Discount, DiscountClass, DiscountValue, Line, Rate, ShippingBand, ShippingBasis, ShippingRate,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

pub(crate) fn rate(ppm: i32) -> Rate {
    Rate::from_ppm(ppm).unwrap()
}

/// A line without tax and weight.
pub(crate) fn line(price_minor: i64, quantity: i32) -> Line {
    Line { price_minor, quantity, ..Line::default() }
}

/// A line with the tax rate of this index.
pub(crate) fn taxed(price_minor: i64, quantity: i32, tax_rate: usize) -> Line {
    Line { tax_rate: Some(tax_rate), ..line(price_minor, quantity) }
}

/// A discount on all lines, without a minimum.
pub(crate) fn discount(class: DiscountClass, value: DiscountValue) -> Discount {
    Discount { class, value, min_subtotal_minor: 0, lines: None }
}

pub(crate) fn percent(class: DiscountClass, ppm: i32) -> Discount {
    discount(class, DiscountValue::Rate(rate(ppm)))
}

pub(crate) fn amount(class: DiscountClass, amount_minor: i64) -> Discount {
    discount(class, DiscountValue::Amount(amount_minor))
}

pub(crate) fn shipping(basis: ShippingBasis, bands: &[(i64, i64)]) -> ShippingRate {
    let bands = bands.iter().map(|&(at_least, price_minor)| ShippingBand { at_least, price_minor });
    ShippingRate { basis, bands: bands.collect() }
}

pub(crate) fn flat(price_minor: i64) -> Option<ShippingRate> {
    Some(shipping(ShippingBasis::Flat, &[(0, price_minor)]))
}

/// 200,000 carts with `PROPTEST_CASES=200000`; by default as many as a short run allows.
pub(crate) fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 500 };
    ProptestConfig { cases, failure_persistence: None, ..default }
}

const RATES: [i32; 6] = [0, 25_000, 70_000, 88_750, 190_000, 1_000_000];

prop_compose! {
    fn any_line()(
        price_minor in prop_oneof![0..=9_i64, 0..=20_000_i64, Just(1_000_000_000_000_i64)],
        quantity in prop_oneof![1..=5_i32, 1..=9_999_i32],
        weight_grams in prop_oneof![Just(0), 1..=30_000_i32],
        tax_rate in option::weighted(0.9, 0..RATES.len()),
    ) -> Line {
        Line { price_minor, quantity, weight_grams, tax_rate }
    }
}

prop_compose! {
    fn any_discount(lines: usize)(
        class in select(&[DiscountClass::Line, DiscountClass::Order, DiscountClass::Shipping][..]),
        value in prop_oneof![
            (0..=1_000_000_i32).prop_map(|ppm| DiscountValue::Rate(rate(ppm))),
            select(&[100_000, 500_000, 1_000_000][..]).prop_map(|ppm| DiscountValue::Rate(rate(ppm))),
            (0..=20_000_i64).prop_map(DiscountValue::Amount),
            Just(DiscountValue::Amount(i64::MAX)),
        ],
        min_subtotal_minor in prop_oneof![Just(0), 0..=100_000_i64],
        lines in option::weighted(0.4, vec(0..lines.max(1), 0..=lines)),
    ) -> Discount {
        Discount { class, value, min_subtotal_minor, lines }
    }
}

fn any_shipping() -> impl Strategy<Value = ShippingRate> {
    let basis = select(&[ShippingBasis::Flat, ShippingBasis::Subtotal, ShippingBasis::Weight][..]);
    let bands = vec((1..=50_000_i64, 0..=3_000_i64), 0..4);
    (basis, bands, 0..=3_000_i64).prop_map(|(basis, mut bands, first)| {
        bands.push((0, first));
        shipping(basis, &bands)
    })
}

/// Carts that have a total.
pub(crate) fn any_cart() -> impl Strategy<Value = Cart> {
    vec(any_line(), 0..8).prop_flat_map(|lines| {
        let discounts = vec(any_discount(lines.len()), 0..6);
        (Just(lines), discounts, option::of(any_shipping()), any::<bool>()).prop_map(
            |(lines, discounts, shipping, prices_include_tax)| Cart {
                lines,
                discounts,
                shipping,
                tax_rates: RATES.map(rate).to_vec(),
                prices_include_tax,
            },
        )
    })
}
