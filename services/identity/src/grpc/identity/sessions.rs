//! Registration, login and sessions.

use bodega_proto::identity::v1 as pb;
use bodega_runtime::{auth::Caller, status::parse_uuid, timestamp};
use tonic::{Request, Response};

use super::{IdentityApi, RpcResult};
use crate::{error::Error, grpc::to_strings, second_factor, sessions};

pub(super) async fn register(
    api: &IdentityApi,
    request: Request<pb::RegisterRequest>,
) -> RpcResult<pb::RegisterResponse> {
    let session =
        sessions::register(&api.db, &api.rate_limiter, &api.hasher, api.sends_mail(), request.into_inner())
            .await?;
    let session = Some(api.session(session).await?);
    Ok(Response::new(pb::RegisterResponse { session }))
}

pub(super) async fn login(
    api: &IdentityApi,
    request: Request<pb::LoginRequest>,
) -> RpcResult<pb::LoginResponse> {
    let IdentityApi { db, rate_limiter, hasher, rate_limited_logins, .. } = api;
    let session =
        sessions::login(db, rate_limiter, hasher, rate_limited_logins, request.into_inner()).await?;
    let session = Some(api.session(session).await?);
    Ok(Response::new(pb::LoginResponse { session }))
}

pub(super) async fn complete_login(
    api: &IdentityApi,
    request: Request<pb::CompleteLoginRequest>,
) -> RpcResult<pb::CompleteLoginResponse> {
    let pb::CompleteLoginRequest { token, code } = request.into_inner();
    let IdentityApi { db, rate_limiter, codes, rate_limited_logins, .. } = api;
    let session =
        second_factor::complete_login(db, rate_limiter, codes, rate_limited_logins, &token, &code).await?;
    let session = Some(api.session(session).await?);
    Ok(Response::new(pb::CompleteLoginResponse { session }))
}

pub(super) async fn refresh(
    api: &IdentityApi,
    request: Request<pb::RefreshRequest>,
) -> RpcResult<pb::RefreshResponse> {
    let token = request.into_inner().refresh_token;
    let IdentityApi { db, rate_limiter, revocations, settings, .. } = api;
    let session = sessions::refresh(db, rate_limiter, revocations, settings, &token).await?;
    let session = Some(api.session(session).await?);
    Ok(Response::new(pb::RefreshResponse { session }))
}

pub(super) async fn logout(
    api: &IdentityApi,
    request: Request<pb::LogoutRequest>,
) -> RpcResult<pb::LogoutResponse> {
    let caller = Caller::of(&request)?;
    let ended = sessions::db::sessions::end(&api.db, caller.user_id, caller.session_id)
        .await
        .map_err(Error::from)?
        .ok_or(Error::SessionEnded)?;
    api.revocations.publish(&[ended]);
    Ok(Response::new(pb::LogoutResponse { ended_session_ids: vec![ended.to_string()] }))
}

pub(super) async fn logout_all(
    api: &IdentityApi,
    request: Request<pb::LogoutAllRequest>,
) -> RpcResult<pb::LogoutAllResponse> {
    let caller = Caller::of(&request)?;
    sessions::current_user(&api.db, &caller).await?;
    let ended = sessions::db::sessions::end_all(&api.db, caller.user_id, None).await.map_err(Error::from)?;
    api.revocations.publish(&ended);
    Ok(Response::new(pb::LogoutAllResponse { ended_session_ids: to_strings(ended) }))
}

pub(super) async fn list_sessions(
    api: &IdentityApi,
    request: Request<pb::ListSessionsRequest>,
) -> RpcResult<pb::ListSessionsResponse> {
    let caller = Caller::of(&request)?;
    sessions::current_user(&api.db, &caller).await?;
    let (ttl, session_ttl) = (api.settings.refresh_ttl, api.settings.session_ttl);
    let sessions =
        sessions::db::sessions::list(&api.db, caller.user_id, ttl, session_ttl).await.map_err(Error::from)?;
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

pub(super) async fn end_session(
    api: &IdentityApi,
    request: Request<pb::EndSessionRequest>,
) -> RpcResult<pb::EndSessionResponse> {
    let caller = Caller::of(&request)?;
    let id = parse_uuid("session_id", &request.into_inner().session_id)?;
    sessions::current_user(&api.db, &caller).await?;
    let ended = sessions::db::sessions::end(&api.db, caller.user_id, id)
        .await
        .map_err(Error::from)?
        .ok_or(Error::SessionNotFound)?;
    api.revocations.publish(&[ended]);
    Ok(Response::new(pb::EndSessionResponse { ended_session_ids: vec![ended.to_string()] }))
}
