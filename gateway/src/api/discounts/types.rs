use bodega_proto::order::v1 as pb;
use bodega_runtime::money::Currency;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    json::{Amount, AmountInput, Percentage, PercentageInput, Timestamp, non_empty},
    problem::Problem,
    response::present,
};

/// What a discount reduces. Of each class, the discount that saves most applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DiscountClass {
    /// The price of each line; an amount is taken off each unit.
    Line = pb::DiscountClass::Line as isize,
    /// The price of all lines together, once.
    Order = pb::DiscountClass::Order as isize,
    /// The price of shipping.
    Shipping = pb::DiscountClass::Shipping as isize,
}

/// A discount.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": 5, "code": "SPRING", "title": "Spring sale", "class": "order", "percentOff": 10, "amountOff": null,
    "minSubtotal": 20.00, "productIds": [], "categoryIds": [], "oncePerCustomer": true, "usageLimit": 50, "used": 12,
    "startsAt": "2026-03-01T00:00:00Z", "endsAt": null, "active": true, "createdAt": "2026-02-21T09:30:00.123456Z"
}))]
pub(crate) struct Discount {
    /// Id of the discount.
    pub(super) id: i64,
    /// What customers enter, in upper case; null for a discount that applies without a code.
    #[schema(required)]
    code: Option<String>,
    /// Name for customers.
    title: String,
    /// What it reduces.
    class: DiscountClass,
    /// Percentage of the price; null for an amount.
    #[schema(required)]
    percent_off: Option<Percentage>,
    /// Amount; null for a percentage.
    #[schema(required)]
    amount_off: Option<Amount>,
    /// Price of all lines before discounts from which it applies.
    min_subtotal: Amount,
    /// Products that it applies to; all if there are no categories either.
    product_ids: Vec<i32>,
    /// Categories that it applies to.
    category_ids: Vec<i32>,
    /// Whether each customer can use it once only. Then guests cannot use it.
    once_per_customer: bool,
    /// How often it can be used; null for no limit.
    #[schema(required)]
    usage_limit: Option<i64>,
    /// How many orders use it, without cancelled ones.
    used: i64,
    /// When it becomes valid; null if it is valid from the beginning.
    #[schema(required)]
    starts_at: Option<Timestamp>,
    /// When it is not valid any more; null if it does not end.
    #[schema(required)]
    ends_at: Option<Timestamp>,
    /// Whether it is valid at all.
    active: bool,
    /// When it was created.
    created_at: Timestamp,
}

impl Discount {
    /// # Errors
    /// An internal problem for a class that this gateway does not know.
    pub(super) fn new(discount: pb::Discount, currency: Currency) -> Result<Self, Problem> {
        let class = present(match discount.class() {
            pb::DiscountClass::Unspecified => None,
            pb::DiscountClass::Line => Some(DiscountClass::Line),
            pb::DiscountClass::Order => Some(DiscountClass::Order),
            pb::DiscountClass::Shipping => Some(DiscountClass::Shipping),
        })?;
        Ok(Self {
            id: discount.id,
            code: non_empty(discount.code),
            title: discount.title,
            class,
            percent_off: discount.rate_ppm.map(Percentage::new),
            amount_off: discount.amount_minor.map(|minor| Amount::new(minor, currency.code())),
            min_subtotal: Amount::new(discount.min_subtotal_minor, currency.code()),
            product_ids: discount.product_ids,
            category_ids: discount.category_ids,
            once_per_customer: discount.once_per_customer,
            usage_limit: discount.usage_limit,
            used: discount.used,
            starts_at: Timestamp::of(discount.starts_at),
            ends_at: Timestamp::of(discount.ends_at),
            active: discount.active,
            created_at: discount.created_at.into(),
        })
    }
}

/// A discount to create, or to replace an existing one with: `percentOff` or `amountOff` is required.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({
    "code": "SPRING", "title": "Spring sale", "class": "order", "percentOff": 10, "minSubtotal": 20,
    "oncePerCustomer": true, "usageLimit": 50, "startsAt": "2026-03-01T00:00:00Z"
}))]
pub(crate) struct DiscountInput {
    /// What customers enter, in any case: letters, digits, `-` and `_`. Without it, the discount applies to each order.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    code: Option<String>,
    /// Name for customers.
    #[schema(min_length = 1, max_length = 100)]
    title: String,
    /// What it reduces.
    class: DiscountClass,
    /// Percentage of the price, more than 0.
    #[serde(default)]
    percent_off: Option<PercentageInput>,
    /// Amount, more than 0.
    #[serde(default)]
    amount_off: Option<AmountInput>,
    /// Price of all lines before discounts from which it applies.
    #[serde(default)]
    min_subtotal: Option<AmountInput>,
    /// Products that it applies to; all if there are no categories either.
    #[serde(default)]
    #[schema(max_items = 1000)]
    product_ids: Vec<i32>,
    /// Categories that it applies to.
    #[serde(default)]
    #[schema(max_items = 100)]
    category_ids: Vec<i32>,
    /// Whether each customer can use it once only. Then guests cannot use it.
    #[serde(default)]
    once_per_customer: bool,
    /// How often it can be used, at least as often as it was; null for no limit.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    usage_limit: Option<i64>,
    /// When it becomes valid.
    #[serde(default)]
    starts_at: Option<Timestamp>,
    /// When it is not valid any more.
    #[serde(default)]
    ends_at: Option<Timestamp>,
    /// Whether it is valid at all.
    #[serde(default = "active")]
    #[schema(default = true)]
    active: bool,
}

fn active() -> bool {
    true
}

impl DiscountInput {
    /// # Errors
    /// 422 `invalid_field` for an invalid percentage or amount, and an empty code.
    pub(super) fn into_proto(self, currency: Currency) -> Result<pb::Discount, Problem> {
        let amount = |amount: Option<AmountInput>, field| {
            amount.map(|amount| amount.minor(currency, field)).transpose()
        };
        // For the service, an empty code is none: such a discount applies to each order.
        if self.code.as_deref() == Some("") {
            return Err(Problem::invalid("code", "must have 1 to 64 letters, digits, - and _"));
        }
        Ok(pb::Discount {
            id: 0,
            code: self.code.unwrap_or_default(),
            title: self.title,
            class: self.class as i32,
            rate_ppm: self.percent_off.map(|percentage| percentage.ppm("percentOff")).transpose()?,
            amount_minor: amount(self.amount_off, "amountOff")?,
            min_subtotal_minor: amount(self.min_subtotal, "minSubtotal")?.unwrap_or_default(),
            once_per_customer: self.once_per_customer,
            usage_limit: self.usage_limit,
            used: 0,
            starts_at: self.starts_at.map(Into::into),
            ends_at: self.ends_at.map(Into::into),
            active: self.active,
            product_ids: self.product_ids,
            category_ids: self.category_ids,
            created_at: None,
        })
    }
}
