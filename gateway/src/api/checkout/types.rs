use bodega_proto::order::v1 as pb;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    json::{Amount, Percentage, non_empty},
    problem::{Problem, camel_case},
    response::present,
};

/// What an order would cost. `total = subtotal - discountTotal + shippingTotal`, and `+ taxTotal` if prices do not include taxes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "lines": [{
        "productId": 7, "variantId": 7, "name": "Coffee Mug", "price": 12.50, "quantity": 2, "lineTotal": 25.00,
        "discount": 2.50, "tax": 3.59, "total": 22.50, "available": true
    }],
    "subtotal": 25.00, "discountTotal": 2.50, "shippingTotal": 4.90, "taxTotal": 4.37,
    "taxes": [{"name": "VAT", "rate": 19, "taxable": 23.03, "tax": 4.37}],
    "total": 27.40, "currency": "USD", "pricesIncludeTax": true,
    "discounts": [{"code": "SPRING", "title": "Spring sale", "amount": 2.50, "applied": true}],
    "shippingMethods": [{"id": 3, "title": "Parcel", "price": 4.90, "freeFrom": 50.00}],
    "missing": ["shippingAddress"]
}))]
pub(crate) struct Quote {
    /// Lines of the cart at current prices.
    lines: Vec<QuoteLine>,
    /// Prices of all lines before discounts.
    subtotal: Amount,
    /// Discounts of all lines.
    discount_total: Amount,
    /// Price of shipping after its discount.
    shipping_total: Amount,
    /// All taxes, whether prices include them or not.
    tax_total: Amount,
    /// Taxes by rate.
    taxes: Vec<Tax>,
    /// What the order would cost.
    total: Amount,
    /// ISO 4217 code of the currency.
    currency: String,
    /// Whether prices include taxes.
    prices_include_tax: bool,
    /// Automatic discounts that apply, and an entry for each code.
    discounts: Vec<QuotedDiscount>,
    /// Shipping methods for these products and this address.
    shipping_methods: Vec<ShippingMethodOption>,
    /// Fields that the store requires for an order.
    missing: Vec<String>,
}

/// A line of a quote.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuoteLine {
    /// Id of the product.
    product_id: i32,
    /// Id of the variant.
    variant_id: i32,
    /// Name of the product.
    name: String,
    /// Name of the variant. Absent if the product has only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    variant_name: Option<String>,
    /// Unit price.
    price: Amount,
    /// Number of units.
    quantity: i32,
    /// Price times quantity.
    line_total: Amount,
    /// What discounts take off.
    discount: Amount,
    /// Tax of the line.
    tax: Amount,
    /// Price of the line after discounts, with taxes.
    total: Amount,
    /// Whether enough units are in stock.
    available: bool,
}

/// The tax of one rate.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"name": "VAT", "rate": 19, "taxable": 23.03, "tax": 4.37}))]
pub(crate) struct Tax {
    /// Name of the tax.
    name: String,
    /// Rate in percent, for example 8.875.
    rate: Percentage,
    /// Amount without the tax.
    taxable: Amount,
    /// Tax.
    tax: Amount,
}

/// A discount that reduces the total of an order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderDiscount {
    /// Code. Null for an automatic discount.
    #[schema(required)]
    code: Option<String>,
    /// Title.
    title: String,
    /// What it takes off.
    amount: Amount,
}

/// A discount in a quote.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuotedDiscount {
    /// Code. Null for an automatic discount.
    #[schema(required)]
    code: Option<String>,
    /// Title. Null if the code is unknown.
    #[schema(required)]
    title: Option<String>,
    /// What it takes off.
    amount: Amount,
    /// Whether it reduces the total.
    applied: bool,
    /// Why it does not: `unknown`, `not_yet`, `ended`, `exhausted`, `already_used`, `minimum_not_met`, `nothing_eligible`,
    /// `sign_in_required`, or `superseded` by a better discount of its kind. Absent if it is for shipping and no method is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// A shipping method for these products and this address.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShippingMethodOption {
    /// Id, for `shippingMethod`.
    id: i32,
    /// Title.
    title: String,
    /// Price before discounts.
    price: Amount,
    /// Price of the products from which it is free. Absent if it does not depend on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    free_from: Option<Amount>,
}

/// Who buys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Contact {
    /// Email address.
    email: String,
    /// Full name; empty if it is unknown.
    name: String,
    /// Phone number; empty if it is unknown.
    phone: String,
}

/// An address of an order. Fields are empty if they are unknown.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderAddress {
    /// Name of the recipient.
    name: String,
    /// Company.
    company: String,
    /// Street and house number.
    line1: String,
    /// Apartment or floor.
    line2: String,
    /// City.
    city: String,
    /// State, province or county.
    region: String,
    /// Postal or ZIP code.
    postal_code: String,
    /// ISO 3166-1 alpha-2 code of the country.
    country: String,
    /// Phone number for the carrier.
    phone: String,
}

impl Tax {
    pub(crate) fn new(tax: pb::OrderTax, currency: &str) -> Self {
        Self {
            name: tax.name,
            rate: Percentage::new(tax.rate_ppm),
            taxable: Amount::new(tax.taxable_minor, currency),
            tax: Amount::new(tax.tax_minor, currency),
        }
    }
}

impl OrderDiscount {
    pub(crate) fn new(discount: pb::OrderDiscount, currency: &str) -> Self {
        Self {
            code: non_empty(discount.code),
            title: discount.title,
            amount: Amount::new(discount.amount_minor, currency),
        }
    }
}

impl From<pb::CheckoutContact> for Contact {
    fn from(contact: pb::CheckoutContact) -> Self {
        let pb::CheckoutContact { email, name, phone } = contact;
        Self { email, name, phone }
    }
}

impl From<pb::PostalAddress> for OrderAddress {
    fn from(address: pb::PostalAddress) -> Self {
        let pb::PostalAddress { name, company, line1, line2, city, region, postal_code, country, phone } =
            address;
        Self { name, company, line1, line2, city, region, postal_code, country, phone }
    }
}

impl QuoteLine {
    fn new(line: pb::QuoteLine, currency: &str) -> Result<Self, Problem> {
        let item = present(line.item)?;
        let amount = |minor| Amount::new(minor, currency);
        Ok(Self {
            product_id: if item.variant_of == 0 { item.product_id } else { item.variant_of },
            variant_id: item.product_id,
            name: item.name,
            variant_name: non_empty(item.variant_name),
            price: amount(item.price_minor),
            quantity: item.quantity,
            line_total: amount(item.line_total_minor),
            discount: amount(item.discount_minor.unwrap_or_default()),
            tax: amount(item.tax_minor.unwrap_or_default()),
            total: amount(item.total_minor.unwrap_or(item.line_total_minor)),
            available: line.available,
        })
    }
}

impl TryFrom<pb::GetQuoteResponse> for Quote {
    type Error = Problem;

    fn try_from(quote: pb::GetQuoteResponse) -> Result<Self, Problem> {
        let currency = quote.currency;
        let amount = |minor| Amount::new(minor, &currency);
        let breakdown = present(quote.breakdown)?;
        let discounts = quote.discounts.into_iter().map(|discount| QuotedDiscount {
            code: non_empty(discount.code),
            title: non_empty(discount.title),
            amount: amount(discount.amount_minor),
            applied: discount.reason.is_empty() && discount.amount_minor > 0,
            reason: non_empty(discount.reason),
        });
        let methods = quote.shipping_methods.into_iter().map(|method| ShippingMethodOption {
            id: method.id,
            title: method.title,
            price: amount(method.price_minor),
            free_from: method.free_from_minor.map(amount),
        });
        let lines = quote.lines.into_iter().map(|line| QuoteLine::new(line, &currency));
        Ok(Self {
            lines: lines.collect::<Result<_, _>>()?,
            subtotal: amount(breakdown.subtotal_minor),
            discount_total: amount(breakdown.discount_total_minor),
            shipping_total: amount(breakdown.shipping_total_minor),
            tax_total: amount(breakdown.tax_total_minor),
            taxes: breakdown.taxes.into_iter().map(|tax| Tax::new(tax, &currency)).collect(),
            total: amount(quote.total_minor),
            prices_include_tax: breakdown.prices_include_tax,
            discounts: discounts.collect(),
            shipping_methods: methods.collect(),
            missing: quote.missing.iter().map(|field| camel_case(field)).collect(),
            currency,
        })
    }
}
