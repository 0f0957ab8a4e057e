//! The second factor of the caller.

use bodega_proto::identity::v1 as pb;
use bodega_runtime::auth::Caller;
use tonic::{Request, Response};

use super::{IdentityApi, RpcResult};
use crate::{error::Error, grpc::to_strings, second_factor, sessions};

pub(super) async fn get_second_factor(
    api: &IdentityApi,
    request: Request<pb::GetSecondFactorRequest>,
) -> RpcResult<pb::GetSecondFactorResponse> {
    let caller = Caller::of(&request)?;
    let user = sessions::current_user(&api.db, &caller).await?;
    let state = second_factor::db::find_state(&api.db, user.id).await.map_err(Error::from)?;
    let left = state.as_ref().map_or(0, |state| state.recovery_codes_left);
    Ok(Response::new(pb::GetSecondFactorResponse {
        enabled: state.is_some_and(|state| state.is_enabled),
        recovery_codes_left: i32::try_from(left).unwrap_or(i32::MAX),
    }))
}

pub(super) async fn enroll_second_factor(
    api: &IdentityApi,
    request: Request<pb::EnrollSecondFactorRequest>,
) -> RpcResult<pb::EnrollSecondFactorResponse> {
    let caller = Caller::of(&request)?;
    let request = request.get_ref();
    let IdentityApi { db, rate_limiter, hasher, codes, .. } = api;
    let enrolled = second_factor::enroll(db, rate_limiter, hasher, codes, &caller, request).await?;
    Ok(Response::new(enrolled))
}

pub(super) async fn confirm_second_factor(
    api: &IdentityApi,
    request: Request<pb::ConfirmSecondFactorRequest>,
) -> RpcResult<pb::ConfirmSecondFactorResponse> {
    let caller = Caller::of(&request)?;
    let (restarted, recovery_codes) =
        second_factor::confirm(&api.db, &api.codes, &caller, request.get_ref()).await?;
    api.revocations.publish(&restarted.ended);
    Ok(Response::new(pb::ConfirmSecondFactorResponse {
        session: Some(api.session(restarted.session).await?),
        recovery_codes,
        ended_session_ids: to_strings(restarted.ended),
    }))
}

pub(super) async fn disable_second_factor(
    api: &IdentityApi,
    request: Request<pb::DisableSecondFactorRequest>,
) -> RpcResult<pb::DisableSecondFactorResponse> {
    let caller = Caller::of(&request)?;
    let IdentityApi { db, rate_limiter, codes, .. } = api;
    let restarted = second_factor::disable(db, rate_limiter, codes, &caller, request.get_ref()).await?;
    api.revocations.publish(&restarted.ended);
    Ok(Response::new(pb::DisableSecondFactorResponse {
        session: Some(api.session(restarted.session).await?),
        ended_session_ids: to_strings(restarted.ended),
    }))
}

pub(super) async fn verify_second_factor(
    api: &IdentityApi,
    request: Request<pb::VerifySecondFactorRequest>,
) -> RpcResult<pb::VerifySecondFactorResponse> {
    let caller = Caller::of(&request)?;
    let IdentityApi { db, rate_limiter, codes, .. } = api;
    let code = &request.get_ref().code;
    let session = second_factor::verify_again(db, rate_limiter, codes, &caller, code).await?;
    let session = Some(api.session(session).await?);
    Ok(Response::new(pb::VerifySecondFactorResponse { session }))
}
