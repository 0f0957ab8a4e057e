//! Products: what the shop sells.

pub(crate) mod input;
pub(crate) mod query;
pub(crate) mod types;

use axum::{extract::State, response::Response};
use bodega_proto::catalog::v1::{self as pb, DeleteProductRequest, GetProductRequest, UpdateProductRequest};
use http::StatusCode;

use crate::{
    answer::{Created, present},
    app::App,
    etag::EntityTag,
    extract::{Admin, IfMatch, IfNoneMatch, Json, Path, Query},
    json::{Page, Product, ProductInput, ProductPatch, ProductQuery},
    problem::Problem,
};

/// Lists products.
#[utoipa::path(
    get, path = "/api/products", tag = "Products",
    params(
        ProductQuery,
        ("if-none-match" = Option<String>, Header, description = "`ETag` of the list that is known already."),
    ),
    responses(
        (status = OK, body = Page<Product>, headers(("etag" = String, description = "Of this page."))),
        (status = NOT_MODIFIED),
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<ProductQuery>,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let page = find_all(&app, query).await?;
    let items = page.products.into_iter().map(Product::from).collect();
    if_none_match.answer_list(&Page { items, next_cursor: page.next_cursor }, None)
}

/// Shows a product.
#[utoipa::path(
    get, path = "/api/products/{id}", tag = "Products",
    params(
        ("id" = i32, Path),
        ("if-none-match" = Option<String>, Header, description = "`ETag` of the state that is known already."),
    ),
    responses(
        (status = OK, body = Product, headers(("etag" = String, description = "Of this state."))),
        (status = NOT_MODIFIED), (status = NOT_FOUND, body = Problem),
    )
)]
pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<i32>,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let (tag, product) = find(&app, id).await?;
    Ok(if_none_match.answer(tag, Json(Product::from(product))))
}

/// Makes a product.
#[utoipa::path(
    post, path = "/api/products", tag = "Products", request_body = ProductInput, security(("bearer" = [])),
    responses(
        (status = CREATED, body = Product, headers(("location" = String), ("etag" = String))),
        (status = FORBIDDEN, body = Problem),
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    _: Admin,
    Json(input): Json<ProductInput>,
) -> Result<(EntityTag, Created<Product>), Problem> {
    let (tag, product) = make(&app, input.create(app.currency())?).await.map_err(in_our_words)?;
    Ok((tag, Created::at(format!("/api/products/{}", product.id), product.into())))
}

/// Replaces all that a product is; what is not named is none from now on.
#[utoipa::path(
    put, path = "/api/products/{id}", tag = "Products", request_body = ProductInput, security(("bearer" = [])),
    params(
        ("id" = i32, Path),
        ("if-match" = Option<String>, Header, description = "`ETag` of the state to replace: another is a 412."),
    ),
    responses(
        (status = OK, body = Product, headers(("etag" = String))),
        (status = FORBIDDEN, body = Problem), (status = NOT_FOUND, body = Problem),
        (status = PRECONDITION_FAILED, body = Problem),
    )
)]
pub(crate) async fn replace(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<i32>,
    if_match: IfMatch,
    Json(input): Json<ProductInput>,
) -> Result<(EntityTag, Json<Product>), Problem> {
    let (tag, product) =
        apply(&app, &if_match, input.replace(id, app.currency())?).await.map_err(in_our_words)?;
    Ok((tag, Json(product.into())))
}

/// Changes of a product what is named.
#[utoipa::path(
    patch, path = "/api/products/{id}", tag = "Products", request_body = ProductPatch, security(("bearer" = [])),
    params(
        ("id" = i32, Path),
        ("if-match" = Option<String>, Header, description = "`ETag` of the state to change: another is a 412."),
    ),
    responses(
        (status = OK, body = Product, headers(("etag" = String))),
        (status = FORBIDDEN, body = Problem), (status = NOT_FOUND, body = Problem),
        (status = PRECONDITION_FAILED, body = Problem),
    )
)]
pub(crate) async fn change(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<i32>,
    if_match: IfMatch,
    Json(patch): Json<ProductPatch>,
) -> Result<(EntityTag, Json<Product>), Problem> {
    let (tag, product) =
        apply(&app, &if_match, patch.update(id, app.currency())?).await.map_err(in_our_words)?;
    Ok((tag, Json(product.into())))
}

/// Takes a product out of the shop; orders that know it keep it.
#[utoipa::path(
    delete, path = "/api/products/{id}", tag = "Products", security(("bearer" = [])),
    params(
        ("id" = i32, Path),
        ("if-match" = Option<String>, Header, description = "`ETag` of the state to delete: another is a 412."),
    ),
    responses(
        (status = NO_CONTENT), (status = FORBIDDEN, body = Problem), (status = NOT_FOUND, body = Problem),
        (status = PRECONDITION_FAILED, body = Problem),
    )
)]
pub(crate) async fn delete(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<i32>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    let expected_version = expected_version(&app, id, &if_match).await?;
    app.catalog().delete_product(DeleteProductRequest { id, expected_version }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A category comes in by its id here.
fn in_our_words(problem: Problem) -> Problem {
    problem.renaming("category", "categoryId")
}

/// A page of products.
pub(crate) async fn find_all(app: &App, query: ProductQuery) -> Result<pb::ListProductsResponse, Problem> {
    let request = query.into_request(app.currency())?;
    let answer = app.catalog().list_products(request).await.map_err(Problem::from);
    // A query names each by itself.
    Ok(answer
        .map_err(|problem| problem.renaming("categories", "category").renaming("tags", "tag").of_query())?
        .into_inner())
}

/// A product, and the tag of its state.
pub(crate) async fn find(app: &App, id: i32) -> Result<(EntityTag, pb::Product), Problem> {
    let answer = app.catalog().get_product(GetProductRequest { id }).await?.into_inner();
    tagged(answer.product)
}

/// Makes a product.
pub(crate) async fn make(
    app: &App,
    request: pb::CreateProductRequest,
) -> Result<(EntityTag, pb::Product), Problem> {
    tagged(app.catalog().create_product(request).await?.into_inner().product)
}

/// Changes a product, where it still is as the client has seen it.
pub(crate) async fn apply(
    app: &App,
    if_match: &IfMatch,
    request: UpdateProductRequest,
) -> Result<(EntityTag, pb::Product), Problem> {
    let expected_version = expected_version(app, request.id, if_match).await?;
    let request = UpdateProductRequest { expected_version, ..request };
    tagged(app.catalog().update_product(request).await?.into_inner().product)
}

/// A product, and the tag of its state.
pub(super) fn tagged(product: Option<pb::Product>) -> Result<(EntityTag, pb::Product), Problem> {
    let product = present(product)?;
    Ok((EntityTag::of_version(product.version), product))
}

/// The one version that a write may change; `None` when any will do.
async fn expected_version(app: &App, id: i32, if_match: &IfMatch) -> Result<Option<i64>, Problem> {
    let Some(versions) = if_match.versions() else { return Ok(None) };
    if let [version] = versions[..] {
        return Ok(Some(version));
    }
    // Catalog compares with one. Of several, only that which the product has by now can be the one.
    let (_, product) = find(app, id).await?;
    if versions.contains(&product.version) {
        Ok(Some(product.version))
    } else {
        Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "version_mismatch",
            "the product has changed since",
        ))
    }
}
