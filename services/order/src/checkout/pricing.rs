//! The prices and the total of an order.

use bodega_pricing::{Cart, DiscountClass, DiscountOutcome};
use bodega_proto::catalog::v1::{Reserved, ReservedLine};
use serde::Deserialize;

use super::{
    form::Form,
    pricing_inputs::{CartItem, Inputs, RejectedCode},
    total::{NoTotal, Total, total},
};
use crate::orders::breakdown::{Breakdown, Discount, Tax};

/// A line of the cart that is checked out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Line {
    pub product_id: i32,
    pub quantity: i32,
    /// The price of one unit that the cart showed, in minor units.
    pub quoted_price_minor: i64,
}

/// Names and prices of lines, and their total with its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PricedLines {
    /// One per line, in the order of the lines.
    pub prices: Vec<Price>,
    pub breakdown: Breakdown,
    pub total_minor: i64,
    pub currency: String,
    /// What the total was computed from, with the discounts that apply; `None` if it is the sum of the lines.
    pub cart: Option<Cart>,
    /// Whether the store requires a shipping address.
    pub requires_address: bool,
}

/// The price of a line. Amounts are in minor units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Price {
    pub name: String,
    /// The price of one unit.
    pub price_minor: i64,
    /// What discounts of the line and of the order take off.
    pub discount_minor: i64,
    pub tax_minor: i64,
    /// What the customer pays for the line, with taxes.
    pub total_minor: i64,
    pub tax_class: String,
    /// Of one unit.
    pub weight_grams: i32,
    pub requires_shipping: bool,
    /// The id of the product, if that of the line is the id of one of its variants.
    pub variant_of: Option<i32>,
    pub sku: Option<String>,
    /// Such as `M / red`.
    pub variant_name: Option<String>,
}

/// Why a checkout becomes no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unpriced {
    /// The reservation does not match the lines, or has no valid total.
    Invalid,
    /// These fields of the form are missing, by their protobuf names.
    ShippingRequired(Vec<&'static str>),
    ShippingUnavailable,
    DiscountRejected(Vec<RejectedCode>),
}

impl Price {
    /// Returns the name as customers see it: `Shirt (M / red)` for a variant.
    pub(crate) fn full_name(&self) -> String {
        match &self.variant_name {
            Some(variant) => format!("{} ({variant})", self.name),
            None => self.name.clone(),
        }
    }

    /// Returns what the units of `line` cost more than the cart showed.
    pub(crate) fn increase(&self, line: &Line) -> i128 {
        (i128::from(self.price_minor) - i128::from(line.quoted_price_minor)) * i128::from(line.quantity)
    }
}

/// Returns `lines` as the catalog has reserved them, or `None` if the reservation does not match the lines.
fn reserved_lines<'a>(lines: &[Line], reserved: &'a Reserved) -> Option<Vec<&'a ReservedLine>> {
    if reserved.lines.len() != lines.len() {
        return None;
    }
    let found = lines.iter().map(|line| {
        let is_line =
            |found: &&ReservedLine| found.product_id == line.product_id && found.quantity == line.quantity;
        reserved.lines.iter().find(is_line)
    });
    found.collect()
}

fn cart_item(line: &ReservedLine) -> CartItem {
    CartItem {
        product_id: if line.variant_of == 0 { line.product_id } else { line.variant_of },
        category_id: Some(line.category_id).filter(|id| *id != 0),
        price_minor: line.price_minor,
        quantity: line.quantity,
        tax_class: line.tax_class.clone(),
        weight_grams: line.weight_grams,
        requires_shipping: !line.is_digital,
    }
}

/// Prices `lines` as the catalog has reserved them.
///
/// # Errors
/// See [`Unpriced`].
pub(crate) fn price(
    lines: &[Line],
    reserved: &Reserved,
    form: &Form,
    inputs: &Inputs,
) -> Result<PricedLines, Unpriced> {
    let reserved_lines = reserved_lines(lines, reserved).ok_or(Unpriced::Invalid)?;
    let items: Vec<_> = reserved_lines.iter().map(|line| cart_item(line)).collect();
    let total = total(inputs, &items, form).map_err(|error| match error {
        NoTotal::ShippingUnavailable => Unpriced::ShippingUnavailable,
        NoTotal::Invalid(_) => Unpriced::Invalid,
    })?;
    if !total.missing.is_empty() {
        return Err(Unpriced::ShippingRequired(total.missing));
    }
    if !total.rejected_codes.is_empty() {
        return Err(Unpriced::DiscountRejected(total.rejected_codes));
    }
    let priced = reserved_lines.iter().zip(items).zip(&total.breakdown.lines);
    let prices = priced.map(|((reserved, item), line)| Price {
        name: reserved.name.clone(),
        price_minor: item.price_minor,
        discount_minor: line.line_discount_minor + line.order_discount_minor,
        tax_minor: line.tax_minor,
        total_minor: line.total_minor,
        tax_class: item.tax_class,
        weight_grams: item.weight_grams,
        requires_shipping: item.requires_shipping,
        variant_of: Some(reserved.variant_of).filter(|id| *id != 0),
        sku: Some(reserved.sku.clone()).filter(|sku| !sku.is_empty()),
        variant_name: Some(reserved.variant_name.clone()).filter(|name| !name.is_empty()),
    });
    let cart = total.cart.clone().with_applied_discounts(&total.breakdown);
    Ok(PricedLines {
        prices: prices.collect(),
        cart: Some(cart).filter(|cart| !cart.has_only_lines()),
        requires_address: total.requires_address,
        breakdown: breakdown(inputs, &total),
        total_minor: total.breakdown.total_minor,
        currency: reserved.currency.clone(),
    })
}

/// Returns the parts of a total as an order stores them.
pub(crate) fn breakdown(inputs: &Inputs, total: &Total<'_>) -> Breakdown {
    let parts = &total.breakdown;
    let taxes = parts.taxes.iter().map(|part| {
        let tax = &inputs.tax_rates[part.rate];
        Tax {
            name: tax.name.clone(),
            rate_ppm: tax.rate.ppm(),
            taxable_minor: part.taxable_minor,
            tax_minor: part.tax_minor,
        }
    });
    let discounts = inputs.discounts.iter().zip(&parts.discounts).filter_map(|(discount, outcome)| {
        let DiscountOutcome::Applied(amount_minor) = *outcome else { return None };
        Some(Discount {
            discount_id: discount.id,
            code: discount.code.clone(),
            title: discount.title.clone(),
            class: class_name(discount.class).to_owned(),
            amount_minor,
        })
    });
    // As they are read: in the order of their ids.
    let mut discounts: Vec<_> = discounts.collect();
    discounts.sort_unstable_by_key(|discount| discount.discount_id);
    Breakdown {
        subtotal_minor: parts.subtotal_minor,
        discount_minor: parts.discount_total_minor,
        shipping_minor: parts.shipping_total_minor,
        shipping_discount_minor: parts.shipping.discount_minor,
        shipping_tax_minor: parts.shipping.tax_minor,
        tax_minor: parts.tax_total_minor,
        prices_include_tax: inputs.prices_include_tax,
        shipping_title: total.method.map(|method| method.title.clone()),
        taxes: taxes.collect(),
        discounts,
    }
}

fn class_name(class: DiscountClass) -> &'static str {
    match class {
        DiscountClass::Line => "line",
        DiscountClass::Order => "order",
        DiscountClass::Shipping => "shipping",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::checkout::pricing_inputs::CodeRejection;

    /// Prices lines in a store without rules.
    fn price(lines: &[Line], reserved: Reserved) -> Option<PricedLines> {
        super::price(lines, &reserved, &Form::default(), &Inputs::default()).ok()
    }

    fn reserved(lines: &[Line], price: impl Fn(i32) -> i64) -> Reserved {
        let lines = lines.iter().map(|line| ReservedLine {
            product_id: line.product_id,
            name: format!("product {}", line.product_id),
            price_minor: price(line.product_id),
            quantity: line.quantity,
            version: None,
            ..ReservedLine::default()
        });
        Reserved { lines: lines.collect(), currency: "USD".to_owned() }
    }

    fn line(product_id: i32, quantity: i32) -> Line {
        Line { product_id, quantity, quoted_price_minor: 0 }
    }

    #[test]
    fn stores_the_parts_of_the_total() {
        let lines = [line(1, 2)];
        let priced = price(&lines, reserved(&lines, |_| 100)).unwrap();
        let expected = Price {
            name: "product 1".to_owned(),
            price_minor: 100,
            total_minor: 200,
            requires_shipping: true,
            ..Price::default()
        };
        assert_eq!(priced.prices, [expected]);
        assert_eq!(priced.breakdown, Breakdown { subtotal_minor: 200, ..Breakdown::default() });
    }

    #[test]
    fn a_form_that_cannot_be_ordered_is_rejected() {
        let lines = [line(1, 2)];
        let priced = |form: &Form, inputs: &Inputs| {
            super::price(&lines, &reserved(&lines, |_| 100), form, inputs).map(|_| ())
        };
        let mut form = Form::default();
        assert_eq!(priced(&form, &Inputs::default()), Ok(()));
        let strict = Inputs { require_shipping: true, ..Inputs::default() };
        let missing = vec!["shipping_address", "shipping_method"];
        assert_eq!(priced(&form, &strict), Err(Unpriced::ShippingRequired(missing)));
        form.choices.shipping_method = Some(3);
        assert_eq!(priced(&form, &Inputs::default()), Err(Unpriced::ShippingUnavailable));
        let code = RejectedCode { code: "NONE".to_owned(), reason: CodeRejection::Unknown };
        let inputs = Inputs { rejected_codes: vec![code.clone()], ..Inputs::default() };
        assert_eq!(priced(&Form::default(), &inputs), Err(Unpriced::DiscountRejected(vec![code])));
    }

    #[test]
    fn a_reservation_must_match_the_lines() {
        let lines = [line(1, 2), line(2, 1)];
        assert!(price(&lines, reserved(&lines, |_| 100)).is_some());
        assert_eq!(price(&lines, reserved(&lines[..1], |_| 100)), None, "a line is missing");
        assert_eq!(price(&lines, reserved(&[line(1, 2), line(3, 1)], |_| 100)), None, "another product");
        assert_eq!(price(&lines, reserved(&[line(1, 2), line(2, 2)], |_| 100)), None, "another quantity");
        assert_eq!(price(&lines, reserved(&lines, |_| -1)), None, "a negative price");
    }

    proptest! {
        #[test]
        fn totals_are_exact_or_none(
            lines in prop::collection::btree_map(1..1000_i32, (1..=1_000_000_i32, 0..=i64::MAX), 0..20),
        ) {
            let cart: Vec<_> = lines.iter().map(|(id, (quantity, _))| line(*id, *quantity)).collect();
            let priced = price(&cart, reserved(&cart, |id| lines[&id].1));
            let exact: i128 = lines.values().map(|(quantity, price)| i128::from(*quantity) * i128::from(*price)).sum();
            prop_assert_eq!(priced.map(|priced| priced.total_minor), i64::try_from(exact).ok());
        }

        #[test]
        fn totals_of_valid_carts_are_exact(
            lines in prop::collection::btree_map(1..1000_i32, (1..=9_999_i32, 0..=1_000_000_000_000_i64), 1..=100),
        ) {
            let cart: Vec<_> = lines.iter().map(|(id, (quantity, _))| line(*id, *quantity)).collect();
            let priced = price(&cart, reserved(&cart, |id| lines[&id].1)).unwrap();
            let exact: i128 = lines.values().map(|(quantity, price)| i128::from(*quantity) * i128::from(*price)).sum();
            prop_assert_eq!(i128::from(priced.total_minor), exact);
            for (line, price) in cart.iter().zip(&priced.prices) {
                prop_assert_eq!(price.price_minor, lines[&line.product_id].1);
            }
        }
    }
}
