use std::collections::BTreeMap;

use bodega_proto::catalog::v1::{self as pb, PutVariantsRequest, UpdateVariantRequest};
use bodega_runtime::money::Currency;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    json::{AmountInput, Object, provided},
    problem::Problem,
};

/// All variants that a product is to have.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({
    "options": ["Size", "Colour"],
    "variants": [
        {"sku": "SHIRT-S-RED", "options": {"Size": "S", "Colour": "red"}, "price": 19.00, "stock": 12, "weight": 180},
        {"sku": "SHIRT-M-RED", "options": {"Size": "M", "Colour": "red"}, "price": 19.00, "stock": 20, "weight": 200}
    ]
}))]
pub(crate) struct VariantsInput {
    /// Names of the options that the variants differ in.
    #[serde(default)]
    #[schema(max_items = 3)]
    options: Vec<String>,
    /// Variants in display order.
    #[schema(value_type = Vec<VariantInput>, min_items = 1, max_items = 250)]
    variants: Vec<Object<VariantInput>>,
}

/// A variant of a product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct VariantInput {
    /// Id of an existing variant of the product. Without it, a variant is recognized by its SKU, else by its options.
    #[schema(minimum = 1)]
    id: Option<i32>,
    /// Stock-keeping unit, unique among all products in any case.
    #[schema(max_length = 100)]
    sku: Option<String>,
    /// Barcode.
    #[schema(max_length = 50)]
    barcode: Option<String>,
    /// Value of each option, at most 50 characters.
    #[serde(default)]
    options: BTreeMap<String, String>,
    /// Unit price in major units of the currency, for example 19.99.
    price: AmountInput,
    /// Former or recommended unit price.
    compare_at_price: Option<AmountInput>,
    /// Units in stock. Absent: unchanged, or 0 for a new variant.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    stock: Option<i32>,
    /// Weight of one unit in grams.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 10_000_000)]
    weight: i32,
    /// Whether it is shipped, unlike a service or a download.
    #[serde(default = "yes")]
    #[schema(default = true)]
    requires_shipping: bool,
    /// Class of its tax rate; `standard` by default.
    #[schema(max_length = 50)]
    tax_class: Option<String>,
    /// Id of the image of the product that shows this variant.
    image_id: Option<i64>,
}

fn yes() -> bool {
    true
}

impl VariantsInput {
    /// # Errors
    /// 422 `invalid_field` for a price that is not an amount of `currency`, and for missing or unknown options.
    pub(super) fn into_request(
        self,
        product_id: i32,
        currency: Currency,
    ) -> Result<PutVariantsRequest, Problem> {
        let names = self.options;
        let variants = self.variants.into_iter().enumerate();
        let variants = variants.map(|(index, Object(variant))| {
            variant.into_proto(&format!("variants[{index}]"), &names, currency)
        });
        Ok(PutVariantsRequest {
            product_id,
            variants: variants.collect::<Result<_, _>>()?,
            option_names: names,
            expected_version: None,
        })
    }
}

impl VariantInput {
    /// `field` is the name of the variant in the request.
    fn into_proto(
        mut self,
        field: &str,
        option_names: &[String],
        currency: Currency,
    ) -> Result<pb::Variant, Problem> {
        let invalid_options = |message: String| Problem::invalid(&format!("{field}.options"), message);
        let values = option_names.iter().map(|name| {
            self.options.remove(name).ok_or_else(|| invalid_options(format!("must have a value of {name:?}")))
        });
        let option_values = values.collect::<Result<_, _>>()?;
        if let Some(name) = self.options.keys().next() {
            return Err(invalid_options(format!(
                "has {name:?}, which is not one of the options of the product"
            )));
        }
        let compare_at =
            self.compare_at_price.map(|price| price.minor(currency, &format!("{field}.compareAtPrice")));
        Ok(pb::Variant {
            id: self.id.unwrap_or_default(),
            product_id: 0,
            sku: self.sku.unwrap_or_default(),
            barcode: self.barcode.unwrap_or_default(),
            option_values,
            price_minor: self.price.minor(currency, &format!("{field}.price"))?,
            compare_at_minor: compare_at.transpose()?,
            stock: self.stock,
            weight_grams: self.weight,
            is_digital: !self.requires_shipping,
            tax_class: self.tax_class.unwrap_or_default(),
            image_id: self.image_id.unwrap_or_default(),
        })
    }
}

/// Changes of a variant. Absent fields stay unchanged.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"price": 17.50, "compareAtPrice": 19.00, "stock": 8}))]
pub(crate) struct VariantPatch {
    /// Stock-keeping unit; null removes it.
    #[serde(default, deserialize_with = "provided")]
    #[schema(value_type = Option<String>, max_length = 100)]
    sku: Option<Option<String>>,
    /// Barcode; null removes it.
    #[serde(default, deserialize_with = "provided")]
    #[schema(value_type = Option<String>, max_length = 50)]
    barcode: Option<Option<String>>,
    /// Unit price in major units of the currency. A change applies to carts and new orders.
    #[serde(default, deserialize_with = "provided")]
    #[schema(nullable = false)]
    price: Option<AmountInput>,
    /// Former or recommended unit price; null removes it.
    #[serde(default, deserialize_with = "provided")]
    #[schema(value_type = Option<AmountInput>)]
    compare_at_price: Option<Option<AmountInput>>,
    /// Units in stock. Replaces the current number.
    #[serde(default, deserialize_with = "provided")]
    #[schema(nullable = false, minimum = 0, maximum = 1_000_000_000)]
    stock: Option<i32>,
    /// Weight of one unit in grams.
    #[serde(default, deserialize_with = "provided")]
    #[schema(nullable = false, minimum = 0, maximum = 10_000_000)]
    weight: Option<i32>,
    /// Whether it is shipped, unlike a service or a download.
    #[serde(default, deserialize_with = "provided")]
    #[schema(nullable = false)]
    requires_shipping: Option<bool>,
    /// Class of its tax rate.
    #[serde(default, deserialize_with = "provided")]
    #[schema(nullable = false, max_length = 50)]
    tax_class: Option<String>,
    /// Id of the image of the product that shows this variant; null for none.
    #[serde(default, deserialize_with = "provided")]
    #[schema(value_type = Option<i64>)]
    image_id: Option<Option<i64>>,
}

impl VariantPatch {
    /// # Errors
    /// 422 `invalid_field` for a price that is not an amount of `currency`.
    pub(super) fn into_request(self, id: i32, currency: Currency) -> Result<UpdateVariantRequest, Problem> {
        let compare_at = self.compare_at_price.map(|price| match price {
            Some(price) => price.minor(currency, "compareAtPrice"),
            None => Ok(0),
        });
        Ok(UpdateVariantRequest {
            id,
            sku: self.sku.map(Option::unwrap_or_default),
            barcode: self.barcode.map(Option::unwrap_or_default),
            price_minor: self.price.map(|price| price.minor(currency, "price")).transpose()?,
            compare_at_minor: compare_at.transpose()?,
            stock: self.stock,
            weight_grams: self.weight,
            is_digital: self.requires_shipping.map(|requires_shipping| !requires_shipping),
            tax_class: self.tax_class,
            image_id: self.image_id.map(Option::unwrap_or_default),
            expected_version: None,
        })
    }
}
