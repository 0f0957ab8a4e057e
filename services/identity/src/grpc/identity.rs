//! The service for people.

use std::sync::Arc;

use bodega_proto::identity::v1::{self as pb, identity_service_server::IdentityService};
use bodega_runtime::{
    auth::Caller,
    page,
    status::{Violations, parse_uuid},
    timestamp,
};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::strings;
use crate::{
    account::Role,
    app::App,
    avatar,
    error::Error,
    login, manage,
    normal::fold,
    profile, refresh, register,
    store::{self, users::Filter},
};

const DEFAULT_LIMIT: i32 = 20;
const MAX_SEARCH: usize = 254;

/// [`IdentityService`] over the [`App`].
pub(crate) struct IdentityGrpc {
    pub(crate) app: Arc<App>,
}

#[tonic::async_trait]
impl IdentityService for IdentityGrpc {
    async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> Result<Response<pb::RegisterResponse>, Status> {
        let signed_in = register::register(&self.app, request.into_inner()).await?;
        let session = Some(self.app.session(signed_in).await?);
        Ok(Response::new(pb::RegisterResponse { session }))
    }

    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::LoginResponse>, Status> {
        let signed_in = login::login(&self.app, request.into_inner()).await?;
        let session = Some(self.app.session(signed_in).await?);
        Ok(Response::new(pb::LoginResponse { session }))
    }

    async fn refresh(
        &self,
        request: Request<pb::RefreshRequest>,
    ) -> Result<Response<pb::RefreshResponse>, Status> {
        let signed_in = refresh::refresh(&self.app, &request.into_inner().refresh_token).await?;
        let session = Some(self.app.session(signed_in).await?);
        Ok(Response::new(pb::RefreshResponse { session }))
    }

    async fn logout(
        &self,
        request: Request<pb::LogoutRequest>,
    ) -> Result<Response<pb::LogoutResponse>, Status> {
        let caller = Caller::of(&request)?;
        let ended = store::sessions::end(&self.app.db, caller.user_id, caller.session_id)
            .await
            .map_err(Error::from)?
            .ok_or(Error::SessionEnded)?;
        Ok(Response::new(pb::LogoutResponse { ended_session_ids: vec![ended.to_string()] }))
    }

    async fn logout_all(
        &self,
        request: Request<pb::LogoutAllRequest>,
    ) -> Result<Response<pb::LogoutAllResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.app.signed_in(&caller).await?;
        let ended =
            store::sessions::end_all(&self.app.db, caller.user_id, None).await.map_err(Error::from)?;
        Ok(Response::new(pb::LogoutAllResponse { ended_session_ids: strings(ended) }))
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.app.signed_in(&caller).await?;
        let ttl = self.app.settings.refresh_ttl;
        let sessions = store::sessions::list(&self.app.db, caller.user_id, ttl).await.map_err(Error::from)?;
        let sessions = sessions
            .into_iter()
            .map(|session| pb::SessionInfo {
                id: session.id.to_string(),
                user_agent: session.user_agent,
                created_at: Some(timestamp::to_proto(session.created_at)),
                last_used_at: Some(timestamp::to_proto(session.last_used_at)),
                current: session.id == caller.session_id,
            })
            .collect();
        Ok(Response::new(pb::ListSessionsResponse { sessions }))
    }

    async fn end_session(
        &self,
        request: Request<pb::EndSessionRequest>,
    ) -> Result<Response<pb::EndSessionResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_uuid("session_id", &request.into_inner().session_id)?;
        self.app.signed_in(&caller).await?;
        let ended = store::sessions::end(&self.app.db, caller.user_id, id)
            .await
            .map_err(Error::from)?
            .ok_or(Error::SessionNotFound)?;
        Ok(Response::new(pb::EndSessionResponse { ended_session_ids: vec![ended.to_string()] }))
    }

    async fn get_profile(
        &self,
        request: Request<pb::GetProfileRequest>,
    ) -> Result<Response<pb::GetProfileResponse>, Status> {
        let caller = Caller::of(&request)?;
        let account = self.app.signed_in(&caller).await?;
        let user = Some(self.app.user(account).await?);
        Ok(Response::new(pb::GetProfileResponse { user }))
    }

    async fn update_profile(
        &self,
        request: Request<pb::UpdateProfileRequest>,
    ) -> Result<Response<pb::UpdateProfileResponse>, Status> {
        let caller = Caller::of(&request)?;
        let account = profile::update(&self.app, &caller, request.into_inner()).await?;
        let user = Some(self.app.user(account).await?);
        Ok(Response::new(pb::UpdateProfileResponse { user }))
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::ChangePasswordResponse>, Status> {
        let caller = Caller::of(&request)?;
        let ended = profile::change_password(&self.app, &caller, request.get_ref()).await?;
        Ok(Response::new(pb::ChangePasswordResponse { ended_session_ids: strings(ended) }))
    }

    async fn set_avatar(
        &self,
        request: Request<Streaming<pb::SetAvatarRequest>>,
    ) -> Result<Response<pb::SetAvatarResponse>, Status> {
        let caller = Caller::of(&request)?;
        let account = avatar::set(&self.app, &caller, request.into_inner()).await?;
        let user = Some(self.app.user(account).await?);
        Ok(Response::new(pb::SetAvatarResponse { user }))
    }

    async fn remove_avatar(
        &self,
        request: Request<pb::RemoveAvatarRequest>,
    ) -> Result<Response<pb::RemoveAvatarResponse>, Status> {
        let caller = Caller::of(&request)?;
        let account = avatar::remove(&self.app, &caller).await?;
        let user = Some(self.app.user(account).await?);
        Ok(Response::new(pb::RemoveAvatarResponse { user }))
    }

    async fn list_users(
        &self,
        request: Request<pb::ListUsersRequest>,
    ) -> Result<Response<pb::ListUsersResponse>, Status> {
        let caller = Caller::admin_of(&request)?;
        let request = request.into_inner();
        let limit = page::limit(request.limit, DEFAULT_LIMIT)?;
        let before = page::decode::<Uuid>(&request.cursor)?;
        let role = role_of(request.role)?;
        let mut violations = Violations::new();
        violations.require_text(&request.q, 0, MAX_SEARCH, "q");
        violations.finish()?;

        self.app.signed_in_admin(&caller).await?;
        let part = fold(request.q.trim());
        let filter = Filter { part: &part, role, before };
        let mut accounts = store::users::list(&self.app.db, &filter, limit + 1).await.map_err(Error::from)?;
        let next_cursor = page::cut(&mut accounts, limit, |account| account.id);
        let users = self.app.users(accounts).await?;
        Ok(Response::new(pb::ListUsersResponse { users, next_cursor }))
    }

    async fn get_user(
        &self,
        request: Request<pb::GetUserRequest>,
    ) -> Result<Response<pb::GetUserResponse>, Status> {
        let caller = Caller::admin_of(&request)?;
        let id = parse_uuid("id", &request.into_inner().id)?;
        self.app.signed_in_admin(&caller).await?;
        let account =
            store::users::find(&self.app.db, id).await.map_err(Error::from)?.ok_or(Error::UserNotFound)?;
        let user = Some(self.app.user(account).await?);
        Ok(Response::new(pb::GetUserResponse { user }))
    }

    async fn update_user(
        &self,
        request: Request<pb::UpdateUserRequest>,
    ) -> Result<Response<pb::UpdateUserResponse>, Status> {
        let caller = Caller::admin_of(&request)?;
        let request = request.into_inner();
        let id = parse_uuid("id", &request.id)?;
        let role = role_of(request.role)?;
        self.app.signed_in_admin(&caller).await?;
        let (account, ended) = manage::set_standing(&self.app, id, role, request.disabled).await?;
        let user = Some(self.app.user(account).await?);
        Ok(Response::new(pb::UpdateUserResponse { user, ended_session_ids: strings(ended) }))
    }

    async fn delete_user(
        &self,
        request: Request<pb::DeleteUserRequest>,
    ) -> Result<Response<pb::DeleteUserResponse>, Status> {
        let caller = Caller::admin_of(&request)?;
        let id = parse_uuid("id", &request.into_inner().id)?;
        self.app.signed_in_admin(&caller).await?;
        let ended = manage::delete(&self.app, id).await?;
        Ok(Response::new(pb::DeleteUserResponse { ended_session_ids: strings(ended) }))
    }
}

/// The role in a request; `None` where none was said.
fn role_of(role: i32) -> Result<Option<Role>, Error> {
    match pb::Role::try_from(role) {
        Ok(pb::Role::Unspecified) => Ok(None),
        Ok(pb::Role::User) => Ok(Some(Role::User)),
        Ok(pb::Role::Admin) => Ok(Some(Role::Admin)),
        Err(_) => Err(Error::invalid("role", "must be a role")),
    }
}
