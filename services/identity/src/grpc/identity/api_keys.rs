//! API keys.

use bodega_proto::identity::v1 as pb;
use bodega_runtime::{auth::Caller, status::parse_uuid};
use tonic::{Request, Response};

use super::{IdentityApi, RpcResult};
use crate::{api_keys, error::Error, sessions};

pub(super) async fn create_api_key(
    api: &IdentityApi,
    request: Request<pb::CreateApiKeyRequest>,
) -> RpcResult<pb::CreateApiKeyResponse> {
    let caller = Caller::admin_of(&request)?;
    caller.check_recent_second_factor()?;
    let creator = sessions::current_admin(&api.db, &caller).await?;
    let (api_key, key) = api_keys::create(&api.db, &creator, request.get_ref()).await?;
    Ok(Response::new(pb::CreateApiKeyResponse { api_key: Some(api_key.into()), key }))
}

pub(super) async fn list_api_keys(
    api: &IdentityApi,
    request: Request<pb::ListApiKeysRequest>,
) -> RpcResult<pb::ListApiKeysResponse> {
    let caller = Caller::admin_of(&request)?;
    sessions::current_admin(&api.db, &caller).await?;
    let api_keys = api_keys::db::list(&api.db).await.map_err(Error::from)?;
    let api_keys = api_keys.into_iter().map(Into::into).collect();
    Ok(Response::new(pb::ListApiKeysResponse { api_keys }))
}

pub(super) async fn revoke_api_key(
    api: &IdentityApi,
    request: Request<pb::RevokeApiKeyRequest>,
) -> RpcResult<pb::RevokeApiKeyResponse> {
    let caller = Caller::admin_of(&request)?;
    let id = parse_uuid("id", &request.get_ref().id)?;
    sessions::current_admin(&api.db, &caller).await?;
    let ended = api_keys::revoke(&api.db, &caller, id).await?;
    api.revocations.publish(&[ended]);
    Ok(Response::new(pb::RevokeApiKeyResponse {}))
}
