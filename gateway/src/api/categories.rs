//! Categories: the shelves of the shop.

use axum::extract::State;
use bodega_proto::catalog::v1::{
    CreateCategoryRequest, DeleteCategoryRequest, GetCategoryRequest, ListCategoriesRequest,
    ListProductsRequest, UpdateCategoryRequest,
};
use http::StatusCode;

use crate::{
    answer::{Created, present},
    api::groups::{GroupQuery, GroupsQuery, WithProducts, with_products},
    app::App,
    extract::{Admin, Json, Path, Query},
    json::{Category, NameInput, Page, Reference},
    problem::Problem,
};

/// Lists categories, by id, with their numbers of products.
#[utoipa::path(
    get, path = "/api/categories", tag = "Categories", params(GroupsQuery),
    responses((status = OK, body = Page<Category>))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<GroupsQuery>,
) -> Result<Json<Page<Category>>, Problem> {
    let request = ListCategoriesRequest { limit: query.limit.get(), cursor: query.cursor };
    let answer = app.catalog().list_categories(request).await?.into_inner();
    let items = answer.categories.into_iter().map(Category::from).collect();
    Ok(Json(Page { items, next_cursor: answer.next_cursor }))
}

/// Shows a category; with `include=products`, its products too.
#[utoipa::path(
    get, path = "/api/categories/{id}", tag = "Categories", params(("id" = i32, Path), GroupQuery),
    responses((status = OK, body = WithProducts<Category>), (status = NOT_FOUND, body = Problem))
)]
pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<i32>,
    Query(query): Query<GroupQuery>,
) -> Result<Json<WithProducts<Category>>, Problem> {
    let category = async {
        let answer = app.catalog().get_category(GetCategoryRequest { id }).await?.into_inner();
        present(answer.category).map(Category::from)
    };
    let filter = ListProductsRequest { categories: vec![Reference::Id(id).into()], ..Default::default() };
    with_products(&app, &query, category, filter).await
}

/// Makes a category.
#[utoipa::path(
    post, path = "/api/categories", tag = "Categories", request_body = NameInput, security(("bearer" = [])),
    responses(
        (status = CREATED, body = Category, headers(("location" = String))),
        (status = FORBIDDEN, body = Problem), (status = CONFLICT, body = Problem),
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    _: Admin,
    Json(input): Json<NameInput>,
) -> Result<Created<Category>, Problem> {
    let answer = app.catalog().create_category(CreateCategoryRequest { name: input.name }).await?;
    let category = present(answer.into_inner().category)?;
    Ok(Created::at(format!("/api/categories/{}", category.id), category.into()))
}

/// Renames a category.
#[utoipa::path(
    method(put, patch), path = "/api/categories/{id}", tag = "Categories", params(("id" = i32, Path)),
    request_body = NameInput, security(("bearer" = [])),
    responses(
        (status = OK, body = Category),
        (status = FORBIDDEN, body = Problem), (status = NOT_FOUND, body = Problem), (status = CONFLICT, body = Problem),
    )
)]
pub(crate) async fn rename(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<i32>,
    Json(input): Json<NameInput>,
) -> Result<Json<Category>, Problem> {
    let answer = app.catalog().update_category(UpdateCategoryRequest { id, name: input.name }).await?;
    Ok(Json(present(answer.into_inner().category)?.into()))
}

/// Deletes a category; its products stay, without one.
#[utoipa::path(
    delete, path = "/api/categories/{id}", tag = "Categories", params(("id" = i32, Path)), security(("bearer" = [])),
    responses((status = NO_CONTENT), (status = FORBIDDEN, body = Problem), (status = NOT_FOUND, body = Problem))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<i32>,
) -> Result<StatusCode, Problem> {
    app.catalog().delete_category(DeleteCategoryRequest { id }).await?;
    Ok(StatusCode::NO_CONTENT)
}
