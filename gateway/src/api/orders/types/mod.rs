mod line;
mod status;
#[cfg(test)]
mod tests;

use bodega_proto::order::v1 as pb;
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::{
    line::{OrderLine, product_id},
    status::{OrderEvent, OrderStatus, OrderStatusInput},
};
use crate::{
    api::{
        checkout::types::{Contact, OrderAddress, OrderDiscount, Tax},
        orders::{refunds::Refund, shipments::Shipment},
        payments::Payment,
    },
    json::{Amount, Timestamp, non_empty},
    problem::Problem,
};

/// An order. Names and prices of the products are those at the time the order was placed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0197f0c5-b3d8-71e2-9d43-52b8f6a0c911", "userId": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10",
    "products": [{
        "productId": 7, "name": "Coffee Mug", "price": 12.50, "quantity": 2, "lineTotal": 25.00, "variantId": 7,
        "discount": 2.50, "tax": 3.59, "total": 22.50
    }],
    "totalAmount": 27.40, "currency": "USD", "status": "paid",
    "payment": {
        "provider": "stripe", "status": "completed", "paymentIntentId": "pi_3PBodega", "refundId": null,
        "refundedAmount": 0.00
    },
    "history": [
        {"status": "pending", "at": "2026-11-21T09:30:00.123456Z"},
        {"status": "pending", "at": "2026-11-21T09:31:00.123456Z", "payment": "requires_payment"},
        {"status": "paid", "at": "2026-11-21T10:15:00.123456Z", "payment": "completed"}
    ],
    "createdAt": "2026-11-21T09:30:00.123456Z", "updatedAt": "2026-11-21T10:15:00.123456Z",
    "number": 1001, "subtotal": 25.00, "discountTotal": 2.50, "shippingTotal": 4.90, "taxTotal": 4.37,
    "taxes": [{"name": "VAT", "rate": 19, "taxable": 23.03, "tax": 4.37}], "pricesIncludeTax": true,
    "discounts": [{"code": "SPRING", "title": "Spring sale", "amount": 2.50}], "shippingMethod": "Parcel",
    "contact": {"email": "ada@example.com", "name": "Ada Lovelace", "phone": ""},
    "shippingAddress": {
        "name": "Ada Lovelace", "company": "", "line1": "12 St James's Square", "line2": "", "city": "London",
        "region": "", "postalCode": "SW1Y 4JH", "country": "GB", "phone": ""
    }
}))]
pub(crate) struct Order {
    /// Id of the order, a UUIDv7.
    pub(crate) id: String,
    /// Id of the user who placed the order; null for a guest's order.
    #[schema(required)]
    pub(crate) user_id: Option<String>,
    /// Ordered products.
    pub(crate) products: Vec<OrderLine>,
    /// What the customer pays, in major units of the currency.
    pub(crate) total_amount: Amount,
    /// ISO 4217 code of the currency.
    pub(crate) currency: String,
    /// Status of the order.
    pub(crate) status: OrderStatus,
    /// The successful payment, else the latest one; null when no payment was started.
    #[schema(required)]
    pub(crate) payment: Option<Payment>,
    /// Changes of the status of the order and of its payments, oldest first.
    pub(crate) history: Vec<OrderEvent>,
    /// Refunds of parts, the earliest first. Absent without any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) refunds: Vec<Refund>,
    /// Parcels, the earliest first. Absent without any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) shipments: Vec<Shipment>,
    /// When the order was placed.
    pub(crate) created_at: Timestamp,
    /// When the order last changed.
    pub(crate) updated_at: Timestamp,
    /// A number that a person can say. Absent for orders of earlier versions, as the following fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1001)]
    number: Option<i64>,
    /// Prices of all lines before discounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    subtotal: Option<Amount>,
    /// Discounts of all lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    discount_total: Option<Amount>,
    /// Price of shipping after its discount.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    shipping_total: Option<Amount>,
    /// All taxes, whether prices include them or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tax_total: Option<Amount>,
    /// Taxes by rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    taxes: Option<Vec<Tax>>,
    /// Whether prices include taxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    prices_include_tax: Option<bool>,
    /// Discounts that reduce the total.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    discounts: Option<Vec<OrderDiscount>>,
    /// Title of the shipping method. Absent if nothing is shipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    shipping_method: Option<String>,
    /// Who buys. Absent if it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    contact: Option<Contact>,
    /// Where the products are shipped. Absent if it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    shipping_address: Option<OrderAddress>,
    /// To whom the invoice is addressed. Absent if it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    billing_address: Option<OrderAddress>,
    /// Note of the customer. Absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    note: Option<String>,
    /// Opens the order, as `X-Order-Token`. Only in the response to the guest who has placed the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "pV0gqz2Zr3lPj0eGXk4aC1uTn8Hs5YwDfB7mLQ9xI6E")]
    access_token: Option<String>,
}

impl Order {
    /// Adds the token that opens the order; empty for none.
    pub(crate) fn with_access_token(self, token: String) -> Self {
        Self { access_token: non_empty(token), ..self }
    }
}

impl TryFrom<pb::Order> for Order {
    type Error = Problem;

    fn try_from(order: pb::Order) -> Result<Self, Problem> {
        let amount = |minor| Amount::new(minor, &order.currency);
        let status = OrderStatus::from_proto(order.status())?;
        let payment = order.payment.map(|payment| Payment::new(payment, &order.currency)).transpose()?;
        let breakdown = order.breakdown.as_ref();
        let part = |part: fn(&pb::OrderBreakdown) -> i64| breakdown.map(|parts| amount(part(parts)));
        let taxes = breakdown
            .map(|parts| parts.taxes.iter().map(|tax| Tax::new(tax.clone(), &order.currency)).collect());
        let discounts = breakdown.map(|parts| {
            let discounts = parts.discounts.iter();
            discounts.map(|discount| OrderDiscount::new(discount.clone(), &order.currency)).collect()
        });
        let form = order.form.unwrap_or_default();
        let refund = |refund| Refund::new(refund, &order.currency);
        let refunds = order.refunds.into_iter().map(refund).collect::<Result<_, _>>()?;
        Ok(Self {
            number: Some(order.number).filter(|number| *number > 0),
            subtotal: part(|parts| parts.subtotal_minor),
            discount_total: part(|parts| parts.discount_total_minor),
            shipping_total: part(|parts| parts.shipping_total_minor),
            tax_total: part(|parts| parts.tax_total_minor),
            taxes,
            prices_include_tax: breakdown.map(|parts| parts.prices_include_tax),
            discounts,
            shipping_method: breakdown.and_then(|parts| non_empty(parts.shipping_title.clone())),
            contact: form.contact.map(Into::into),
            shipping_address: form.shipping_address.map(Into::into),
            billing_address: form.billing_address.map(Into::into),
            note: non_empty(form.note),
            access_token: None,
            id: order.id,
            user_id: non_empty(order.user_id),
            products: order.items.into_iter().map(|item| OrderLine::new(item, &order.currency)).collect(),
            total_amount: amount(order.total_minor),
            currency: order.currency,
            status,
            payment,
            history: order.history.into_iter().map(OrderEvent::try_from).collect::<Result<_, _>>()?,
            refunds,
            shipments: order.shipments.into_iter().map(Into::into).collect(),
            created_at: order.created_at.into(),
            updated_at: order.updated_at.into(),
        })
    }
}
