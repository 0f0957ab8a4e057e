//! `RecoveryService`: a way back into an account.

use std::sync::Arc;

use bodega_mail::not_configured;
use bodega_proto::identity::v1::{self as pb, recovery_service_server::RecoveryService};
use bodega_runtime::{
    auth::Caller,
    context::CallContext,
    database::Pool,
    rate_limit::{Limit, RateLimiter, limits},
    status::parse_uuid,
};
use tonic::{Request, Response, Status};

use super::to_strings;
use crate::{
    error::Error,
    passwords::Hasher,
    recovery,
    sessions::{self, Revocations},
    users,
};

pub(crate) struct RecoveryApi {
    pub(crate) db: Pool,
    pub(crate) rate_limiter: RateLimiter,
    pub(crate) hasher: Hasher,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) has_mailer: bool,
}

impl RecoveryApi {
    /// Takes a use of a limit by the network of the client.
    async fn limit_client(&self, limit: Limit) -> Result<(), Status> {
        match CallContext::client_network() {
            Some(network) => Ok(self.rate_limiter.take(&[limit.by(network)]).await.map_err(Error::from)?),
            None => Ok(()),
        }
    }

    fn require_mailer(&self) -> Result<(), Status> {
        if self.has_mailer { Ok(()) } else { Err(not_configured()) }
    }
}

#[tonic::async_trait]
impl RecoveryService for RecoveryApi {
    async fn request_password_reset(
        &self,
        request: Request<pb::RequestPasswordResetRequest>,
    ) -> Result<Response<pb::RequestPasswordResetResponse>, Status> {
        let email = recovery::parse_email(&request.get_ref().email)?;
        self.require_mailer()?;
        self.limit_client(limits::MAIL_CLIENT).await?;
        recovery::request_reset(&self.db, &email).await?;
        Ok(Response::new(pb::RequestPasswordResetResponse {}))
    }

    async fn send_password_reset(
        &self,
        request: Request<pb::SendPasswordResetRequest>,
    ) -> Result<Response<pb::SendPasswordResetResponse>, Status> {
        let caller = Caller::admin_of(&request)?;
        let user_id = parse_uuid("user_id", &request.get_ref().user_id)?;
        sessions::current_admin(&self.db, &caller).await?;
        let user =
            users::db::find(&self.db, user_id).await.map_err(Error::from)?.ok_or(Error::UserNotFound)?;
        self.require_mailer()?;
        recovery::send_reset(&self.db, &caller, user.id).await?;
        Ok(Response::new(pb::SendPasswordResetResponse {}))
    }

    async fn reset_password(
        &self,
        request: Request<pb::ResetPasswordRequest>,
    ) -> Result<Response<pb::ResetPasswordResponse>, Status> {
        self.limit_client(limits::MAIL_LINK_CLIENT).await?;
        let ended = recovery::reset(&self.db, &self.hasher, request.get_ref()).await?;
        self.revocations.publish(&ended);
        Ok(Response::new(pb::ResetPasswordResponse { ended_session_ids: to_strings(ended) }))
    }

    async fn verify_email(
        &self,
        request: Request<pb::VerifyEmailRequest>,
    ) -> Result<Response<pb::VerifyEmailResponse>, Status> {
        self.limit_client(limits::MAIL_LINK_CLIENT).await?;
        recovery::verify(&self.db, &request.get_ref().token).await?;
        Ok(Response::new(pb::VerifyEmailResponse {}))
    }

    async fn resend_verification(
        &self,
        request: Request<pb::ResendVerificationRequest>,
    ) -> Result<Response<pb::ResendVerificationResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.require_mailer()?;
        self.rate_limiter.take(&[limits::MAIL.by(caller.user_id)]).await.map_err(Error::from)?;
        recovery::resend_verification(&self.db, &caller).await?;
        Ok(Response::new(pb::ResendVerificationResponse {}))
    }

    async fn undo_email_change(
        &self,
        request: Request<pb::UndoEmailChangeRequest>,
    ) -> Result<Response<pb::UndoEmailChangeResponse>, Status> {
        self.limit_client(limits::MAIL_LINK_CLIENT).await?;
        let ended = recovery::undo_change(&self.db, &request.get_ref().token).await?;
        self.revocations.publish(&ended);
        Ok(Response::new(pb::UndoEmailChangeResponse { ended_session_ids: to_strings(ended) }))
    }
}
