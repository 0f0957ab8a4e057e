//! Returns what an order would cost, without storing or reserving anything.

use bodega_pricing::{DiscountClass, DiscountOutcome, ShippingBasis};

use super::{
    customer::Customer,
    form::{CONTACT_EMAIL, Form},
    pricing::breakdown,
    pricing_inputs::{self, CartItem, Inputs, OfferedDiscount, ShippingMethod},
    total::{self, NoTotal, SHIPPING_METHOD, Total, total},
};
use crate::{
    app::App,
    error::Error,
    orders::{breakdown::Breakdown, db::Item},
};

/// What an order would cost now. Amounts are in minor units.
#[derive(Debug)]
pub(crate) struct Quote {
    /// The lines of the cart, and whether enough units are in stock.
    pub lines: Vec<(Item, bool)>,
    pub breakdown: Breakdown,
    pub total_minor: i64,
    pub currency: String,
    pub discounts: Vec<QuotedDiscount>,
    pub methods: Vec<QuotedMethod>,
    /// The fields of the form that the store requires, by their protobuf names.
    pub missing: Vec<&'static str>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct QuotedDiscount {
    /// `None` for an automatic discount.
    pub code: Option<String>,
    /// Empty if the code is unknown.
    pub title: String,
    pub amount_minor: i64,
    /// Why it takes off nothing.
    pub reason: Option<&'static str>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct QuotedMethod {
    pub id: i32,
    pub title: String,
    /// Before discounts.
    pub price_minor: i64,
    /// The price of the items from which it is free.
    pub free_from_minor: Option<i64>,
}

/// Prices the customer's cart with a form. A shipping method that does not ship the items counts as none.
pub(crate) async fn quote(app: &App, customer: &Customer, form: &Form) -> Result<Quote, Error> {
    let mut cart = app.upstreams.priced_cart(customer.id()).await?;
    if cart.version == 0 && customer.guest_id().is_some() {
        return Err(Error::CartNotFound);
    }
    cart.lines.sort_unstable_by_key(|line| line.product_id); // as those of an order
    if cart.lines.is_empty() {
        return Err(Error::EmptyCart);
    }
    let codes = &form.choices.discount_codes;
    let inputs = pricing_inputs::load(&app.db, form.place().as_ref(), codes, customer.user_id()).await?;
    let items: Vec<_> = cart
        .lines
        .iter()
        .map(|line| CartItem {
            product_id: if line.variant_of == 0 { line.product_id } else { line.variant_of },
            category_id: line.category_id,
            price_minor: line.price_minor,
            quantity: line.quantity,
            tax_class: line.tax_class.clone(),
            weight_grams: line.weight_grams,
            requires_shipping: !line.is_digital,
        })
        .collect();
    let total = match total(&inputs, &items, form) {
        Err(NoTotal::ShippingUnavailable) => total(&inputs, &items, &without_method(form)),
        result => result,
    };
    let total = total.map_err(|error| match error {
        NoTotal::ShippingUnavailable => Error::NoTotal("no shipping rate applies".to_owned()),
        NoTotal::Invalid(error) => Error::NoTotal(error.to_string()),
    })?;
    let lines = cart.lines.into_iter().zip(&total.breakdown.lines).map(|(line, part)| {
        let item = Item {
            product_id: line.product_id,
            name: line.name,
            price_minor: line.price_minor,
            quantity: line.quantity,
            discount_minor: Some(part.line_discount_minor + part.order_discount_minor),
            tax_minor: Some(part.tax_minor),
            total_minor: Some(part.total_minor),
            variant_of: Some(line.variant_of).filter(|id| *id != 0),
            sku: Some(line.sku).filter(|sku| !sku.is_empty()),
            variant_name: Some(line.variant_name).filter(|name| !name.is_empty()),
        };
        (item, line.available)
    });
    Ok(Quote {
        lines: lines.collect(),
        breakdown: breakdown(&inputs, &total),
        total_minor: total.breakdown.total_minor,
        currency: cart.currency,
        discounts: discounts(&inputs, &total, &items),
        methods: methods(&inputs, &items),
        missing: missing(&inputs, &total, &items, customer, form),
    })
}

/// Returns the fields of the form that an order would lack. The shipping method is one if a code is for its price, or if the one of the
/// form does not ship the items.
fn missing(
    inputs: &Inputs,
    total: &Total<'_>,
    items: &[CartItem],
    customer: &Customer,
    form: &Form,
) -> Vec<&'static str> {
    let has_email = form.personal.contact.as_ref().is_some_and(|contact| !contact.email.is_empty());
    let email = (customer.guest_id().is_some() && !has_email).then_some(CONTACT_EMAIL);
    let mut missing: Vec<_> = email.into_iter().chain(total.missing.iter().copied()).collect();
    let is_shipped = items.iter().any(|item| item.requires_shipping);
    let has_unknown_method = is_shipped && total.method.is_none() && form.choices.shipping_method.is_some();
    let awaits_method =
        |discount: &OfferedDiscount| discount.code.is_some() && is_for_later(discount, inputs, total, items);
    if (has_unknown_method || inputs.discounts.iter().any(awaits_method))
        && !missing.contains(&SHIPPING_METHOD)
    {
        missing.push(SHIPPING_METHOD);
    }
    missing
}

fn without_method(form: &Form) -> Form {
    let mut form = form.clone();
    form.choices.shipping_method = None;
    form
}

/// Returns the automatic discounts that apply, and an entry for each code.
fn discounts(inputs: &Inputs, total: &Total<'_>, items: &[CartItem]) -> Vec<QuotedDiscount> {
    let rejected = inputs.rejected_codes.iter().map(|rejected| QuotedDiscount {
        code: Some(rejected.code.clone()),
        title: String::new(),
        amount_minor: 0,
        reason: Some(rejected.reason.as_str()),
    });
    let offered = inputs.discounts.iter().zip(&total.breakdown.discounts);
    let offered = offered.filter_map(|(discount, outcome)| {
        let (amount_minor, reason) = match outcome {
            DiscountOutcome::Applied(amount) => (*amount, None),
            DiscountOutcome::MinimumNotMet => (0, Some("minimum_not_met")),
            // The price of shipping is not known yet.
            DiscountOutcome::NothingEligible if is_for_later(discount, inputs, total, items) => (0, None),
            DiscountOutcome::NothingEligible => (0, Some("nothing_eligible")),
            DiscountOutcome::Superseded => (0, Some("superseded")),
        };
        let is_listed = discount.code.is_some() || amount_minor > 0;
        is_listed.then(|| QuotedDiscount {
            code: discount.code.clone(),
            title: discount.title.clone(),
            amount_minor,
            reason,
        })
    });
    rejected.chain(offered).collect()
}

/// Returns whether a discount is for shipping, of which a method can be chosen and none is.
fn is_for_later(discount: &OfferedDiscount, inputs: &Inputs, total: &Total<'_>, items: &[CartItem]) -> bool {
    discount.class == DiscountClass::Shipping
        && total.method.is_none()
        && !inputs.methods.is_empty()
        && items.iter().any(|item| item.requires_shipping)
}

/// Returns the methods that ship the items, with their prices.
fn methods(inputs: &Inputs, items: &[CartItem]) -> Vec<QuotedMethod> {
    if !items.iter().any(|item| item.requires_shipping) {
        return Vec::new();
    }
    let quoted = inputs.methods.iter().filter_map(|method| {
        let breakdown = total::breakdown(inputs, items, Some(method)).ok()?;
        Some(QuotedMethod {
            id: method.id,
            title: method.title.clone(),
            price_minor: breakdown.shipping.price_minor,
            free_from_minor: free_from(method),
        })
    });
    quoted.collect()
}

fn free_from(method: &ShippingMethod) -> Option<i64> {
    let bands = method.rate.bands.iter().filter(|band| band.price_minor == 0 && band.at_least > 0);
    bands.map(|band| band.at_least).min().filter(|_| method.rate.basis == ShippingBasis::Subtotal)
}

#[cfg(test)]
mod tests {
    use bodega_pricing::{DiscountValue, ShippingBand, ShippingRate};

    use super::*;
    use crate::checkout::pricing_inputs::{CodeRejection, RejectedCode};

    fn parcel(id: i32, bands: &[(i64, i64)]) -> ShippingMethod {
        let bands = bands
            .iter()
            .map(|(at_least, price_minor)| ShippingBand { at_least: *at_least, price_minor: *price_minor });
        let rate = ShippingRate { basis: ShippingBasis::Subtotal, bands: bands.collect() };
        ShippingMethod { id, title: "Parcel".to_owned(), is_pickup: false, rate }
    }

    fn mug() -> CartItem {
        CartItem {
            product_id: 1,
            price_minor: 1000,
            quantity: 1,
            requires_shipping: true,
            ..CartItem::default()
        }
    }

    #[test]
    fn lists_the_methods_that_ship_the_items() {
        let methods_of = vec![parcel(1, &[(0, 490), (5000, 0)]), parcel(2, &[(2000, 100)])];
        let inputs = Inputs { methods: methods_of, ..Inputs::default() };
        let expected =
            QuotedMethod { id: 1, title: "Parcel".to_owned(), price_minor: 490, free_from_minor: Some(5000) };
        assert_eq!(methods(&inputs, &[mug()]), [expected]);
        assert_eq!(methods(&inputs, &[CartItem { requires_shipping: false, ..mug() }]), []);
    }

    #[test]
    fn lists_each_code_and_says_why_it_has_no_effect() {
        let offered = |code: &str, class, amount| OfferedDiscount {
            id: 1,
            code: Some(code.to_owned()).filter(|code| !code.is_empty()),
            title: "Offer".to_owned(),
            class,
            value: DiscountValue::Amount(amount),
            min_subtotal_minor: 0,
            products: Vec::new(),
            categories: Vec::new(),
        };
        let unknown = RejectedCode { code: "NONE".to_owned(), reason: CodeRejection::Unknown };
        let inputs = Inputs {
            discounts: vec![
                offered("LESS", DiscountClass::Order, 5),
                offered("", DiscountClass::Order, 6),
                offered("", DiscountClass::Order, 4),
                offered("FREE", DiscountClass::Shipping, 490),
            ],
            rejected_codes: vec![unknown],
            methods: vec![parcel(1, &[(0, 490)])],
            ..Inputs::default()
        };
        let items = [mug()];
        let customer = Customer::User(uuid::Uuid::nil());
        let quoted = |form: &Form| {
            let total = total(&inputs, &items, form).unwrap();
            let quoted = discounts(&inputs, &total, &items).into_iter();
            let quoted = quoted.map(|it| (it.code.unwrap_or_default(), it.amount_minor, it.reason));
            quoted.collect::<Vec<_>>()
        };
        let entry = |code: &str, amount, reason| (code.to_owned(), amount, reason);
        let first =
            [entry("NONE", 0, Some("unknown")), entry("LESS", 0, Some("superseded")), entry("", 6, None)];
        let missing = |inputs: &Inputs, items: &[CartItem], form: &Form| {
            let total = total(inputs, items, &without_method(form)).unwrap();
            missing(inputs, &total, items, &customer, form)
        };
        let mut form = Form::default();
        assert_eq!(quoted(&form), [&first[..], &[entry("FREE", 0, None)]].concat());
        assert_eq!(
            missing(&inputs, &items, &form),
            ["shipping_method"],
            "for the price of which the code is"
        );
        let without_codes = Inputs { discounts: Vec::new(), ..inputs.clone() };
        assert_eq!(missing(&without_codes, &items, &form), [""; 0]);
        form.choices.shipping_method = Some(1);
        assert_eq!(quoted(&form), [&first[..], &[entry("FREE", 490, None)]].concat());
        assert_eq!(
            missing(&without_codes, &items, &form),
            ["shipping_method"],
            "the method is not one of the place"
        );

        // Of what is not shipped, no code takes off the shipping.
        let items = [CartItem { requires_shipping: false, ..mug() }];
        assert_eq!(missing(&inputs, &items, &form), [""; 0]);
        let total = total(&inputs, &items, &form).unwrap();
        let free = discounts(&inputs, &total, &items).pop().unwrap();
        assert_eq!((free.code.as_deref(), free.reason), (Some("FREE"), Some("nothing_eligible")));
    }
}
