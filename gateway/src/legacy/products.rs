//! `/products`.

use axum::{extract::State, response::Response};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    api::products::{
        cached, create_product,
        input::{ProductInput, ProductPatch},
        query::ProductQuery,
        types::{IdAndName, Product},
        update_product,
    },
    app::App,
    etag::EntityTag,
    extract::{AdminOrKey, IfMatch, IfNoneMatch, IsAdmin, Json, Path},
    json::{Amount, AmountInput, IdOrName, partial_schema, provided},
    problem::Problem,
    response::Created,
};

/// A product.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": 7, "name": "Coffee Mug", "price": 12.50, "description": "Holds 300 ml.", "quantity": 40,
    "category": {"id": 3, "name": "Kitchen"}, "imageUrl": "https://example.com/mug.jpg"
}))]
pub(crate) struct LegacyProduct {
    /// Id of the product.
    id: i32,
    /// Name, at most 200 characters.
    name: String,
    /// Unit price in major units of the currency of the store, for example 12.50.
    price: Amount,
    /// Description; may be empty.
    description: String,
    /// Units in stock that can be ordered now.
    quantity: i32,
    /// Category, or null when the product has none.
    #[schema(required)]
    category: Option<IdAndName>,
    /// URL of the main image, or null when the product has no image.
    #[schema(required)]
    image_url: Option<String>,
}

impl From<Product> for LegacyProduct {
    fn from(product: Product) -> Self {
        Self {
            id: product.id,
            name: product.name,
            price: product.price,
            description: product.description,
            quantity: product.stock,
            category: product.category,
            image_url: product.image_url,
        }
    }
}

/// A product to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({
    "name": "Coffee Mug", "price": 12.50, "description": "Holds 300 ml.", "quantity": 40, "category": "Kitchen",
    "imageUrl": "https://example.com/mug.jpg"
}))]
pub(crate) struct LegacyProductInput {
    /// Name of the product.
    #[serde(default, deserialize_with = "provided")]
    #[schema(required, nullable = false, min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Unit price in major units of the currency of the store, for example 19.99.
    #[serde(default, deserialize_with = "provided")]
    #[schema(required, nullable = false)]
    price: Option<AmountInput>,
    /// Description of the product; may be empty.
    #[serde(default, deserialize_with = "provided")]
    #[schema(value_type = Option<String>, max_length = 10_000)]
    description: Option<Option<String>>,
    /// Units in stock. Replaces the current number.
    #[serde(default, deserialize_with = "provided")]
    #[schema(required, nullable = false, minimum = 0, maximum = 1_000_000_000)]
    quantity: Option<i32>,
    /// Id or name of the category; an unknown name creates the category. Null for no category.
    #[serde(default, deserialize_with = "provided")]
    #[schema(value_type = Option<IdOrName>)]
    category: Option<Option<IdOrName>>,
    /// URL of the main image: http, https or a path on this host. Null for no image.
    #[serde(default, deserialize_with = "provided")]
    #[schema(value_type = Option<String>, max_length = 2_000)]
    image_url: Option<Option<String>>,
}

impl From<LegacyProductInput> for ProductInput {
    fn from(input: LegacyProductInput) -> Self {
        Self {
            name: input.name,
            price: input.price,
            description: input.description,
            stock: input.quantity,
            category: input.category,
            image_url: input.image_url,
            ..Self::default()
        }
    }
}

/// The fields of a product that a PUT changes.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct LegacyProductPatch(LegacyProductInput);

impl PartialSchema for LegacyProductPatch {
    fn schema() -> RefOr<Schema> {
        let description = "Changes of a product. Absent fields stay unchanged.";
        partial_schema(LegacyProductInput::schema(), description, &["description"])
    }
}

impl ToSchema for LegacyProductPatch {}

/// Lists and searches products.
///
/// Anyone may call it. Filters are combined with "and". Deleted products are not listed.
#[utoipa::path(
    get, path = "/products", tag = "Legacy",
    params(
        ProductQuery,
        ("if-none-match" = Option<String>, Header, description = "`ETag` of a page that the client already has."),
    ),
    responses(
        (status = OK, description = "A page of products.", body = Vec<LegacyProduct>, headers(
            ("link" = String, description = "URL of the next page, with `rel=\"next\"`. Absent on the last page."),
            ("etag" = String, description = "Identifies the content of this page."),
        )),
        (status = NOT_MODIFIED, description = "Not modified: the page still has the `ETag` of `If-None-Match`."),
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    uri: Uri,
    is_admin: IsAdmin,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    cached::list(&app, &uri, is_admin, &if_none_match, cached::render_array::<LegacyProduct>).await
}

/// Creates a product.
///
/// Requires an admin's access token.
#[utoipa::path(
    post, path = "/products", tag = "Legacy", request_body = LegacyProductInput, security(("bearer" = ["catalog:write"])),
    responses(
        (status = CREATED, description = "Product created.", body = LegacyProduct, headers(
            ("location" = String, description = "Path of the new product."),
            ("etag" = String, description = "Identifies the version of the product."),
        )),
        (status = FORBIDDEN),
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    _: AdminOrKey,
    Json(input): Json<LegacyProductInput>,
) -> Result<(EntityTag, Created<LegacyProduct>), Problem> {
    let request = ProductInput::from(input).into_create(app.currency()).map_err(rename_stock)?;
    let (tag, product) = create_product(&app, request).await.map_err(rename_stock)?;
    Ok((tag, Created::at(format!("/products/{}", product.id), product.into())))
}

/// Returns a product.
///
/// Anyone may call it.
#[utoipa::path(
    get, path = "/products/{id}", tag = "Legacy",
    params(
        ("id" = i32, Path, description = "Id of the product."),
        ("if-none-match" = Option<String>, Header,
            description = "`ETag` of a version of the product that the client already has."),
    ),
    responses(
        (status = OK, description = "The product.", body = LegacyProduct,
            headers(("etag" = String, description = "Identifies the version of the product."))),
        (status = NOT_MODIFIED,
            description = "Not modified: the product still has the `ETag` of `If-None-Match`."),
        (status = NOT_FOUND, description = "The product does not exist or was deleted (`product_not_found`)."),
    )
)]
pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<i32>,
    is_admin: IsAdmin,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let product = cached::get(&app, id, is_admin).await?;
    let tag = EntityTag::of_version(product.version());
    let product = LegacyProduct::from(Product::from(product.to_product()));
    Ok(if_none_match.respond(tag, Json(product)))
}

/// Changes fields of a product.
///
/// Requires an admin's access token. Absent fields stay unchanged.
#[utoipa::path(
    put, path = "/products/{id}", tag = "Legacy", security(("bearer" = ["catalog:write"])),
    request_body(content = LegacyProductPatch, example = json!({"price": 9.99, "quantity": 60})),
    params(
        ("id" = i32, Path, description = "Id of the product."),
        ("if-match" = Option<String>, Header, description = "`ETag` of the version to change."),
    ),
    responses(
        (status = OK, description = "The product after the change.", body = LegacyProduct,
            headers(("etag" = String, description = "Identifies the new version of the product."))),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The product does not exist or was deleted (`product_not_found`)."),
        (status = CONFLICT, description = "The product has several variants, and the request changes their price or stock \
            (`has_variants`)."),
        (status = PRECONDITION_FAILED,
            description = "The product has another version than `If-Match` names (`version_mismatch`)."),
    )
)]
pub(crate) async fn change(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<i32>,
    if_match: IfMatch,
    Json(LegacyProductPatch(input)): Json<LegacyProductPatch>,
) -> Result<(EntityTag, Json<LegacyProduct>), Problem> {
    let request = ProductPatch(input.into()).into_update(id, app.currency())?;
    let (tag, product) = update_product(&app, &if_match, request).await.map_err(rename_stock)?;
    Ok((tag, Json(product.into())))
}

fn rename_stock(problem: Problem) -> Problem {
    problem.renaming("stock", "quantity")
}
