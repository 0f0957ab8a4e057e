//! Variants of products: `/api/products/{id}/variants` and `/api/variants/{id}`.

pub(crate) mod input;
pub(crate) mod types;

use axum::extract::State;
use bodega_proto::catalog::v1::{BatchGetProductsRequest, PutVariantsRequest, UpdateVariantRequest};

use self::input::{VariantPatch, VariantsInput};
use super::{expected_version, required_version, types::Product, with_entity_tag};
use crate::{
    app::App,
    etag::EntityTag,
    extract::{AdminOrKey, IfMatch, Json, Path},
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

/// Declares all variants of a product.
///
/// Requires an admin's access token. A variant that exists is recognized by its `id`, else by its SKU, else by its options, and
/// keeps its id; that of a product without options becomes the first one that is not recognized. Variants that are not named can no
/// longer be ordered; one that is declared again, with its SKU or options, returns with its id. A product has at most 1,000 variants,
/// including these. All changes are made, or none; the same request again changes nothing.
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
    let expected_version = expected_version(&app, id, &if_match).await?;
    let request = PutVariantsRequest { expected_version, ..request };
    let response = app.variants().put_variants(request).await;
    let response = response.map_err(|status| Problem::from(status).renaming_parts(&FIELDS))?;
    let (tag, product) = with_entity_tag(response.into_inner().product)?;
    Ok((tag, Json(product)))
}

/// Changes fields of a variant.
///
/// Requires an admin's access token. Absent fields stay unchanged. Options are changed with
/// `PUT /api/products/{id}/variants`, and so are prices in a former currency of the store, if there are several variants.
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
