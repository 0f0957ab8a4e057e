use bodega_proto::catalog::v1 as pb;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::json::{Amount, non_empty};

/// A variant of a product: what is in stock and can be ordered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Variant {
    /// Id of the variant; that of the first one is usually the id of the product.
    id: i32,
    /// Stock-keeping unit, or null.
    #[schema(required)]
    sku: Option<String>,
    /// Barcode, or null.
    #[schema(required)]
    barcode: Option<String>,
    /// Values of the options, such as `M / red`. Null if the product has no options.
    #[schema(required)]
    name: Option<String>,
    /// Value of each option of the product.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    options: Options,
    /// Unit price in major units of the currency, for example 12.50.
    price: Amount,
    /// Former or recommended unit price, or null.
    #[schema(required)]
    compare_at_price: Option<Amount>,
    /// Units in stock that can be ordered now.
    pub(crate) stock: i32,
    /// Whether there are units in stock.
    available: bool,
    /// Weight of one unit in grams.
    weight: i32,
    /// Whether it is shipped, unlike a service or a download.
    requires_shipping: bool,
    /// Class of its tax rate.
    tax_class: String,
    /// Id of the image of the product that shows this variant, or null.
    #[schema(required)]
    image_id: Option<i64>,
}

/// The values of options, in the order of the options.
#[derive(Debug)]
struct Options(Vec<(String, String)>);

impl Serialize for Options {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Variant {
    /// Returns the variants of a product, at least one.
    pub(crate) fn all_of(product: &pb::Product) -> Vec<Self> {
        if !product.variants.is_empty() {
            return product.variants.iter().map(|variant| Self::new(product, variant)).collect();
        }
        // The only one, without details.
        let only = pb::Variant {
            id: product.id,
            price_minor: product.price_minor,
            stock: Some(product.stock),
            tax_class: "standard".to_owned(),
            ..pb::Variant::default()
        };
        vec![Self::new(product, &only)]
    }

    fn new(product: &pb::Product, variant: &pb::Variant) -> Self {
        let amount = |minor| Amount::new(minor, &product.currency);
        let stock = variant.stock.unwrap_or_default();
        Self {
            id: variant.id,
            sku: non_empty(variant.sku.clone()),
            barcode: non_empty(variant.barcode.clone()),
            name: non_empty(variant.option_values.join(" / ")),
            options: Options(
                product.option_names.iter().cloned().zip(variant.option_values.iter().cloned()).collect(),
            ),
            price: amount(variant.price_minor),
            compare_at_price: variant.compare_at_minor.map(amount),
            stock,
            available: stock > 0,
            weight: variant.weight_grams,
            requires_shipping: !variant.is_digital,
            tax_class: variant.tax_class.clone(),
            image_id: Some(variant.image_id).filter(|id| *id != 0),
        }
    }
}
