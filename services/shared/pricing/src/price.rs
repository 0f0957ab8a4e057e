use crate::{
    Breakdown, Cart, Discount, DiscountClass, DiscountOutcome, Error, LineBreakdown, ShippingBreakdown,
    arithmetic::sum, discounts::apply_best, tax::add_taxes,
};

/// Computes the total of a cart:
///
/// 1. Each line costs its price times its quantity. The best discount of the class `Line` is taken off; a rate is rounded on
///    the line, not on the unit.
/// 2. The best discount of the class `Order` is taken off what is left, and divided among the lines.
/// 3. Shipping costs what its rate says for the lines after discounts, or their weight, minus the best discount of the class
///    `Shipping`.
/// 4. Taxes are computed per rate, after all discounts: see `tax.rs`.
///
/// # Errors
/// See [`Error`]. Each cart with valid amounts whose total fits into 64 bits has a total, if a shipping rate applies.
pub fn price(cart: &Cart) -> Result<Breakdown, Error> {
    cart.validate()?;
    let gross = cart.gross()?;
    let subtotal = sum(gross.iter().copied())?;
    let mut discounts = vec![DiscountOutcome::NothingEligible; cart.discounts.len()];
    let mut best = |class, parts, off: &dyn Fn(&Discount) -> Result<Vec<i64>, Error>| {
        apply_best((&cart.discounts, &mut discounts), class, subtotal, parts, off)
    };

    let line_discounts =
        best(DiscountClass::Line, gross.len(), &|discount| Ok(discount.off_lines(cart, &gross)))?;
    let mut nets: Vec<_> = gross.iter().zip(&line_discounts).map(|(gross, off)| gross - off).collect();
    let order_discounts = best(DiscountClass::Order, gross.len(), &|discount| discount.off_order(&nets))?;
    for (net, off) in nets.iter_mut().zip(&order_discounts) {
        *net -= off;
    }
    let mut lines: Vec<_> = gross
        .into_iter()
        .zip(line_discounts.into_iter().zip(order_discounts))
        .map(|(gross_minor, (line_discount_minor, order_discount_minor))| LineBreakdown {
            gross_minor,
            line_discount_minor,
            order_discount_minor,
            ..LineBreakdown::default()
        })
        .collect();

    let mut shipping = ShippingBreakdown::default();
    if let Some(rate) = &cart.shipping {
        shipping.price_minor = rate.price(cart, sum(nets)?)?;
        let off = |discount: &Discount| Ok(discount.off_shipping(cart, shipping.price_minor));
        shipping.discount_minor = sum(best(DiscountClass::Shipping, 1, &off)?)?;
    }

    let taxes = add_taxes(cart, &mut lines, &mut shipping)?;
    let added = |tax: i64| if cart.prices_include_tax { 0 } else { tax };
    for line in &mut lines {
        line.total_minor = sum([line.net(), added(line.tax_minor)])?;
    }
    shipping.total_minor = sum([shipping.net(), added(shipping.tax_minor)])?;
    Ok(Breakdown {
        subtotal_minor: subtotal,
        discount_total_minor: sum(lines
            .iter()
            .map(|line| line.line_discount_minor + line.order_discount_minor))?,
        shipping_total_minor: shipping.net(),
        tax_total_minor: sum(taxes.iter().map(|tax| tax.tax_minor))?,
        total_minor: sum(lines.iter().map(|line| line.total_minor).chain([shipping.total_minor]))?,
        lines,
        discounts,
        shipping,
        taxes,
    })
}
