use bodega_proto::order::v1 as pb;
use serde::Serialize;
use utoipa::ToSchema;

use crate::json::{Amount, non_empty};

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
pub(crate) fn product_id(item: &pb::OrderItem) -> i32 {
    if item.variant_of == 0 { item.product_id } else { item.variant_of }
}

impl OrderLine {
    /// A line of an order in a currency.
    pub(super) fn new(item: pb::OrderItem, currency: &str) -> Self {
        let amount = |minor| Amount::new(minor, currency);
        Self {
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
        }
    }
}
