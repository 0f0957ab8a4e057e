//! `IdentityService`: users and their sessions.

use std::sync::Arc;

use bodega_media::ImageRegistry;
use bodega_proto::identity::v1::{self as pb, identity_service_server::IdentityService};
use bodega_runtime::{
    auth::{Caller, Scope},
    database::Pool,
    page,
    rate_limit::RateLimiter,
    status::{Violations, parse_uuid},
    timestamp,
};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::{
    convert::{all_with_addresses, requested_role, with_addresses},
    to_strings,
};
use crate::{
    admin, api_keys, avatars,
    config::Settings,
    error::Error,
    passwords::Hasher,
    profile,
    second_factor::{self, Codes},
    sessions::{self, IssuedSession, Revocations},
    signing::Signer,
    users::{self, db::Filter, normalize},
};

const DEFAULT_LIMIT: i32 = 20;
const MAX_QUERY_CHARS: usize = 254;

pub(crate) struct IdentityApi {
    pub(crate) db: Pool,
    pub(crate) settings: Settings,
    pub(crate) rate_limiter: RateLimiter,
    pub(crate) hasher: Hasher,
    pub(crate) codes: Codes,
    pub(crate) signer: Arc<Signer>,
    pub(crate) images: ImageRegistry,
    pub(crate) revocations: Arc<Revocations>,
}

impl IdentityApi {
    fn sends_mail(&self) -> bool {
        self.settings.mail.is_some()
    }

    /// Issues an access token and returns the session with its tokens.
    async fn session(&self, session: IssuedSession) -> Result<pb::Session, Error> {
        self.revocations.publish(&session.ended);
        let access_token = self.signer.access_token(&session)?;
        let IssuedSession { user, refresh_token, .. } = session;
        Ok(pb::Session {
            user: Some(with_addresses(&self.db, user).await?),
            access_token,
            expires_in: i64::try_from(self.settings.access_ttl.as_secs()).unwrap_or(i64::MAX),
            refresh_token,
        })
    }
}

#[tonic::async_trait]
impl IdentityService for IdentityApi {
    async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> Result<Response<pb::RegisterResponse>, Status> {
        let session = sessions::register(
            &self.db,
            &self.rate_limiter,
            &self.hasher,
            self.sends_mail(),
            request.into_inner(),
        )
        .await?;
        let session = Some(self.session(session).await?);
        Ok(Response::new(pb::RegisterResponse { session }))
    }

    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::LoginResponse>, Status> {
        let session =
            sessions::login(&self.db, &self.rate_limiter, &self.hasher, request.into_inner()).await?;
        let session = Some(self.session(session).await?);
        Ok(Response::new(pb::LoginResponse { session }))
    }

    async fn complete_login(
        &self,
        request: Request<pb::CompleteLoginRequest>,
    ) -> Result<Response<pb::CompleteLoginResponse>, Status> {
        let pb::CompleteLoginRequest { token, code } = request.into_inner();
        let Self { db, rate_limiter, codes, .. } = self;
        let session = second_factor::complete_login(db, rate_limiter, codes, &token, &code).await?;
        let session = Some(self.session(session).await?);
        Ok(Response::new(pb::CompleteLoginResponse { session }))
    }

    async fn refresh(
        &self,
        request: Request<pb::RefreshRequest>,
    ) -> Result<Response<pb::RefreshResponse>, Status> {
        let token = request.into_inner().refresh_token;
        let Self { db, rate_limiter, revocations, settings, .. } = self;
        let session = sessions::refresh(db, rate_limiter, revocations, settings, &token).await?;
        let session = Some(self.session(session).await?);
        Ok(Response::new(pb::RefreshResponse { session }))
    }

    async fn logout(
        &self,
        request: Request<pb::LogoutRequest>,
    ) -> Result<Response<pb::LogoutResponse>, Status> {
        let caller = Caller::of(&request)?;
        let ended = sessions::db::sessions::end(&self.db, caller.user_id, caller.session_id)
            .await
            .map_err(Error::from)?
            .ok_or(Error::SessionEnded)?;
        self.revocations.publish(&[ended]);
        Ok(Response::new(pb::LogoutResponse { ended_session_ids: vec![ended.to_string()] }))
    }

    async fn logout_all(
        &self,
        request: Request<pb::LogoutAllRequest>,
    ) -> Result<Response<pb::LogoutAllResponse>, Status> {
        let caller = Caller::of(&request)?;
        sessions::current_user(&self.db, &caller).await?;
        let ended =
            sessions::db::sessions::end_all(&self.db, caller.user_id, None).await.map_err(Error::from)?;
        self.revocations.publish(&ended);
        Ok(Response::new(pb::LogoutAllResponse { ended_session_ids: to_strings(ended) }))
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        let caller = Caller::of(&request)?;
        sessions::current_user(&self.db, &caller).await?;
        let (ttl, session_ttl) = (self.settings.refresh_ttl, self.settings.session_ttl);
        let sessions = sessions::db::sessions::list(&self.db, caller.user_id, ttl, session_ttl)
            .await
            .map_err(Error::from)?;
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
        sessions::current_user(&self.db, &caller).await?;
        let ended = sessions::db::sessions::end(&self.db, caller.user_id, id)
            .await
            .map_err(Error::from)?
            .ok_or(Error::SessionNotFound)?;
        self.revocations.publish(&[ended]);
        Ok(Response::new(pb::EndSessionResponse { ended_session_ids: vec![ended.to_string()] }))
    }

    async fn get_profile(
        &self,
        request: Request<pb::GetProfileRequest>,
    ) -> Result<Response<pb::GetProfileResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user = sessions::current_user(&self.db, &caller).await?;
        let user = Some(with_addresses(&self.db, user).await?);
        Ok(Response::new(pb::GetProfileResponse { user }))
    }

    async fn update_profile(
        &self,
        request: Request<pb::UpdateProfileRequest>,
    ) -> Result<Response<pb::UpdateProfileResponse>, Status> {
        let caller = Caller::of(&request)?;
        let Self { db, rate_limiter, hasher, .. } = self;
        let sends_mail = self.sends_mail();
        let request = request.into_inner();
        let (user, ended) =
            profile::update_profile(db, rate_limiter, hasher, sends_mail, &caller, request).await?;
        self.revocations.publish(&ended);
        let user = Some(with_addresses(&self.db, user).await?);
        Ok(Response::new(pb::UpdateProfileResponse { user, ended_session_ids: to_strings(ended) }))
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::ChangePasswordResponse>, Status> {
        let caller = Caller::of(&request)?;
        let Self { db, rate_limiter, hasher, .. } = self;
        let (sends_mail, request) = (self.sends_mail(), request.get_ref());
        let ended = profile::change_password(db, rate_limiter, hasher, sends_mail, &caller, request).await?;
        self.revocations.publish(&ended);
        Ok(Response::new(pb::ChangePasswordResponse { ended_session_ids: to_strings(ended) }))
    }

    async fn enroll_second_factor(
        &self,
        request: Request<pb::EnrollSecondFactorRequest>,
    ) -> Result<Response<pb::EnrollSecondFactorResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.get_ref();
        let Self { db, rate_limiter, hasher, codes, .. } = self;
        let enrolled = second_factor::enroll(db, rate_limiter, hasher, codes, &caller, request).await?;
        Ok(Response::new(enrolled))
    }

    async fn confirm_second_factor(
        &self,
        request: Request<pb::ConfirmSecondFactorRequest>,
    ) -> Result<Response<pb::ConfirmSecondFactorResponse>, Status> {
        let caller = Caller::of(&request)?;
        let (restarted, recovery_codes) =
            second_factor::confirm(&self.db, &self.codes, &caller, request.get_ref()).await?;
        self.revocations.publish(&restarted.ended);
        Ok(Response::new(pb::ConfirmSecondFactorResponse {
            session: Some(self.session(restarted.session).await?),
            recovery_codes,
            ended_session_ids: to_strings(restarted.ended),
        }))
    }

    async fn disable_second_factor(
        &self,
        request: Request<pb::DisableSecondFactorRequest>,
    ) -> Result<Response<pb::DisableSecondFactorResponse>, Status> {
        let caller = Caller::of(&request)?;
        let Self { db, rate_limiter, codes, .. } = self;
        let restarted = second_factor::disable(db, rate_limiter, codes, &caller, request.get_ref()).await?;
        self.revocations.publish(&restarted.ended);
        Ok(Response::new(pb::DisableSecondFactorResponse {
            session: Some(self.session(restarted.session).await?),
            ended_session_ids: to_strings(restarted.ended),
        }))
    }

    async fn verify_second_factor(
        &self,
        request: Request<pb::VerifySecondFactorRequest>,
    ) -> Result<Response<pb::VerifySecondFactorResponse>, Status> {
        let caller = Caller::of(&request)?;
        let Self { db, rate_limiter, codes, .. } = self;
        let code = &request.get_ref().code;
        let session = second_factor::verify_again(db, rate_limiter, codes, &caller, code).await?;
        let session = Some(self.session(session).await?);
        Ok(Response::new(pb::VerifySecondFactorResponse { session }))
    }

    async fn set_avatar(
        &self,
        request: Request<Streaming<pb::SetAvatarRequest>>,
    ) -> Result<Response<pb::SetAvatarResponse>, Status> {
        let caller = Caller::of(&request)?;
        let Self { db, rate_limiter, images, .. } = self;
        let user = avatars::set_avatar(db, rate_limiter, images, &caller, request.into_inner()).await?;
        let user = Some(with_addresses(&self.db, user).await?);
        Ok(Response::new(pb::SetAvatarResponse { user }))
    }

    async fn remove_avatar(
        &self,
        request: Request<pb::RemoveAvatarRequest>,
    ) -> Result<Response<pb::RemoveAvatarResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user = avatars::remove_avatar(&self.db, &caller).await?;
        let user = Some(with_addresses(&self.db, user).await?);
        Ok(Response::new(pb::RemoveAvatarResponse { user }))
    }

    async fn list_users(
        &self,
        request: Request<pb::ListUsersRequest>,
    ) -> Result<Response<pb::ListUsersResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::UsersRead)?;
        let request = request.into_inner();
        let limit = page::limit(request.limit, DEFAULT_LIMIT)?;
        let before = page::decode::<Uuid>(&request.cursor)?;
        let role = requested_role(request.role)?;
        let mut violations = Violations::new();
        violations.require_text(&request.q, 0, MAX_QUERY_CHARS, "q");
        violations.finish()?;

        sessions::current_admin_or_key(&self.db, &caller).await?;
        let text = normalize(request.q.trim());
        let filter = Filter { text: &text, role, before };
        let mut users = users::db::list(&self.db, &filter, limit + 1).await.map_err(Error::from)?;
        let next_cursor = page::truncate(&mut users, limit, |user| user.id);
        let users = all_with_addresses(&self.db, users).await?;
        Ok(Response::new(pb::ListUsersResponse { users, next_cursor }))
    }

    async fn get_user(
        &self,
        request: Request<pb::GetUserRequest>,
    ) -> Result<Response<pb::GetUserResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::UsersRead)?;
        let id = parse_uuid("id", &request.into_inner().id)?;
        sessions::current_admin_or_key(&self.db, &caller).await?;
        let user = users::db::find(&self.db, id).await.map_err(Error::from)?.ok_or(Error::UserNotFound)?;
        let user = Some(with_addresses(&self.db, user).await?);
        Ok(Response::new(pb::GetUserResponse { user }))
    }

    async fn update_user(
        &self,
        request: Request<pb::UpdateUserRequest>,
    ) -> Result<Response<pb::UpdateUserResponse>, Status> {
        let caller = Caller::admin_of(&request)?;
        let request = request.into_inner();
        let id = parse_uuid("id", &request.id)?;
        let role = requested_role(request.role)?;
        caller.check_recent_second_factor()?;
        sessions::current_admin(&self.db, &caller).await?;
        let (user, ended) = admin::update_user(&self.db, &caller, id, role, request.disabled).await?;
        self.revocations.publish(&ended);
        let user = Some(with_addresses(&self.db, user).await?);
        Ok(Response::new(pb::UpdateUserResponse { user, ended_session_ids: to_strings(ended) }))
    }

    async fn delete_user(
        &self,
        request: Request<pb::DeleteUserRequest>,
    ) -> Result<Response<pb::DeleteUserResponse>, Status> {
        let caller = Caller::admin_of(&request)?;
        let id = parse_uuid("id", &request.into_inner().id)?;
        caller.check_recent_second_factor()?;
        sessions::current_admin(&self.db, &caller).await?;
        let ended = admin::delete_user(&self.db, &caller, id).await?;
        self.revocations.publish(&ended);
        Ok(Response::new(pb::DeleteUserResponse { ended_session_ids: to_strings(ended) }))
    }

    async fn create_api_key(
        &self,
        request: Request<pb::CreateApiKeyRequest>,
    ) -> Result<Response<pb::CreateApiKeyResponse>, Status> {
        let caller = Caller::admin_of(&request)?;
        caller.check_recent_second_factor()?;
        let creator = sessions::current_admin(&self.db, &caller).await?;
        let (api_key, key) = api_keys::create(&self.db, &creator, request.get_ref()).await?;
        Ok(Response::new(pb::CreateApiKeyResponse { api_key: Some(api_key.into()), key }))
    }

    async fn list_api_keys(
        &self,
        request: Request<pb::ListApiKeysRequest>,
    ) -> Result<Response<pb::ListApiKeysResponse>, Status> {
        let caller = Caller::admin_of(&request)?;
        sessions::current_admin(&self.db, &caller).await?;
        let api_keys = api_keys::db::list(&self.db).await.map_err(Error::from)?;
        let api_keys = api_keys.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListApiKeysResponse { api_keys }))
    }

    async fn revoke_api_key(
        &self,
        request: Request<pb::RevokeApiKeyRequest>,
    ) -> Result<Response<pb::RevokeApiKeyResponse>, Status> {
        let caller = Caller::admin_of(&request)?;
        let id = parse_uuid("id", &request.get_ref().id)?;
        sessions::current_admin(&self.db, &caller).await?;
        let ended = api_keys::revoke(&self.db, &caller, id).await?;
        self.revocations.publish(&[ended]);
        Ok(Response::new(pb::RevokeApiKeyResponse {}))
    }
}
