//! `/api/users`, for admins.

pub(crate) mod types;

use axum::extract::State;
use bodega_proto::identity::v1::{
    self as pb, DeleteUserRequest, GetUserRequest, ListUsersRequest, SendPasswordResetRequest,
    UpdateUserRequest,
};
use http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use self::types::{Role, UserDetails};
use crate::{
    app::App,
    extract::{Admin, AdminOrKey, Json, Limit, Path, Query},
    json::{Page, provided},
    problem::Problem,
    response::present,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Part of a name, username or email, case-insensitive.
    #[serde(default)]
    q: String,
    /// Only users with this role.
    #[param(inline)]
    role: Option<Role>,
    /// Maximum number of items in the page.
    #[serde(default)]
    #[param(value_type = Option<i32>, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    /// `nextCursor` of the previous page, with the same filters.
    #[serde(default)]
    cursor: String,
}

/// Changes of a user. Absent fields stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"role": "admin"}))]
pub(crate) struct UserPatch {
    /// Role of the user.
    #[serde(default, deserialize_with = "provided")]
    #[schema(nullable = false)]
    role: Option<Role>,
    /// Whether the user is disabled. A disabled user cannot log in, and all sessions of the user end.
    #[serde(default, deserialize_with = "provided")]
    #[schema(nullable = false)]
    disabled: Option<bool>,
}

/// Lists and searches users.
///
/// Requires an admin's access token. Newest users first.
#[utoipa::path(
    get, path = "/api/users", tag = "Users", params(ListQuery), security(("bearer" = ["users:read"])),
    responses(
        (status = OK, description = "A page of users.", body = Page<UserDetails>),
        (status = FORBIDDEN),
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: AdminOrKey,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<UserDetails>>, Problem> {
    let request = ListUsersRequest {
        q: query.q,
        role: query.role.map_or(pb::Role::Unspecified, pb::Role::from).into(),
        limit: query.limit.get(),
        cursor: query.cursor,
    };
    let page = app.identity().list_users(request).await?.into_inner();
    let items = page.users.into_iter().map(UserDetails::from).collect();
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
}

/// Returns a user.
///
/// Requires an admin's access token.
#[utoipa::path(
    get, path = "/api/users/{id}", tag = "Users",
    params(("id" = Uuid, Path, description = "Id of the user.")), security(("bearer" = ["users:read"])),
    responses(
        (status = OK, description = "The user.", body = UserDetails),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The user does not exist (`user_not_found`)."),
    )
)]
pub(crate) async fn show(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<Uuid>,
) -> Result<Json<UserDetails>, Problem> {
    let response = app.identity().get_user(GetUserRequest { id: id.to_string() }).await?.into_inner();
    Ok(Json(present(response.user)?.into()))
}

/// Changes the role of a user, or disables or enables the user.
///
/// Requires an admin's access token. Absent fields stay unchanged.
#[utoipa::path(
    patch, path = "/api/users/{id}", tag = "Users", request_body = UserPatch,
    params(("id" = Uuid, Path, description = "Id of the user.")), security(("bearer" = [])),
    responses(
        (status = OK, description = "The user after the change.", body = UserDetails),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The user does not exist (`user_not_found`)."),
        (status = CONFLICT, description = "The user is the last enabled admin (`last_admin`)."),
    )
)]
pub(crate) async fn change(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<Uuid>,
    Json(patch): Json<UserPatch>,
) -> Result<Json<UserDetails>, Problem> {
    let request = UpdateUserRequest {
        id: id.to_string(),
        role: patch.role.map_or(pb::Role::Unspecified, pb::Role::from).into(),
        disabled: patch.disabled,
    };
    let response = app.identity().update_user(request).await?.into_inner();
    app.revocations().extend(&response.ended_session_ids);
    Ok(Json(present(response.user)?.into()))
}

/// Mails a user a link that sets a new password.
///
/// Requires an admin's access token. The admin does not see the link.
#[utoipa::path(
    post, path = "/api/users/{id}/password-reset", tag = "Users",
    params(("id" = Uuid, Path, description = "Id of the user.")), security(("bearer" = [])),
    responses(
        (status = ACCEPTED, description = "The mail is sent. No content."),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The user does not exist (`user_not_found`)."),
        (status = SERVICE_UNAVAILABLE, description = "No mail can be sent (`mail_not_configured`)."),
    )
)]
pub(crate) async fn send_password_reset(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    app.recovery().send_password_reset(SendPasswordResetRequest { user_id: id.to_string() }).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Deletes a user.
///
/// Requires an admin's access token. The personal data of the user is erased and all sessions end; orders of the user
/// remain.
#[utoipa::path(
    delete, path = "/api/users/{id}", tag = "Users",
    params(("id" = Uuid, Path, description = "Id of the user.")), security(("bearer" = [])),
    responses(
        (status = NO_CONTENT, description = "User deleted. No content."),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The user does not exist (`user_not_found`)."),
        (status = CONFLICT, description = "The user is the last enabled admin (`last_admin`)."),
    )
)]
pub(crate) async fn delete(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let response = app.identity().delete_user(DeleteUserRequest { id: id.to_string() }).await?.into_inner();
    app.revocations().extend(&response.ended_session_ids);
    Ok(StatusCode::NO_CONTENT)
}
