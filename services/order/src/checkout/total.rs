//! The total of items with a form, for quotes and orders.

use bodega_pricing::{Breakdown, Cart, DiscountOutcome, price};

use super::{
    form::Form,
    pricing_inputs::{CartItem, CodeRejection, Inputs, RejectedCode, ShippingMethod},
};

/// The field of the form for the shipping method, by its protobuf name.
pub(crate) const SHIPPING_METHOD: &str = "shipping_method";

/// A total, and what an order would lack.
#[derive(Debug)]
pub(crate) struct Total<'a> {
    pub breakdown: Breakdown,
    /// What the total was computed from.
    pub cart: Cart,
    /// The chosen method, if the items are shipped.
    pub method: Option<&'a ShippingMethod>,
    /// The fields of the form that the store requires, by their protobuf names.
    pub missing: Vec<&'static str>,
    /// Whether the store requires a shipping address.
    pub requires_address: bool,
    /// The codes of the form that do not work.
    pub rejected_codes: Vec<RejectedCode>,
}

/// Why items have no total.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoTotal {
    /// The chosen method does not ship these items to this place.
    ShippingUnavailable,
    /// The amounts are not valid, or the total exceeds 64 bits.
    Invalid(bodega_pricing::Error),
}

/// Computes the total. Discounts and taxes of the breakdown have the indices of those of `inputs`.
///
/// # Errors
/// See [`NoTotal`].
pub(crate) fn total<'a>(inputs: &'a Inputs, items: &[CartItem], form: &Form) -> Result<Total<'a>, NoTotal> {
    let is_shipped = items.iter().any(|item| item.requires_shipping);
    let chosen = form.choices.shipping_method.filter(|_| is_shipped);
    let method = chosen.map(|id| find_method(inputs, id)).transpose()?;
    let cart = inputs.cart(items, method);
    let breakdown = price(&cart).map_err(NoTotal::from)?;

    let mut missing = Vec::new();
    let is_pickup = method.is_some_and(|method| method.is_pickup);
    let requires_address = inputs.require_shipping && is_shipped && !is_pickup;
    if inputs.require_shipping && is_shipped {
        if requires_address && form.personal.shipping_address.is_none() {
            missing.push("shipping_address");
        }
        if method.is_none() {
            missing.push(SHIPPING_METHOD);
        }
    }
    let rejected_codes = rejected_codes(inputs, &breakdown);
    Ok(Total { breakdown, cart, method, missing, requires_address, rejected_codes })
}

fn find_method(inputs: &Inputs, id: i32) -> Result<&ShippingMethod, NoTotal> {
    inputs.methods.iter().find(|method| method.id == id).ok_or(NoTotal::ShippingUnavailable)
}

/// Returns the total with a shipping method.
///
/// # Errors
/// See [`NoTotal`].
pub(crate) fn breakdown(
    inputs: &Inputs,
    items: &[CartItem],
    method: Option<&ShippingMethod>,
) -> Result<Breakdown, NoTotal> {
    price(&inputs.cart(items, method)).map_err(NoTotal::from)
}

impl From<bodega_pricing::Error> for NoTotal {
    fn from(error: bodega_pricing::Error) -> Self {
        match error {
            bodega_pricing::Error::NoShippingRate => Self::ShippingUnavailable,
            error => Self::Invalid(error),
        }
    }
}

/// A code that is superseded by a better discount of its class is not rejected.
fn rejected_codes(inputs: &Inputs, breakdown: &Breakdown) -> Vec<RejectedCode> {
    let without_effect =
        inputs.discounts.iter().zip(&breakdown.discounts).filter_map(|(discount, outcome)| {
            let reason = match outcome {
                DiscountOutcome::Applied(_) | DiscountOutcome::Superseded => return None,
                DiscountOutcome::MinimumNotMet => CodeRejection::MinimumNotMet,
                DiscountOutcome::NothingEligible => CodeRejection::NothingEligible,
            };
            Some(RejectedCode { code: discount.code.clone()?, reason })
        });
    inputs.rejected_codes.iter().cloned().chain(without_effect).collect()
}

#[cfg(test)]
mod tests {
    use bodega_pricing::{DiscountClass, DiscountValue, Rate, ShippingBand, ShippingBasis, ShippingRate};

    use super::*;
    use crate::checkout::{
        form::{Address, Choices, Personal},
        pricing_inputs::{OfferedDiscount, TaxRate},
    };

    fn item(product_id: i32, price_minor: i64, quantity: i32) -> CartItem {
        CartItem { product_id, price_minor, quantity, requires_shipping: true, ..CartItem::default() }
    }

    fn method(id: i32, bands: &[(i64, i64)]) -> ShippingMethod {
        let bands = bands
            .iter()
            .map(|(at_least, price_minor)| ShippingBand { at_least: *at_least, price_minor: *price_minor });
        let rate = ShippingRate { basis: ShippingBasis::Subtotal, bands: bands.collect() };
        ShippingMethod { id, title: "Parcel".to_owned(), is_pickup: false, rate }
    }

    fn code(code: &str, class: DiscountClass, value: DiscountValue) -> OfferedDiscount {
        OfferedDiscount {
            id: 1,
            code: Some(code.to_owned()),
            title: code.to_owned(),
            class,
            value,
            min_subtotal_minor: 0,
            products: Vec::new(),
            categories: Vec::new(),
        }
    }

    fn form(shipping_method: Option<i32>, has_address: bool) -> Form {
        let address = Address { country: "DE".to_owned(), ..Address::default() };
        Form {
            choices: Choices { shipping_method, ..Choices::default() },
            personal: Personal { shipping_address: has_address.then_some(address), ..Personal::default() },
        }
    }

    #[test]
    fn a_store_without_rules_sums_the_lines() {
        let inputs = Inputs::default();
        let total = total(&inputs, &[item(1, 1999, 2), item(2, 250, 1)], &Form::default()).unwrap();
        assert_eq!((total.breakdown.total_minor, total.breakdown.tax_total_minor), (4248, 0));
        assert!(total.missing.is_empty() && total.rejected_codes.is_empty());
    }

    #[test]
    fn adds_shipping_taxes_and_discounts() {
        let tax = |tax_class: &str, ppm| TaxRate {
            tax_class: tax_class.to_owned(),
            name: "VAT".to_owned(),
            rate: Rate::from_ppm(ppm).unwrap(),
        };
        let rate = DiscountValue::Rate(Rate::from_ppm(100_000).unwrap());
        let inputs = Inputs {
            prices_include_tax: true,
            methods: vec![method(3, &[(0, 490), (10_000, 0)])],
            tax_rates: vec![tax("standard", 190_000), tax("books", 70_000)],
            discounts: vec![
                code("TEN", DiscountClass::Line, rate),
                code("MINUS", DiscountClass::Order, DiscountValue::Amount(1000)),
            ],
            ..Inputs::default()
        };
        let books = CartItem { tax_class: "books".to_owned(), ..item(2, 1250, 2) };
        let total = total(&inputs, &[item(1, 1999, 3), books], &form(Some(3), true)).unwrap();
        assert_eq!((total.breakdown.total_minor, total.breakdown.tax_total_minor), (7137, 941));
        assert_eq!(total.method.unwrap().id, 3);
        assert!(total.rejected_codes.is_empty());
    }

    #[test]
    fn the_chosen_method_must_ship_the_items_to_the_place() {
        let inputs = Inputs { methods: vec![method(3, &[(5_000, 490)])], ..Inputs::default() };
        let chosen = |id, price| total(&inputs, &[item(1, price, 1)], &form(Some(id), true)).map(|_| ());
        assert_eq!(chosen(3, 5_000), Ok(()));
        assert_eq!(chosen(4, 5_000), Err(NoTotal::ShippingUnavailable));
        assert_eq!(chosen(3, 4_999), Err(NoTotal::ShippingUnavailable), "no band");
    }

    #[test]
    fn a_store_may_require_an_address_and_a_method() {
        let pickup = ShippingMethod { is_pickup: true, ..method(4, &[(0, 0)]) };
        let methods = vec![method(3, &[(0, 490)]), pickup];
        let inputs = Inputs { require_shipping: true, methods, ..Inputs::default() };
        let mug = [item(1, 1000, 1)];
        let missing = |form| total(&inputs, &mug, &form).unwrap().missing;
        assert_eq!(missing(form(None, false)), ["shipping_address", "shipping_method"]);
        assert_eq!(missing(form(None, true)), ["shipping_method"]);
        assert_eq!(missing(form(Some(3), false)), ["shipping_address"]);
        assert_eq!(missing(form(Some(4), false)), [""; 0], "the customer collects the items");
        assert_eq!(missing(form(Some(3), true)), [""; 0]);

        let download = [CartItem { requires_shipping: false, ..item(1, 1000, 1) }];
        let total = total(&inputs, &download, &form(Some(3), false)).unwrap();
        assert_eq!((total.missing.len(), total.breakdown.total_minor), (0, 1000), "nothing is shipped");
    }

    #[test]
    fn codes_that_do_not_work_are_rejected_and_superseded_ones_are_not() {
        let amount = |amount| DiscountValue::Amount(amount);
        let too_high =
            OfferedDiscount { min_subtotal_minor: 9_999, ..code("HIGH", DiscountClass::Order, amount(900)) };
        let other = OfferedDiscount { products: vec![7], ..code("OTHER", DiscountClass::Line, amount(1)) };
        let automatic = OfferedDiscount { code: None, ..too_high.clone() };
        let unknown = RejectedCode { code: "NONE".to_owned(), reason: CodeRejection::Unknown };
        let inputs = Inputs {
            discounts: vec![
                too_high,
                other,
                code("LESS", DiscountClass::Order, amount(5)),
                code("MORE", DiscountClass::Order, amount(6)),
                automatic,
            ],
            rejected_codes: vec![unknown.clone()],
            ..Inputs::default()
        };
        let total = total(&inputs, &[item(1, 1000, 1)], &Form::default()).unwrap();
        assert_eq!(total.breakdown.total_minor, 994);
        let rejected = |code: &str, reason| RejectedCode { code: code.to_owned(), reason };
        let expected = [
            unknown,
            rejected("HIGH", CodeRejection::MinimumNotMet),
            rejected("OTHER", CodeRejection::NothingEligible),
        ];
        assert_eq!(total.rejected_codes, expected);
    }
}
