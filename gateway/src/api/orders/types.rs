use bodega_proto::order::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::{
        checkout::types::{Contact, OrderAddress, OrderDiscount, Tax},
        payments::{Payment, PaymentStatus},
    },
    json::{Amount, Timestamp, non_empty},
    problem::Problem,
    response::present,
};

/// Status of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderStatus {
    /// Placed; the units are taken from the stock.
    Pending = pb::OrderStatus::Pending as isize,
    /// Accepted by the merchant.
    Confirmed = pb::OrderStatus::Confirmed as isize,
    /// Paid.
    Paid = pb::OrderStatus::Paid as isize,
    /// Sent to the customer.
    Shipped = pb::OrderStatus::Shipped as isize,
    /// Delivered. Final.
    Completed = pb::OrderStatus::Completed as isize,
    /// Cancelled; the units are back in stock. Final.
    Cancelled = pb::OrderStatus::Cancelled as isize,
}

impl OrderStatus {
    const ALL: [Self; 6] =
        [Self::Pending, Self::Confirmed, Self::Paid, Self::Shipped, Self::Completed, Self::Cancelled];

    /// # Errors
    /// An internal problem for a status that this gateway does not know.
    fn from_proto(status: pb::OrderStatus) -> Result<Self, Problem> {
        present(Self::ALL.into_iter().find(|known| pb::OrderStatus::from(*known) == status))
    }
}

impl From<OrderStatus> for pb::OrderStatus {
    fn from(status: OrderStatus) -> Self {
        Self::try_from(status as i32).unwrap_or_default()
    }
}

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
    "taxes": [{"name": "VAT", "rate": 19.0, "taxable": 23.03, "tax": 4.37}], "pricesIncludeTax": true,
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
    /// Id of the user who placed the order.
    pub(crate) user_id: String,
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
}

/// A line of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderLine {
    /// Id of the product.
    pub(crate) product_id: i32,
    /// Name of the product when the order was placed.
    pub(crate) name: String,
    /// Unit price when the order was placed, in major units of the currency, for example 12.50.
    pub(crate) price: Amount,
    /// Number of units.
    pub(crate) quantity: i32,
    /// Price times quantity.
    pub(crate) line_total: Amount,
    /// Id of the variant. Absent for orders of earlier versions, as the following fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    variant_id: Option<i32>,
    /// SKU of the variant when the order was placed. Absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sku: Option<String>,
    /// Name of the variant when the order was placed. Absent if the product had only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    variant_name: Option<String>,
    /// What discounts take off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    discount: Option<Amount>,
    /// Tax of the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tax: Option<Amount>,
    /// What the customer pays for the line, with taxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total: Option<Amount>,
}

/// Returns the id of the product of a line, which may be that of a variant.
pub(super) fn product_id(item: &pb::OrderItem) -> i32 {
    if item.variant_of == 0 { item.product_id } else { item.variant_of }
}

/// A change of the status of an order or of its payment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderEvent {
    /// Status of the order after the change.
    status: OrderStatus,
    /// Time of the change.
    at: Timestamp,
    /// Status of the payment after the change. Absent when only the order changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    payment: Option<PaymentStatus>,
}

impl TryFrom<pb::Order> for Order {
    type Error = Problem;

    fn try_from(order: pb::Order) -> Result<Self, Problem> {
        let amount = |minor| Amount::new(minor, &order.currency);
        let line = |item: pb::OrderItem| OrderLine {
            product_id: product_id(&item),
            variant_id: item.total_minor.map(|_| item.product_id),
            sku: non_empty(item.sku),
            variant_name: non_empty(item.variant_name),
            name: item.name,
            price: amount(item.price_minor),
            quantity: item.quantity,
            line_total: amount(item.line_total_minor),
            discount: item.discount_minor.map(amount),
            tax: item.tax_minor.map(amount),
            total: item.total_minor.map(amount),
        };
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
            id: order.id,
            user_id: order.user_id,
            products: order.items.into_iter().map(line).collect(),
            total_amount: amount(order.total_minor),
            currency: order.currency,
            status,
            payment,
            history: order.history.into_iter().map(OrderEvent::try_from).collect::<Result<_, _>>()?,
            created_at: order.created_at.into(),
            updated_at: order.updated_at.into(),
        })
    }
}

impl TryFrom<pb::OrderEvent> for OrderEvent {
    type Error = Problem;

    fn try_from(event: pb::OrderEvent) -> Result<Self, Problem> {
        Ok(Self {
            status: OrderStatus::from_proto(event.status())?,
            at: event.at.into(),
            payment: PaymentStatus::of_event(event.payment, event.payment_cancelled)?,
        })
    }
}

/// The new status of an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "shipped"}))]
pub(crate) struct OrderStatusInput {
    /// Status that may follow the current one.
    pub(crate) status: OrderStatus,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> pb::Order {
        pb::Order {
            id: "o".to_owned(),
            user_id: "u".to_owned(),
            items: vec![pb::OrderItem {
                product_id: 7,
                name: "Mug".to_owned(),
                price_minor: 1250,
                quantity: 2,
                line_total_minor: 2500,
                ..Default::default()
            }],
            total_minor: 2500,
            currency: "USD".to_owned(),
            status: pb::OrderStatus::Pending.into(),
            history: vec![pb::OrderEvent { status: pb::OrderStatus::Pending.into(), ..Default::default() }],
            ..Default::default()
        }
    }

    #[test]
    fn writes_every_field_of_an_order() {
        let json = serde_json::to_string(&Order::try_from(order()).unwrap()).unwrap();
        let epoch = "1970-01-01T00:00:00Z";
        assert_eq!(
            json,
            format!(
                r#"{{"id":"o","userId":"u","products":[{{"productId":7,"name":"Mug","price":12.50,"quantity":2,"lineTotal":25.00}}],"totalAmount":25.00,"currency":"USD","status":"pending","payment":null,"history":[{{"status":"pending","at":"{epoch}"}}],"createdAt":"{epoch}","updatedAt":"{epoch}"}}"#
            )
        );
    }

    #[test]
    fn writes_the_parts_of_the_total_and_what_the_customer_has_entered() {
        let breakdown = pb::OrderBreakdown {
            subtotal_minor: 2500,
            shipping_total_minor: 490,
            tax_total_minor: 477,
            taxes: vec![pb::OrderTax {
                name: "VAT".to_owned(),
                rate_ppm: 190_000,
                taxable_minor: 2513,
                tax_minor: 477,
            }],
            prices_include_tax: true,
            shipping_title: "Parcel".to_owned(),
            ..Default::default()
        };
        let contact = pb::CheckoutContact { email: "ada@example.com".to_owned(), ..Default::default() };
        let form = pb::CheckoutForm { contact: Some(contact), ..Default::default() };
        let mut order = pb::Order {
            number: 1001,
            total_minor: 2990,
            breakdown: Some(breakdown),
            form: Some(form),
            ..order()
        };
        order.items[0] = pb::OrderItem {
            discount_minor: Some(0),
            tax_minor: Some(399),
            total_minor: Some(2500),
            variant_of: 5,
            variant_name: "M / red".to_owned(),
            ..order.items[0].clone()
        };
        let json = serde_json::to_value(Order::try_from(order).unwrap()).unwrap();
        assert_eq!(json["number"], 1001);
        assert_eq!((&json["shippingTotal"], &json["shippingMethod"]), (&4.9.into(), &"Parcel".into()));
        assert_eq!(
            json["taxes"],
            serde_json::json!([{"name": "VAT", "rate": 19.0, "taxable": 25.13, "tax": 4.77}])
        );
        assert_eq!(json["contact"]["email"], "ada@example.com");
        assert_eq!(json.get("shippingAddress"), None);
        let line = &json["products"][0];
        assert_eq!(
            (&line["productId"], &line["variantId"], &line["tax"]),
            (&5.into(), &7.into(), &3.99.into())
        );
    }

    #[test]
    fn writes_the_payment_status_of_an_event() {
        let event = |status: pb::OrderStatus, payment: pb::PaymentStatus| pb::OrderEvent {
            status: status.into(),
            at: None,
            payment: payment.into(),
            payment_cancelled: false,
        };
        let history = vec![
            event(pb::OrderStatus::Pending, pb::PaymentStatus::Unspecified),
            event(pb::OrderStatus::Paid, pb::PaymentStatus::Completed),
        ];
        let json = serde_json::to_value(Order::try_from(pb::Order { history, ..order() }).unwrap()).unwrap();
        let epoch = "1970-01-01T00:00:00Z";
        assert_eq!(
            json["history"],
            serde_json::json!([
                {"status": "pending", "at": epoch}, {"status": "paid", "at": epoch, "payment": "completed"}
            ])
        );
    }

    #[test]
    fn rejects_an_unknown_status() {
        assert!(Order::try_from(pb::Order { status: 99, ..order() }).is_err());
        for payment in [0, 99] {
            let payment =
                pb::Payment { provider: "stripe".to_owned(), status: payment, ..Default::default() };
            assert!(Order::try_from(pb::Order { payment: Some(payment), ..order() }).is_err());
        }
        let event =
            pb::OrderEvent { status: pb::OrderStatus::Paid.into(), payment: 99, ..Default::default() };
        assert!(Order::try_from(pb::Order { history: vec![event], ..order() }).is_err());
    }

    #[test]
    fn reads_and_writes_every_status_by_the_same_name() {
        for name in ["pending", "confirmed", "paid", "shipped", "completed", "cancelled"] {
            let input: OrderStatusInput =
                serde_json::from_value(serde_json::json!({"status": name})).unwrap();
            let status = pb::OrderStatus::from(input.status);
            assert_eq!(status.as_str_name(), format!("ORDER_STATUS_{}", name.to_uppercase()));
            assert_eq!(serde_json::to_value(OrderStatus::from_proto(status).unwrap()).unwrap(), name);
        }
        assert!(serde_json::from_str::<OrderStatusInput>(r#"{"status": "placing"}"#).is_err());
    }
}
