//! Products.

use axum::{extract::State, response::Response};
use http::{StatusCode, Uri};

use super::types::{ClassicProduct, ClassicProductInput, ClassicProductPatch};
use crate::{
    answer::Created,
    api::products,
    app::App,
    etag::EntityTag,
    extract::{Admin, IfMatch, IfNoneMatch, Json, Path, Query},
    json::ProductQuery,
    link,
    problem::Problem,
};

/// Lists products.
#[utoipa::path(
    get, path = "/products", tag = "Classic",
    params(
        ProductQuery,
        ("if-none-match" = Option<String>, Header, description = "`ETag` of the list that is known already."),
    ),
    responses(
        (status = OK, body = Vec<ClassicProduct>, headers(
            ("link" = String, description = "The next page, as `rel=\"next\"`; absent on the last."),
            ("etag" = String, description = "Of this page."),
        )),
        (status = NOT_MODIFIED),
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    uri: Uri,
    Query(query): Query<ProductQuery>,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let page = products::find_all(&app, query).await?;
    let items: Vec<_> = page.products.into_iter().map(ClassicProduct::from).collect();
    if_none_match.answer_list(&items, link::next(&uri, &page.next_cursor))
}

/// Makes a product.
#[utoipa::path(
    post, path = "/products", tag = "Classic", request_body = ClassicProductInput, security(("bearer" = [])),
    responses(
        (status = CREATED, body = ClassicProduct, headers(("location" = String), ("etag" = String))),
        (status = FORBIDDEN, body = Problem),
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    _: Admin,
    Json(input): Json<ClassicProductInput>,
) -> Result<(EntityTag, Created<ClassicProduct>), Problem> {
    let (tag, product) = products::make(&app, input.create(app.currency())?).await.map_err(in_our_words)?;
    Ok((tag, Created::at(format!("/products/{}", product.id), product.into())))
}

/// Shows a product.
#[utoipa::path(
    get, path = "/products/{id}", tag = "Classic",
    params(
        ("id" = i32, Path),
        ("if-none-match" = Option<String>, Header, description = "`ETag` of the state that is known already."),
    ),
    responses(
        (status = OK, body = ClassicProduct, headers(("etag" = String, description = "Of this state."))),
        (status = NOT_MODIFIED), (status = NOT_FOUND, body = Problem),
    )
)]
pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<i32>,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let (tag, product) = products::find(&app, id).await?;
    Ok(if_none_match.answer(tag, Json(ClassicProduct::from(product))))
}

/// Changes of a product what is named.
#[utoipa::path(
    put, path = "/products/{id}", tag = "Classic", request_body = ClassicProductPatch, security(("bearer" = [])),
    params(
        ("id" = i32, Path),
        ("if-match" = Option<String>, Header, description = "`ETag` of the state to change: another is a 412."),
    ),
    responses(
        (status = OK, body = ClassicProduct, headers(("etag" = String))),
        (status = FORBIDDEN, body = Problem), (status = NOT_FOUND, body = Problem),
        (status = PRECONDITION_FAILED, body = Problem),
    )
)]
pub(crate) async fn change(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<i32>,
    if_match: IfMatch,
    Json(patch): Json<ClassicProductPatch>,
) -> Result<(EntityTag, Json<ClassicProduct>), Problem> {
    let (tag, product) =
        products::apply(&app, &if_match, patch.update(id, app.currency())?).await.map_err(in_our_words)?;
    Ok((tag, Json(product.into())))
}

/// Takes a product out of the shop; orders that know it keep it.
#[utoipa::path(
    delete, path = "/products/{id}", tag = "Classic", security(("bearer" = [])),
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
    app: State<App>,
    admin: Admin,
    id: Path<i32>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    products::delete(app, admin, id, if_match).await
}

fn in_our_words(problem: Problem) -> Problem {
    problem.renaming("stock", "quantity")
}
