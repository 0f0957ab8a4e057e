//! Properties of the totals of random carts.

use bodega_pricing::{Breakdown, Cart, DiscountClass, DiscountOutcome, DiscountValue, price};
use proptest::prelude::*;

use super::carts::{any_cart, config};

const MILLION: i128 = 1_000_000;

fn sum(amounts: impl Iterator<Item = i64>) -> i128 {
    amounts.map(i128::from).sum()
}

/// Returns what the applied discount of a class saves.
fn saved(cart: &Cart, priced: &Breakdown, class: DiscountClass) -> i64 {
    let of_class =
        cart.discounts.iter().zip(&priced.discounts).filter(|(discount, _)| discount.class == class);
    let applied = of_class.filter_map(|(_, outcome)| match outcome {
        DiscountOutcome::Applied(saved) => Some(*saved),
        _ => None,
    });
    let applied: Vec<_> = applied.collect();
    assert!(applied.len() <= 1, "{applied:?}");
    applied.first().copied().unwrap_or_default()
}

/// Returns whether `rounded` is `numerator / denominator`, rounded half up.
fn is_rounded(rounded: i64, numerator: i128, denominator: i128) -> bool {
    let error = 2 * (numerator - i128::from(rounded) * denominator); // twice the error times the denominator
    -denominator <= error && error < denominator
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn parts_add_up_to_the_whole(cart in any_cart()) {
        let priced = price(&cart).unwrap();
        let lines = || priced.lines.iter();
        let Breakdown { subtotal_minor, discount_total_minor, shipping_total_minor, .. } = priced;
        let added = if cart.prices_include_tax { 0 } else { priced.tax_total_minor };
        prop_assert_eq!(
            priced.total_minor,
            subtotal_minor - discount_total_minor + shipping_total_minor + added
        );
        let totals = lines().map(|line| line.total_minor).chain([priced.shipping.total_minor]);
        prop_assert_eq!(sum(totals), priced.total_minor.into());
        prop_assert_eq!(sum(lines().map(|line| line.gross_minor)), subtotal_minor.into());
        prop_assert_eq!(
            shipping_total_minor,
            priced.shipping.price_minor - priced.shipping.discount_minor
        );
        let taxes = lines().map(|line| line.tax_minor).chain([priced.shipping.tax_minor]);
        prop_assert_eq!(sum(taxes), priced.tax_total_minor.into());
        prop_assert_eq!(sum(priced.taxes.iter().map(|tax| tax.tax_minor)), priced.tax_total_minor.into());

        let by_line = sum(lines().map(|line| line.line_discount_minor));
        let by_order = sum(lines().map(|line| line.order_discount_minor));
        prop_assert_eq!(by_line + by_order, i128::from(discount_total_minor));
        prop_assert_eq!(by_line, saved(&cart, &priced, DiscountClass::Line).into());
        prop_assert_eq!(by_order, saved(&cart, &priced, DiscountClass::Order).into());
        prop_assert_eq!(priced.shipping.discount_minor, saved(&cart, &priced, DiscountClass::Shipping));
    }

    #[test]
    fn amounts_are_within_their_bounds(cart in any_cart()) {
        let priced = price(&cart).unwrap();
        for (line, sold) in priced.lines.iter().zip(&cart.lines) {
            prop_assert_eq!(line.gross_minor, sold.price_minor * i64::from(sold.quantity));
            prop_assert!(line.line_discount_minor >= 0 && line.order_discount_minor >= 0);
            let net = line.gross_minor - line.line_discount_minor - line.order_discount_minor;
            prop_assert!(net >= 0 && (0..=net).contains(&line.tax_minor), "{line:?}");
            prop_assert_eq!(line.total_minor, if cart.prices_include_tax { net } else { net + line.tax_minor });
            prop_assert!(line.tax_minor == 0 || sold.tax_rate.is_some());
        }
        let shipping = &priced.shipping;
        prop_assert!((0..=shipping.price_minor).contains(&shipping.discount_minor));
        prop_assert!((0..=shipping.price_minor - shipping.discount_minor).contains(&shipping.tax_minor));
        prop_assert!(cart.shipping.is_some() || shipping.total_minor == 0);
    }

    #[test]
    fn each_tax_is_rounded_once(cart in any_cart()) {
        let priced = price(&cart).unwrap();
        for tax in &priced.taxes {
            let ppm = i128::from(cart.tax_rates[tax.rate].ppm());
            let lines = priced.lines.iter().zip(&cart.lines);
            let lines = lines.filter(|(_, sold)| sold.tax_rate == Some(tax.rate));
            let net = sum(lines.map(|(line, _)| {
                line.gross_minor - line.line_discount_minor - line.order_discount_minor
            }));
            let taxable = i128::from(tax.taxable_minor);
            let base = if cart.prices_include_tax { taxable + i128::from(tax.tax_minor) } else { taxable };
            // The base is what the lines cost, and a part of shipping.
            prop_assert!((net..=net + i128::from(priced.shipping_total_minor)).contains(&base));
            let denominator = if cart.prices_include_tax { MILLION + ppm } else { MILLION };
            prop_assert!(is_rounded(tax.tax_minor, base * ppm, denominator), "{tax:?} of {base} at {ppm} ppm");
        }
    }

    #[test]
    fn the_order_discount_is_divided_in_proportion(cart in any_cart()) {
        let priced = price(&cart).unwrap();
        let applied = cart.discounts.iter().zip(&priced.discounts).find(|(discount, outcome)| {
            discount.class == DiscountClass::Order && matches!(outcome, DiscountOutcome::Applied(_))
        });
        let Some((discount, DiscountOutcome::Applied(saved))) = applied else { return Ok(()) };
        let eligible = |line: usize| discount.lines.as_ref().is_none_or(|lines| lines.contains(&line));
        let prices: Vec<_> = priced.lines.iter().enumerate().map(|(index, line)| {
            if eligible(index) { i128::from(line.gross_minor - line.line_discount_minor) } else { 0 }
        }).collect();
        let total: i128 = prices.iter().sum();
        match discount.value {
            DiscountValue::Rate(rate) => {
                prop_assert!(is_rounded(*saved, total * i128::from(rate.ppm()), MILLION));
            }
            DiscountValue::Amount(amount) => prop_assert_eq!(i128::from(*saved), total.min(amount.into())),
        }
        for (line, price) in priced.lines.iter().zip(prices) {
            // Less than one unit from the exact part.
            let error = i128::from(line.order_discount_minor) * total - i128::from(*saved) * price;
            prop_assert!(error.abs() < total, "{line:?}");
        }
    }

    #[test]
    fn no_other_discount_of_a_class_saves_more(cart in any_cart()) {
        let priced = price(&cart).unwrap();
        // Those of later classes depend on the one that was applied to the lines.
        let line_discount = cart.discounts.iter().zip(&priced.discounts).find(|(discount, outcome)| {
            discount.class == DiscountClass::Line && matches!(outcome, DiscountOutcome::Applied(_))
        });
        for class in [DiscountClass::Line, DiscountClass::Order] {
            let most = saved(&cart, &priced, class);
            for (other, outcome) in cart.discounts.iter().zip(&priced.discounts) {
                if other.class != class {
                    continue;
                }
                let mut discounts = vec![other.clone()];
                if let (DiscountClass::Order, Some((applied, _))) = (class, line_discount) {
                    discounts.push(applied.clone());
                }
                let alone = Cart { discounts, ..cart.clone() };
                let alone = saved(&alone, &price(&alone).unwrap(), class);
                prop_assert!(alone <= most, "{other:?} saves {alone}, {most} was applied");
                match outcome {
                    DiscountOutcome::Applied(applied) => prop_assert_eq!((*applied, alone), (most, most)),
                    DiscountOutcome::Superseded => prop_assert!(alone > 0),
                    DiscountOutcome::MinimumNotMet => {
                        prop_assert!(other.min_subtotal_minor > priced.subtotal_minor);
                    }
                    DiscountOutcome::NothingEligible => prop_assert_eq!(alone, 0),
                }
            }
        }
    }

    /// Orders store their carts, from which `bodega verify` computes the totals again.
    #[test]
    fn a_stored_cart_with_the_applied_discounts_costs_the_same(cart in any_cart()) {
        let priced = price(&cart).unwrap();
        let json = serde_json::to_string(&cart.clone().with_applied_discounts(&priced)).unwrap();
        let stored: Cart = serde_json::from_str(&json).unwrap();
        let again = price(&stored).unwrap();
        prop_assert!(again.discounts.iter().all(|outcome| matches!(outcome, DiscountOutcome::Applied(_))));
        prop_assert_eq!(&again, &Breakdown { discounts: again.discounts.clone(), ..priced });
        if stored.has_only_lines() {
            prop_assert_eq!(again.total_minor, again.subtotal_minor);
        }
    }
}
