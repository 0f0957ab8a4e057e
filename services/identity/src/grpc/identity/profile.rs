//! The profile, password and avatar of the caller.

use bodega_proto::identity::v1 as pb;
use bodega_runtime::auth::Caller;
use tonic::{Request, Response, Streaming};

use super::{IdentityApi, RpcResult};
use crate::{
    avatars,
    grpc::{convert::with_addresses, to_strings},
    profile, sessions,
};

pub(super) async fn get_profile(
    api: &IdentityApi,
    request: Request<pb::GetProfileRequest>,
) -> RpcResult<pb::GetProfileResponse> {
    let caller = Caller::of(&request)?;
    let user = sessions::current_user(&api.db, &caller).await?;
    let user = Some(with_addresses(&api.db, user).await?);
    Ok(Response::new(pb::GetProfileResponse { user }))
}

pub(super) async fn update_profile(
    api: &IdentityApi,
    request: Request<pb::UpdateProfileRequest>,
) -> RpcResult<pb::UpdateProfileResponse> {
    let caller = Caller::of(&request)?;
    let IdentityApi { db, rate_limiter, hasher, .. } = api;
    let sends_mail = api.sends_mail();
    let request = request.into_inner();
    let (user, ended) =
        profile::update_profile(db, rate_limiter, hasher, sends_mail, &caller, request).await?;
    api.revocations.publish(&ended);
    let user = Some(with_addresses(&api.db, user).await?);
    Ok(Response::new(pb::UpdateProfileResponse { user, ended_session_ids: to_strings(ended) }))
}

pub(super) async fn change_password(
    api: &IdentityApi,
    request: Request<pb::ChangePasswordRequest>,
) -> RpcResult<pb::ChangePasswordResponse> {
    let caller = Caller::of(&request)?;
    let IdentityApi { db, rate_limiter, hasher, .. } = api;
    let (sends_mail, request) = (api.sends_mail(), request.get_ref());
    let ended = profile::change_password(db, rate_limiter, hasher, sends_mail, &caller, request).await?;
    api.revocations.publish(&ended);
    Ok(Response::new(pb::ChangePasswordResponse { ended_session_ids: to_strings(ended) }))
}

pub(super) async fn set_avatar(
    api: &IdentityApi,
    request: Request<Streaming<pb::SetAvatarRequest>>,
) -> RpcResult<pb::SetAvatarResponse> {
    let caller = Caller::of(&request)?;
    let IdentityApi { db, rate_limiter, images, .. } = api;
    let user = avatars::set_avatar(db, rate_limiter, images, &caller, request.into_inner()).await?;
    let user = Some(with_addresses(&api.db, user).await?);
    Ok(Response::new(pb::SetAvatarResponse { user }))
}

pub(super) async fn remove_avatar(
    api: &IdentityApi,
    request: Request<pb::RemoveAvatarRequest>,
) -> RpcResult<pb::RemoveAvatarResponse> {
    let caller = Caller::of(&request)?;
    let user = avatars::remove_avatar(&api.db, &caller).await?;
    let user = Some(with_addresses(&api.db, user).await?);
    Ok(Response::new(pb::RemoveAvatarResponse { user }))
}
