//! `IdentityService`: users and their sessions. Each module has a group of its calls.

mod api_keys;
mod profile;
mod second_factors;
mod sessions;
mod users;

use std::sync::Arc;

use bodega_media::ImageRegistry;
use bodega_proto::identity::v1::{self as pb, identity_service_server::IdentityService};
use bodega_runtime::{database::Pool, rate_limit::RateLimiter};
use tonic::{Request, Response, Status, Streaming};

use super::convert::with_addresses;
use crate::{
    config::Settings,
    error::Error,
    failed_logins::RateLimitedLogins,
    passwords::Hasher,
    second_factor::Codes,
    sessions::{IssuedSession, Revocations},
    signing::Signer,
};

type RpcResult<T> = Result<Response<T>, Status>;

pub(crate) struct IdentityApi {
    pub(crate) db: Pool,
    pub(crate) settings: Settings,
    pub(crate) rate_limiter: RateLimiter,
    pub(crate) rate_limited_logins: Arc<RateLimitedLogins>,
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
    async fn register(&self, request: Request<pb::RegisterRequest>) -> RpcResult<pb::RegisterResponse> {
        sessions::register(self, request).await
    }

    async fn login(&self, request: Request<pb::LoginRequest>) -> RpcResult<pb::LoginResponse> {
        sessions::login(self, request).await
    }

    async fn complete_login(
        &self,
        request: Request<pb::CompleteLoginRequest>,
    ) -> RpcResult<pb::CompleteLoginResponse> {
        sessions::complete_login(self, request).await
    }

    async fn refresh(&self, request: Request<pb::RefreshRequest>) -> RpcResult<pb::RefreshResponse> {
        sessions::refresh(self, request).await
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> RpcResult<pb::LogoutResponse> {
        sessions::logout(self, request).await
    }

    async fn logout_all(&self, request: Request<pb::LogoutAllRequest>) -> RpcResult<pb::LogoutAllResponse> {
        sessions::logout_all(self, request).await
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> RpcResult<pb::ListSessionsResponse> {
        sessions::list_sessions(self, request).await
    }

    async fn end_session(
        &self,
        request: Request<pb::EndSessionRequest>,
    ) -> RpcResult<pb::EndSessionResponse> {
        sessions::end_session(self, request).await
    }

    async fn get_profile(
        &self,
        request: Request<pb::GetProfileRequest>,
    ) -> RpcResult<pb::GetProfileResponse> {
        profile::get_profile(self, request).await
    }

    async fn update_profile(
        &self,
        request: Request<pb::UpdateProfileRequest>,
    ) -> RpcResult<pb::UpdateProfileResponse> {
        profile::update_profile(self, request).await
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> RpcResult<pb::ChangePasswordResponse> {
        profile::change_password(self, request).await
    }

    async fn get_second_factor(
        &self,
        request: Request<pb::GetSecondFactorRequest>,
    ) -> RpcResult<pb::GetSecondFactorResponse> {
        second_factors::get_second_factor(self, request).await
    }

    async fn enroll_second_factor(
        &self,
        request: Request<pb::EnrollSecondFactorRequest>,
    ) -> RpcResult<pb::EnrollSecondFactorResponse> {
        second_factors::enroll_second_factor(self, request).await
    }

    async fn confirm_second_factor(
        &self,
        request: Request<pb::ConfirmSecondFactorRequest>,
    ) -> RpcResult<pb::ConfirmSecondFactorResponse> {
        second_factors::confirm_second_factor(self, request).await
    }

    async fn disable_second_factor(
        &self,
        request: Request<pb::DisableSecondFactorRequest>,
    ) -> RpcResult<pb::DisableSecondFactorResponse> {
        second_factors::disable_second_factor(self, request).await
    }

    async fn verify_second_factor(
        &self,
        request: Request<pb::VerifySecondFactorRequest>,
    ) -> RpcResult<pb::VerifySecondFactorResponse> {
        second_factors::verify_second_factor(self, request).await
    }

    async fn set_avatar(
        &self,
        request: Request<Streaming<pb::SetAvatarRequest>>,
    ) -> RpcResult<pb::SetAvatarResponse> {
        profile::set_avatar(self, request).await
    }

    async fn remove_avatar(
        &self,
        request: Request<pb::RemoveAvatarRequest>,
    ) -> RpcResult<pb::RemoveAvatarResponse> {
        profile::remove_avatar(self, request).await
    }

    async fn list_users(&self, request: Request<pb::ListUsersRequest>) -> RpcResult<pb::ListUsersResponse> {
        users::list_users(self, request).await
    }

    async fn get_user(&self, request: Request<pb::GetUserRequest>) -> RpcResult<pb::GetUserResponse> {
        users::get_user(self, request).await
    }

    async fn update_user(
        &self,
        request: Request<pb::UpdateUserRequest>,
    ) -> RpcResult<pb::UpdateUserResponse> {
        users::update_user(self, request).await
    }

    async fn delete_user(
        &self,
        request: Request<pb::DeleteUserRequest>,
    ) -> RpcResult<pb::DeleteUserResponse> {
        users::delete_user(self, request).await
    }

    async fn create_api_key(
        &self,
        request: Request<pb::CreateApiKeyRequest>,
    ) -> RpcResult<pb::CreateApiKeyResponse> {
        api_keys::create_api_key(self, request).await
    }

    async fn list_api_keys(
        &self,
        request: Request<pb::ListApiKeysRequest>,
    ) -> RpcResult<pb::ListApiKeysResponse> {
        api_keys::list_api_keys(self, request).await
    }

    async fn revoke_api_key(
        &self,
        request: Request<pb::RevokeApiKeyRequest>,
    ) -> RpcResult<pb::RevokeApiKeyResponse> {
        api_keys::revoke_api_key(self, request).await
    }
}
