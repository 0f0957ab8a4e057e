//! Conversions of forms, totals and quotes to protobuf.

use bodega_proto::order::v1 as pb;

use crate::{
    checkout::{
        form::{Address, Contact, Form},
        quote::{Quote, QuotedDiscount, QuotedMethod},
    },
    orders::breakdown::{Breakdown, Discount, Tax},
};

impl From<Form> for pb::CheckoutForm {
    fn from(form: Form) -> Self {
        let Form { choices, personal } = form;
        Self {
            contact: personal.contact.map(Into::into),
            shipping_address: personal.shipping_address.map(Into::into),
            billing_address: personal.billing_address.map(Into::into),
            shipping_method: choices.shipping_method,
            discount_codes: choices.discount_codes,
            note: personal.note.unwrap_or_default(),
            locale: choices.locale.unwrap_or_default(),
        }
    }
}

impl From<Contact> for pb::CheckoutContact {
    fn from(contact: Contact) -> Self {
        let Contact { email, name, phone } = contact;
        Self { email, name, phone }
    }
}

impl From<Address> for pb::PostalAddress {
    fn from(address: Address) -> Self {
        let Address { name, company, line1, line2, city, region, postal_code, country, phone } = address;
        Self { name, company, line1, line2, city, region, postal_code, country, phone }
    }
}

impl From<Breakdown> for pb::OrderBreakdown {
    fn from(breakdown: Breakdown) -> Self {
        Self {
            subtotal_minor: breakdown.subtotal_minor,
            discount_total_minor: breakdown.discount_minor,
            shipping_total_minor: breakdown.shipping_minor,
            tax_total_minor: breakdown.tax_minor,
            taxes: breakdown.taxes.into_iter().map(Into::into).collect(),
            prices_include_tax: breakdown.prices_include_tax,
            discounts: breakdown.discounts.into_iter().map(Into::into).collect(),
            shipping_title: breakdown.shipping_title.unwrap_or_default(),
        }
    }
}

impl From<Tax> for pb::OrderTax {
    fn from(tax: Tax) -> Self {
        let Tax { name, rate_ppm, taxable_minor, tax_minor } = tax;
        Self { name, rate_ppm, taxable_minor, tax_minor }
    }
}

impl From<Discount> for pb::OrderDiscount {
    fn from(discount: Discount) -> Self {
        Self {
            code: discount.code.unwrap_or_default(),
            title: discount.title,
            amount_minor: discount.amount_minor,
        }
    }
}

impl From<Quote> for pb::GetQuoteResponse {
    fn from(quote: Quote) -> Self {
        let lines = quote.lines.into_iter();
        let lines = lines.map(|(item, available)| pb::QuoteLine { item: Some(item.into()), available });
        Self {
            lines: lines.collect(),
            breakdown: Some(quote.breakdown.into()),
            total_minor: quote.total_minor,
            currency: quote.currency,
            discounts: quote.discounts.into_iter().map(Into::into).collect(),
            shipping_methods: quote.methods.into_iter().map(Into::into).collect(),
            missing: quote.missing.into_iter().map(str::to_owned).collect(),
        }
    }
}

impl From<QuotedDiscount> for pb::QuotedDiscount {
    fn from(discount: QuotedDiscount) -> Self {
        Self {
            code: discount.code.unwrap_or_default(),
            title: discount.title,
            amount_minor: discount.amount_minor,
            reason: discount.reason.unwrap_or_default().to_owned(),
        }
    }
}

impl From<QuotedMethod> for pb::QuotedShippingMethod {
    fn from(method: QuotedMethod) -> Self {
        let QuotedMethod { id, title, price_minor, free_from_minor } = method;
        Self { id, title, price_minor, free_from_minor }
    }
}
