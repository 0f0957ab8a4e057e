//! `TokenService`: public keys and revocations, for the processes that verify access tokens, and tokens of API keys.

use std::{pin::Pin, sync::Arc};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bodega_proto::identity::v1::{
    ExchangeApiKeyRequest, ExchangeApiKeyResponse, GetJwksRequest, GetJwksResponse, Jwk,
    WatchRevocationsRequest, WatchRevocationsResponse, token_service_server::TokenService,
};
use bodega_runtime::database::Pool;
use futures_util::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::to_strings;
use crate::{api_keys, error::Error, sessions::Revocations, signing::Signer};

pub(crate) struct TokenApi {
    pub(crate) db: Pool,
    pub(crate) signer: Arc<Signer>,
    pub(crate) revocations: Arc<Revocations>,
    /// Ends the streams.
    pub(crate) shutdown: CancellationToken,
}

#[tonic::async_trait]
impl TokenService for TokenApi {
    async fn get_jwks(&self, _: Request<GetJwksRequest>) -> Result<Response<GetJwksResponse>, Status> {
        let keys = self.signer.public_keys().await.map_err(Error::from)?;
        let keys = keys
            .into_iter()
            .map(|key| Jwk { kid: key.kid, x: BASE64_URL_SAFE_NO_PAD.encode(key.public_key) })
            .collect();
        Ok(Response::new(GetJwksResponse { keys }))
    }

    async fn exchange_api_key(
        &self,
        request: Request<ExchangeApiKeyRequest>,
    ) -> Result<Response<ExchangeApiKeyResponse>, Status> {
        let (access_token, lifetime) =
            api_keys::exchange(&self.db, &self.signer, &request.get_ref().api_key).await?;
        let expires_in = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        Ok(Response::new(ExchangeApiKeyResponse { access_token, expires_in }))
    }

    type WatchRevocationsStream =
        Pin<Box<dyn Stream<Item = Result<WatchRevocationsResponse, Status>> + Send>>;

    async fn watch_revocations(
        &self,
        _: Request<WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        let ended = self.revocations.clone().watch().await?;
        let responses = ended
            .map(|ended| Ok(WatchRevocationsResponse { session_ids: to_strings(ended?) }))
            .take_until(self.shutdown.clone().cancelled_owned());
        Ok(Response::new(Box::pin(responses)))
    }
}
