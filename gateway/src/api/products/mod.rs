//! `/api/products`.

pub(crate) mod cached;
pub(crate) mod input;
pub(crate) mod query;
pub(crate) mod types;
pub(crate) mod variants;

use axum::{extract::State, response::Response};
use bodega_proto::catalog::v1::{self as pb, DeleteProductRequest, GetProductRequest, UpdateProductRequest};
use http::{StatusCode, Uri};

use self::{
    input::{ProductInput, ProductPatch},
    query::ProductQuery,
    types::Product,
};
use crate::{
    app::App,
    etag::EntityTag,
    extract::{AdminOrKey, IfMatch, IfNoneMatch, IsAdmin, Json, Path},
    json::Page,
    problem::Problem,
    response::{Created, present},
};

/// Lists and searches products.
///
/// Anyone may call it. Filters are combined with "and". Deleted products are not listed.
#[utoipa::path(
    get, path = "/api/products", tag = "Products",
    params(
        ProductQuery,
        ("if-none-match" = Option<String>, Header, description = "`ETag` of a page that the client already has."),
    ),
    responses(
        (status = OK, description = "A page of products.", body = Page<Product>,
            headers(("etag" = String, description = "Identifies the content of this page."))),
        (status = NOT_MODIFIED, description = "Not modified: the page still has the `ETag` of `If-None-Match`."),
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    uri: Uri,
    is_admin: IsAdmin,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    cached::list(&app, &uri, is_admin, &if_none_match, cached::render).await
}

/// Returns a product.
///
/// Anyone may call it.
#[utoipa::path(
    get, path = "/api/products/{id}", tag = "Products",
    params(
        ("id" = i32, Path, description = "Id of the product."),
        ("if-none-match" = Option<String>, Header,
            description = "`ETag` of a version of the product that the client already has."),
    ),
    responses(
        (status = OK, description = "The product.", body = Product,
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
    cached::show(&app, id, is_admin, &if_none_match).await
}

/// Creates a product.
///
/// Requires an admin's access token.
#[utoipa::path(
    post, path = "/api/products", tag = "Products", request_body = ProductInput, security(("bearer" = ["catalog:write"])),
    responses(
        (status = CREATED, description = "Product created.", body = Product, headers(
            ("location" = String, description = "Path of the new product."),
            ("etag" = String, description = "Identifies the version of the product."),
        )),
        (status = FORBIDDEN),
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    _: AdminOrKey,
    Json(input): Json<ProductInput>,
) -> Result<(EntityTag, Created<Product>), Problem> {
    let (tag, product) =
        create_product(&app, input.into_create(app.currency())?).await.map_err(rename_category)?;
    Ok((tag, Created::at(format!("/api/products/{}", product.id), product)))
}

/// Replaces a product.
///
/// Requires an admin's access token. Every field is replaced: an absent optional field gets its default.
#[utoipa::path(
    put, path = "/api/products/{id}", tag = "Products", request_body = ProductInput, security(("bearer" = ["catalog:write"])),
    params(
        ("id" = i32, Path, description = "Id of the product."),
        ("if-match" = Option<String>, Header, description = "`ETag` of the version to replace."),
    ),
    responses(
        (status = OK, description = "The product after the change.", body = Product,
            headers(("etag" = String, description = "Identifies the new version of the product."))),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The product does not exist or was deleted (`product_not_found`)."),
        (status = CONFLICT, description = "The product has several variants, and the request changes their price or stock \
            (`has_variants`): use `PUT /api/products/{id}/variants`."),
        (status = PRECONDITION_FAILED,
            description = "The product has another version than `If-Match` names (`version_mismatch`)."),
    )
)]
pub(crate) async fn replace(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<i32>,
    if_match: IfMatch,
    Json(input): Json<ProductInput>,
) -> Result<(EntityTag, Json<Product>), Problem> {
    let request = input.into_replace(id, app.currency())?;
    let (tag, product) = update_product(&app, &if_match, request).await.map_err(rename_category)?;
    Ok((tag, Json(product)))
}

/// Changes fields of a product.
///
/// Requires an admin's access token. Absent fields stay unchanged; `tagIds` replaces all tags.
#[utoipa::path(
    patch, path = "/api/products/{id}", tag = "Products", security(("bearer" = ["catalog:write"])),
    request_body(content = ProductPatch, example = json!({"price": 9.99, "stock": 60, "categoryId": null})),
    params(
        ("id" = i32, Path, description = "Id of the product."),
        ("if-match" = Option<String>, Header, description = "`ETag` of the version to change."),
    ),
    responses(
        (status = OK, description = "The product after the change.", body = Product,
            headers(("etag" = String, description = "Identifies the new version of the product."))),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The product does not exist or was deleted (`product_not_found`)."),
        (status = CONFLICT, description = "The product has several variants, and the request changes their price or stock \
            (`has_variants`): use `PUT /api/products/{id}/variants`."),
        (status = PRECONDITION_FAILED,
            description = "The product has another version than `If-Match` names (`version_mismatch`)."),
    )
)]
pub(crate) async fn change(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<i32>,
    if_match: IfMatch,
    Json(patch): Json<ProductPatch>,
) -> Result<(EntityTag, Json<Product>), Problem> {
    let request = patch.into_update(id, app.currency())?;
    let (tag, product) = update_product(&app, &if_match, request).await.map_err(rename_category)?;
    Ok((tag, Json(product)))
}

/// Deletes a product.
///
/// Requires an admin's access token. The product can no longer be found or ordered; existing orders keep its name and
/// price.
#[utoipa::path(
    delete, path = "/api/products/{id}", tag = "Products", security(("bearer" = ["catalog:write"])),
    params(
        ("id" = i32, Path, description = "Id of the product."),
        ("if-match" = Option<String>, Header, description = "`ETag` of the version to delete."),
    ),
    responses(
        (status = NO_CONTENT, description = "Product deleted. No content."),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The product does not exist or was deleted (`product_not_found`)."),
        (status = PRECONDITION_FAILED,
            description = "The product has another version than `If-Match` names (`version_mismatch`)."),
    )
)]
pub(crate) async fn delete(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<i32>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    let expected_version = expected_version(&app, id, &if_match).await?;
    app.catalog().delete_product(DeleteProductRequest { id, expected_version }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Catalog accepts a category by id or name, a request has its id only.
fn rename_category(problem: Problem) -> Problem {
    problem.renaming("category", "categoryId")
}

pub(crate) async fn create_product(
    app: &App,
    request: pb::CreateProductRequest,
) -> Result<(EntityTag, Product), Problem> {
    with_entity_tag(app.catalog().create_product(request).await?.into_inner().product)
}

pub(crate) async fn update_product(
    app: &App,
    if_match: &IfMatch,
    request: UpdateProductRequest,
) -> Result<(EntityTag, Product), Problem> {
    let expected_version = expected_version(app, request.id, if_match).await?;
    let request = UpdateProductRequest { expected_version, ..request };
    with_entity_tag(app.catalog().update_product(request).await?.into_inner().product)
}

pub(crate) fn with_entity_tag(product: Option<pb::Product>) -> Result<(EntityTag, Product), Problem> {
    let product = present(product)?;
    Ok((EntityTag::of_version(product.version), product.into()))
}

/// The version that a write of a product requires; `None` when it accepts any.
async fn expected_version(app: &App, id: i32, if_match: &IfMatch) -> Result<Option<i64>, Problem> {
    let current = async {
        let response = app.catalog().get_product(GetProductRequest { id }).await?.into_inner();
        Ok(present(response.product)?.version)
    };
    required_version(if_match, current).await
}

/// The version that a write requires; `None` when it accepts any. `current` reads the version.
async fn required_version(
    if_match: &IfMatch,
    current: impl Future<Output = Result<i64, Problem>>,
) -> Result<Option<i64>, Problem> {
    let Some(versions) = if_match.versions() else { return Ok(None) };
    if let [version] = versions[..] {
        return Ok(Some(version));
    }
    // Catalog compares with one version only: of several, only the current one can match.
    let version = current.await?;
    if versions.contains(&version) {
        Ok(Some(version))
    } else {
        let detail = "the product has another version than If-Match names";
        Err(Problem::new(StatusCode::PRECONDITION_FAILED, "version_mismatch", detail))
    }
}
