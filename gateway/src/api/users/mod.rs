//! Every account, for those who run the shop.

pub(crate) mod types;

use axum::extract::State;
use bodega_proto::identity::v1::{
    self as pb, DeleteUserRequest, GetUserRequest, ListUsersRequest, UpdateUserRequest,
};
use http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    answer::present,
    app::App,
    extract::{Admin, Json, Limit, Path, Query},
    json::{Account, Page, Role, given},
    problem::Problem,
};

/// Which accounts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Part of a name, username or email, in any case.
    #[serde(default)]
    q: String,
    /// With this role only.
    #[param(inline)]
    role: Option<Role>,
    /// Rows of a page.
    #[serde(default)]
    #[param(value_type = Option<i32>, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    /// `nextCursor` of the page before.
    #[serde(default)]
    cursor: String,
}

/// Changes of an account; what is not named stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"role": "admin"}))]
pub(crate) struct AccountPatch {
    /// What it may do.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    role: Option<Role>,
    /// A disabled account cannot sign in, and is signed out.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    disabled: Option<bool>,
}

/// Lists and searches accounts, newest first.
#[utoipa::path(
    get, path = "/api/users", tag = "Users", params(ListQuery), security(("bearer" = [])),
    responses((status = OK, body = Page<Account>), (status = FORBIDDEN, body = Problem))
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<Account>>, Problem> {
    let request = ListUsersRequest {
        q: query.q,
        role: query.role.map_or(pb::Role::Unspecified, pb::Role::from).into(),
        limit: query.limit.get(),
        cursor: query.cursor,
    };
    let answer = app.identity().list_users(request).await?.into_inner();
    let items = answer.users.into_iter().map(Account::from).collect();
    Ok(Json(Page { items, next_cursor: answer.next_cursor }))
}

/// Shows an account.
#[utoipa::path(
    get, path = "/api/users/{id}", tag = "Users", params(("id" = Uuid, Path)), security(("bearer" = [])),
    responses(
        (status = OK, body = Account),
        (status = FORBIDDEN, body = Problem), (status = NOT_FOUND, body = Problem),
    )
)]
pub(crate) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<Uuid>,
) -> Result<Json<Account>, Problem> {
    let answer = app.identity().get_user(GetUserRequest { id: id.to_string() }).await?.into_inner();
    Ok(Json(present(answer.user)?.into()))
}

/// Changes the role of an account, or disables it.
#[utoipa::path(
    patch, path = "/api/users/{id}", tag = "Users", params(("id" = Uuid, Path)), request_body = AccountPatch,
    security(("bearer" = [])),
    responses(
        (status = OK, body = Account), (status = FORBIDDEN, body = Problem),
        (status = NOT_FOUND, body = Problem), (status = CONFLICT, body = Problem),
    )
)]
pub(crate) async fn change(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<Uuid>,
    Json(patch): Json<AccountPatch>,
) -> Result<Json<Account>, Problem> {
    let request = UpdateUserRequest {
        id: id.to_string(),
        role: patch.role.map_or(pb::Role::Unspecified, pb::Role::from).into(),
        disabled: patch.disabled,
    };
    let answer = app.identity().update_user(request).await?.into_inner();
    app.revocations().extend(&answer.ended_session_ids);
    Ok(Json(present(answer.user)?.into()))
}

/// Deletes an account: its personal data is erased, its orders stay.
#[utoipa::path(
    delete, path = "/api/users/{id}", tag = "Users", params(("id" = Uuid, Path)), security(("bearer" = [])),
    responses(
        (status = NO_CONTENT), (status = FORBIDDEN, body = Problem),
        (status = NOT_FOUND, body = Problem), (status = CONFLICT, body = Problem),
    )
)]
pub(crate) async fn delete(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let answer = app.identity().delete_user(DeleteUserRequest { id: id.to_string() }).await?.into_inner();
    app.revocations().extend(&answer.ended_session_ids);
    Ok(StatusCode::NO_CONTENT)
}
