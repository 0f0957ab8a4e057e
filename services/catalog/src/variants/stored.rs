//! A variant to be stored.

use serde::Serialize;

use super::{db::Variant, variant::DeclaredVariant};

/// The state that a variant is to have in the database.
#[derive(Debug, Serialize)]
pub(super) struct StoredVariant<'a> {
    id: i32,
    sku: Option<&'a str>,
    barcode: Option<&'a str>,
    option_values: &'a [String],
    position: i32,
    pub(super) price_minor: i64,
    compare_at_minor: Option<i64>,
    stock: i32,
    weight_grams: i32,
    requires_shipping: bool,
    tax_class: &'a str,
    image_id: Option<i64>,
}

impl<'a> StoredVariant<'a> {
    /// `stock` is kept if the declaration has none.
    pub(super) fn new(id: i32, position: usize, declared: &'a DeclaredVariant, stock: i32) -> Self {
        Self {
            id,
            sku: declared.sku.as_deref(),
            barcode: declared.barcode.as_deref(),
            option_values: &declared.option_values,
            position: i32::try_from(position).unwrap_or(i32::MAX),
            price_minor: declared.price_minor,
            compare_at_minor: declared.compare_at_minor,
            stock: declared.stock.unwrap_or(stock),
            weight_grams: declared.weight_grams,
            requires_shipping: declared.requires_shipping,
            tax_class: &declared.tax_class,
            image_id: declared.image_id,
        }
    }

    /// Returns whether the variant exists like this.
    pub(super) fn equals(&self, existing: &Variant, currency: &str) -> bool {
        existing.is_sold
            && existing.currency == currency
            && self.id == existing.id
            && self.sku == existing.sku.as_deref()
            && self.barcode == existing.barcode.as_deref()
            && self.option_values == existing.option_values
            && self.position == existing.position
            && self.price_minor == existing.price_minor
            && self.compare_at_minor == existing.compare_at_minor
            && self.stock == existing.stock
            && self.weight_grams == existing.weight_grams
            && self.requires_shipping == existing.requires_shipping
            && self.tax_class == existing.tax_class
            && self.image_id == existing.image_id
    }
}
