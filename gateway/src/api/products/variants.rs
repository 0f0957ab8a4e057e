//! Variants of products: `/api/products/{id}/variants` and `/api/variants/{id}`.

use std::collections::BTreeMap;

use axum::extract::State;
use bodega_proto::catalog::v1::{
    self as pb, BatchGetProductsRequest, PutVariantsRequest, UpdateVariantRequest,
};
use bodega_runtime::money::Currency;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::{required_version, types::Product, with_entity_tag};
use crate::{
    app::App,
    etag::EntityTag,
    extract::{AdminOrKey, IfMatch, Json, Path},
    json::{Amount, AmountInput, non_empty, provided},
    problem::Problem,
};

/// The service's names of fields, and the request's.
const FIELDS: [(&str, &str); 5] = [
    ("optionNames", "options"),
    ("optionValues", "options"),
    ("compareAt", "compareAtPrice"),
    ("weightGrams", "weight"),
    ("isDigital", "requiresShipping"),
];

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
    #[schema(value_type = BTreeMap<String, String>)]
    options: Options,
    /// Unit price in major units of the currency, for example 12.50.
    price: Amount,
    /// Former or recommended unit price, or null.
    #[schema(required)]
    compare_at_price: Option<Amount>,
    /// Units in stock that can be ordered now.
    pub(super) stock: i32,
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
    pub(super) fn all_of(product: &pb::Product) -> Vec<Self> {
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
    #[schema(min_items = 1, max_items = 250)]
    variants: Vec<VariantInput>,
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
    fn into_request(self, product_id: i32, currency: Currency) -> Result<PutVariantsRequest, Problem> {
        let names = self.options;
        let variants = self.variants.into_iter().enumerate();
        let variants = variants
            .map(|(index, variant)| variant.into_proto(&format!("variants[{index}]"), &names, currency));
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
            self.options.remove(name).ok_or_else(|| invalid_options(format!("must have a value of {name}")))
        });
        let option_values = values.collect::<Result<_, _>>()?;
        if let Some(name) = self.options.keys().next() {
            return Err(invalid_options(format!(
                "has {name}, which is not one of the options of the product"
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
    fn into_request(self, id: i32, currency: Currency) -> Result<UpdateVariantRequest, Problem> {
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

/// Declares all variants of a product.
///
/// Requires an admin's access token. A variant that exists is recognized by its `id`, else by its SKU, else by its options, and
/// keeps its id; that of a product without options becomes the first one that is not recognized. Variants that are not named can no
/// longer be ordered. All changes are made, or none; the same request again changes nothing.
#[utoipa::path(
    put, path = "/api/products/{id}/variants", tag = "Products", request_body = VariantsInput,
    security(("bearer" = ["catalog:write"])),
    params(
        ("id" = i32, Path, description = "Id of the product."),
        ("if-match" = Option<String>, Header, description = "`ETag` of the version of the product to change."),
    ),
    responses(
        (status = OK, description = "The product after the change.", body = Product,
            headers(("etag" = String, description = "Identifies the new version of the product."))),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The product does not exist or was deleted (`product_not_found`)."),
        (status = CONFLICT, description = "Another product has one of the SKUs (`sku_exists`)."),
        (status = PRECONDITION_FAILED,
            description = "The product has another version than `If-Match` names (`version_mismatch`)."),
    )
)]
pub(crate) async fn replace(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<i32>,
    if_match: IfMatch,
    Json(input): Json<VariantsInput>,
) -> Result<(EntityTag, Json<Product>), Problem> {
    let request = input.into_request(id, app.currency())?;
    let expected_version = super::expected_version(&app, id, &if_match).await?;
    let request = PutVariantsRequest { expected_version, ..request };
    let response = app.variants().put_variants(request).await;
    let response = response.map_err(|status| Problem::from(status).renaming_parts(&FIELDS))?;
    let (tag, product) = with_entity_tag(response.into_inner().product)?;
    Ok((tag, Json(product)))
}

/// Changes fields of a variant.
///
/// Requires an admin's access token. Absent fields stay unchanged. Options are changed with
/// `PUT /api/products/{id}/variants`.
#[utoipa::path(
    patch, path = "/api/variants/{id}", tag = "Products", request_body = VariantPatch,
    security(("bearer" = ["catalog:write"])),
    params(
        ("id" = i32, Path, description = "Id of the variant."),
        ("if-match" = Option<String>, Header, description = "`ETag` of the version of the product to change."),
    ),
    responses(
        (status = OK, description = "The product after the change.", body = Product,
            headers(("etag" = String, description = "Identifies the new version of the product."))),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The variant does not exist or can no longer be ordered \
            (`variant_not_found`), or its product was deleted (`product_not_found`)."),
        (status = CONFLICT, description = "Another variant has this SKU (`sku_exists`)."),
        (status = PRECONDITION_FAILED,
            description = "The product has another version than `If-Match` names (`version_mismatch`)."),
    )
)]
pub(crate) async fn change(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<i32>,
    if_match: IfMatch,
    Json(patch): Json<VariantPatch>,
) -> Result<(EntityTag, Json<Product>), Problem> {
    let request = patch.into_request(id, app.currency())?;
    let current = async {
        // The versions of variants are those of their products.
        let products = app.catalog().batch_get_products(BatchGetProductsRequest { ids: vec![id] }).await?;
        Ok(products.into_inner().products.first().map(|product| product.version).unwrap_or_default())
    };
    let expected_version = required_version(&if_match, current).await?;
    let response = app.variants().update_variant(UpdateVariantRequest { expected_version, ..request }).await;
    let response = response.map_err(|status| Problem::from(status).renaming_parts(&FIELDS))?;
    let (tag, product) = with_entity_tag(response.into_inner().product)?;
    Ok((tag, Json(product)))
}
