//! The management of users by admins.

use bodega_proto::identity::v1 as pb;
use bodega_runtime::{
    auth::{Caller, Scope},
    page,
    status::{Violations, parse_uuid},
};
use tonic::{Request, Response};
use uuid::Uuid;

use super::{IdentityApi, RpcResult};
use crate::{
    admin,
    error::Error,
    grpc::{
        convert::{all_with_addresses, requested_role, with_addresses},
        to_strings,
    },
    sessions,
    users::{self, db::Filter, normalize},
};

const DEFAULT_LIMIT: i32 = 20;
const MAX_QUERY_CHARS: usize = 254;

pub(super) async fn list_users(
    api: &IdentityApi,
    request: Request<pb::ListUsersRequest>,
) -> RpcResult<pb::ListUsersResponse> {
    let caller = Caller::admin_or_key(&request, Scope::UsersRead)?;
    let request = request.into_inner();
    let limit = page::limit(request.limit, DEFAULT_LIMIT)?;
    let before = page::decode::<Uuid>(&request.cursor)?;
    let role = requested_role(request.role)?;
    let mut violations = Violations::new();
    violations.require_text(&request.q, 0, MAX_QUERY_CHARS, "q");
    violations.finish()?;

    sessions::current_admin_or_key(&api.db, &caller).await?;
    let text = normalize(request.q.trim());
    let filter = Filter { text: &text, role, before };
    let mut users = users::db::list(&api.db, &filter, limit + 1).await.map_err(Error::from)?;
    let next_cursor = page::truncate(&mut users, limit, |user| user.id);
    let users = all_with_addresses(&api.db, users).await?;
    Ok(Response::new(pb::ListUsersResponse { users, next_cursor }))
}

pub(super) async fn get_user(
    api: &IdentityApi,
    request: Request<pb::GetUserRequest>,
) -> RpcResult<pb::GetUserResponse> {
    let caller = Caller::admin_or_key(&request, Scope::UsersRead)?;
    let id = parse_uuid("id", &request.into_inner().id)?;
    sessions::current_admin_or_key(&api.db, &caller).await?;
    let user = users::db::find(&api.db, id).await.map_err(Error::from)?.ok_or(Error::UserNotFound)?;
    let user = Some(with_addresses(&api.db, user).await?);
    Ok(Response::new(pb::GetUserResponse { user }))
}

pub(super) async fn update_user(
    api: &IdentityApi,
    request: Request<pb::UpdateUserRequest>,
) -> RpcResult<pb::UpdateUserResponse> {
    let caller = Caller::admin_of(&request)?;
    let request = request.into_inner();
    let id = parse_uuid("id", &request.id)?;
    let role = requested_role(request.role)?;
    caller.check_recent_second_factor()?;
    sessions::current_admin(&api.db, &caller).await?;
    let (user, ended) = admin::update_user(&api.db, &caller, id, role, request.disabled).await?;
    api.revocations.publish(&ended);
    let user = Some(with_addresses(&api.db, user).await?);
    Ok(Response::new(pb::UpdateUserResponse { user, ended_session_ids: to_strings(ended) }))
}

pub(super) async fn delete_user(
    api: &IdentityApi,
    request: Request<pb::DeleteUserRequest>,
) -> RpcResult<pb::DeleteUserResponse> {
    let caller = Caller::admin_of(&request)?;
    let id = parse_uuid("id", &request.into_inner().id)?;
    caller.check_recent_second_factor()?;
    sessions::current_admin(&api.db, &caller).await?;
    let ended = admin::delete_user(&api.db, &caller, id).await?;
    api.revocations.publish(&ended);
    Ok(Response::new(pb::DeleteUserResponse { ended_session_ids: to_strings(ended) }))
}
