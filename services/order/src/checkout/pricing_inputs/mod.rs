//! What a total depends on beside the items: the store's settings, taxes, shipping methods and discounts.
//!
//! [`load`] reads all of it with one statement. It locks nothing: a change of a rule applies to the totals that are computed
//! after it. Only the limits of discounts are exact, which the statement that places an order checks ([`is_exhausted`]).

mod db;
#[cfg(test)]
mod tests;

use std::fmt;

use bodega_pricing::{Cart, DiscountClass, DiscountValue, Line, Rate, ShippingRate};
use bodega_runtime::status::violated_constraint;
use serde::{Deserialize, Serialize};

pub(crate) use self::db::load;

/// The tax class of products that have no other one.
const DEFAULT_TAX_CLASS: &str = "standard";

/// Where items are shipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// Empty if it is unknown.
    pub region: String,
}

/// A line of a cart, as far as the total depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CartItem {
    pub product_id: i32,
    pub category_id: Option<i32>,
    /// The price of one unit, in minor units.
    pub price_minor: i64,
    pub quantity: i32,
    /// Empty for the default one.
    pub tax_class: String,
    /// Of one unit.
    pub weight_grams: i32,
    pub requires_shipping: bool,
}

/// The default is a store without taxes, shipping methods and discounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inputs {
    /// Whether an order of items that are shipped needs an address and a shipping method.
    pub require_shipping: bool,
    pub prices_include_tax: bool,
    /// The methods that ship to the place.
    pub methods: Vec<ShippingMethod>,
    /// The tax rates of the place, one per tax class.
    pub tax_rates: Vec<TaxRate>,
    /// The discounts that are valid now for the customer: automatic ones, and those of the codes.
    pub discounts: Vec<OfferedDiscount>,
    /// The codes that no discount is valid for.
    pub rejected_codes: Vec<RejectedCode>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShippingMethod {
    pub id: i32,
    pub title: String,
    /// Whether the customer collects the items, so that no address is needed.
    pub is_pickup: bool,
    pub rate: ShippingRate,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaxRate {
    pub tax_class: String,
    pub name: String,
    pub rate: Rate,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfferedDiscount {
    pub id: i64,
    /// In upper case; `None` for an automatic discount.
    pub code: Option<String>,
    pub title: String,
    pub class: DiscountClass,
    pub value: DiscountValue,
    pub min_subtotal_minor: i64,
    /// The products and categories that it applies to; all if both are empty.
    pub products: Vec<i32>,
    pub categories: Vec<i32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RejectedCode {
    pub code: String,
    pub reason: CodeRejection,
}

/// Why a discount code does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CodeRejection {
    Unknown,
    NotYet,
    Ended,
    Exhausted,
    AlreadyUsed,
    MinimumNotMet,
    NothingEligible,
    SignInRequired,
}

impl CodeRejection {
    /// Returns its name in the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NotYet => "not_yet",
            Self::Ended => "ended",
            Self::Exhausted => "exhausted",
            Self::AlreadyUsed => "already_used",
            Self::MinimumNotMet => "minimum_not_met",
            Self::NothingEligible => "nothing_eligible",
            Self::SignInRequired => "sign_in_required",
        }
    }
}

impl fmt::Display for CodeRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Inputs {
    /// Returns the inputs of a store without rules.
    pub(crate) fn without_rules(codes: &[String]) -> Self {
        let rejected = |code: &String| RejectedCode { code: code.clone(), reason: CodeRejection::Unknown };
        Self { rejected_codes: codes.iter().map(rejected).collect(), ..Self::default() }
    }

    /// Returns the index of the rate of an item. Classes with the same rate share the first one of them: their tax is rounded once.
    fn tax_rate(&self, item: &CartItem) -> Option<usize> {
        let tax_class = item.tax_class();
        let found = self.tax_rates.iter().find(|rate| rate.tax_class == tax_class)?;
        self.tax_rates.iter().position(|rate| (&rate.name, rate.rate) == (&found.name, found.rate))
    }

    /// Returns the cart of these items. Its discounts and tax rates have the indices of `discounts` and `tax_rates`.
    pub(crate) fn cart(&self, items: &[CartItem], method: Option<&ShippingMethod>) -> Cart {
        let lines = items.iter().map(|item| Line {
            price_minor: item.price_minor,
            quantity: item.quantity,
            weight_grams: if item.requires_shipping { item.weight_grams } else { 0 },
            tax_rate: self.tax_rate(item),
        });
        let discounts = self.discounts.iter().map(|discount| bodega_pricing::Discount {
            class: discount.class,
            value: discount.value,
            min_subtotal_minor: discount.min_subtotal_minor,
            lines: discount.eligible_lines(items),
        });
        Cart {
            lines: lines.collect(),
            discounts: discounts.collect(),
            shipping: method.map(|method| method.rate.clone()),
            tax_rates: self.tax_rates.iter().map(|tax| tax.rate).collect(),
            prices_include_tax: self.prices_include_tax,
        }
    }
}

impl CartItem {
    /// Returns its tax class in lower case, as those of rates are.
    fn tax_class(&self) -> String {
        if self.tax_class.is_empty() { DEFAULT_TAX_CLASS.to_owned() } else { self.tax_class.to_lowercase() }
    }
}

impl OfferedDiscount {
    /// Returns the indices of the items that it applies to; `None` for all.
    fn eligible_lines(&self, items: &[CartItem]) -> Option<Vec<usize>> {
        if self.products.is_empty() && self.categories.is_empty() {
            return None;
        }
        let is_eligible = |item: &CartItem| {
            self.products.contains(&item.product_id)
                || item.category_id.is_some_and(|id| self.categories.contains(&id))
        };
        Some((0..items.len()).filter(|index| is_eligible(&items[*index])).collect())
    }
}

/// Returns whether an order was not placed because a discount has been used up since the inputs were read.
pub(crate) fn is_exhausted(error: &sqlx::Error) -> bool {
    violated_constraint(error) == Some("discount_uses_are_within_the_limit")
}
