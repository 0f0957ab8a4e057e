//! Taxes. The tax of a rate is computed and rounded once, for all lines of the rate and their part of shipping, and then divided
//! among them.

use crate::{
    Cart, Error, LineBreakdown, ShippingBreakdown, TaxBreakdown,
    arithmetic::{split, sum},
};

/// The lines of one rate, or those that are not taxed.
struct Group {
    rate: Option<usize>,
    lines: Vec<usize>,
}

/// Adds the taxes to lines and shipping, whose prices after discounts are known, and returns them by rate.
pub(crate) fn add_taxes(
    cart: &Cart,
    lines: &mut [LineBreakdown],
    shipping: &mut ShippingBreakdown,
) -> Result<Vec<TaxBreakdown>, Error> {
    let groups = groups(cart);
    let shipping_parts = split(shipping.net(), &shipping_weights(&groups, lines)?);
    let mut taxes = Vec::new();
    for (group, shipping_part) in groups.iter().zip(shipping_parts) {
        let Some(rate) = group.rate else { continue };
        let mut parts: Vec<_> = group.lines.iter().map(|line| lines[*line].net()).collect();
        parts.push(shipping_part);
        let base = sum(parts.iter().copied())?;
        let tax = if cart.prices_include_tax {
            cart.tax_rates[rate].included_in(base)
        } else {
            cart.tax_rates[rate].of(base)
        };
        let mut tax_parts = split(tax, &parts);
        shipping.tax_minor += tax_parts.pop().unwrap_or_default();
        for (line, tax) in group.lines.iter().zip(tax_parts) {
            lines[*line].tax_minor = tax;
        }
        let taxable_minor = if cart.prices_include_tax { base - tax } else { base };
        taxes.push(TaxBreakdown { rate, taxable_minor, tax_minor: tax });
    }
    Ok(taxes)
}

/// Groups the lines by rate, in the order of the lines.
fn groups(cart: &Cart) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (index, line) in cart.lines.iter().enumerate() {
        match groups.iter_mut().find(|group| group.rate == line.tax_rate) {
            Some(group) => group.lines.push(index),
            None => groups.push(Group { rate: line.tax_rate, lines: vec![index] }),
        }
    }
    groups
}

/// Shipping belongs to the groups in proportion to their prices after discounts; to those before, if discounts leave nothing.
fn shipping_weights(groups: &[Group], lines: &[LineBreakdown]) -> Result<Vec<i64>, Error> {
    let weights = |price: fn(&LineBreakdown) -> i64| {
        groups.iter().map(move |group| sum(group.lines.iter().map(|line| price(&lines[*line]))))
    };
    let nets: Vec<i64> = weights(LineBreakdown::net).collect::<Result<_, _>>()?;
    if nets.iter().any(|net| *net > 0) { Ok(nets) } else { weights(|line| line.gross_minor).collect() }
}
