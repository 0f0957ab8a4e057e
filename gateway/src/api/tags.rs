//! Tags: the words on its products.

use axum::extract::State;
use bodega_proto::catalog::v1::{
    CreateTagRequest, DeleteTagRequest, GetTagRequest, ListProductsRequest, ListTagsRequest, UpdateTagRequest,
};
use http::StatusCode;

use crate::{
    answer::{Created, present},
    api::groups::{GroupQuery, GroupsQuery, WithProducts, with_products},
    app::App,
    extract::{Admin, Json, Path, Query},
    json::{NameInput, Page, Reference, Tag},
    problem::Problem,
};

/// Lists tags, by id, with their numbers of products.
#[utoipa::path(
    get, path = "/api/tags", tag = "Tags", params(GroupsQuery),
    responses((status = OK, body = Page<Tag>))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<GroupsQuery>,
) -> Result<Json<Page<Tag>>, Problem> {
    let request = ListTagsRequest { limit: query.limit.get(), cursor: query.cursor };
    let answer = app.catalog().list_tags(request).await?.into_inner();
    let items = answer.tags.into_iter().map(Tag::from).collect();
    Ok(Json(Page { items, next_cursor: answer.next_cursor }))
}

/// Shows a tag; with `include=products`, its products too.
#[utoipa::path(
    get, path = "/api/tags/{id}", tag = "Tags", params(("id" = i32, Path), GroupQuery),
    responses((status = OK, body = WithProducts<Tag>), (status = NOT_FOUND, body = Problem))
)]
pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<i32>,
    Query(query): Query<GroupQuery>,
) -> Result<Json<WithProducts<Tag>>, Problem> {
    let tag = async {
        let answer = app.catalog().get_tag(GetTagRequest { id }).await?.into_inner();
        present(answer.tag).map(Tag::from)
    };
    let filter = ListProductsRequest { tags: vec![Reference::Id(id).into()], ..Default::default() };
    with_products(&app, &query, tag, filter).await
}

/// Makes a tag.
#[utoipa::path(
    post, path = "/api/tags", tag = "Tags", request_body = NameInput, security(("bearer" = [])),
    responses(
        (status = CREATED, body = Tag, headers(("location" = String))),
        (status = FORBIDDEN, body = Problem), (status = CONFLICT, body = Problem),
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    _: Admin,
    Json(input): Json<NameInput>,
) -> Result<Created<Tag>, Problem> {
    let answer = app.catalog().create_tag(CreateTagRequest { name: input.name }).await?;
    let tag = present(answer.into_inner().tag)?;
    Ok(Created::at(format!("/api/tags/{}", tag.id), tag.into()))
}

/// Renames a tag.
#[utoipa::path(
    method(put, patch), path = "/api/tags/{id}", tag = "Tags", params(("id" = i32, Path)),
    request_body = NameInput, security(("bearer" = [])),
    responses(
        (status = OK, body = Tag),
        (status = FORBIDDEN, body = Problem), (status = NOT_FOUND, body = Problem), (status = CONFLICT, body = Problem),
    )
)]
pub(crate) async fn rename(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<i32>,
    Json(input): Json<NameInput>,
) -> Result<Json<Tag>, Problem> {
    let answer = app.catalog().update_tag(UpdateTagRequest { id, name: input.name }).await?;
    Ok(Json(present(answer.into_inner().tag)?.into()))
}

/// Deletes a tag; its products stay, without it.
#[utoipa::path(
    delete, path = "/api/tags/{id}", tag = "Tags", params(("id" = i32, Path)), security(("bearer" = [])),
    responses((status = NO_CONTENT), (status = FORBIDDEN, body = Problem), (status = NOT_FOUND, body = Problem))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<i32>,
) -> Result<StatusCode, Problem> {
    app.catalog().delete_tag(DeleteTagRequest { id }).await?;
    Ok(StatusCode::NO_CONTENT)
}
