//! `TokenService`: public keys and revocations, for the processes that verify access tokens.

use std::{pin::Pin, sync::Arc};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bodega_proto::identity::v1::{
    GetJwksRequest, GetJwksResponse, Jwk, WatchRevocationsRequest, WatchRevocationsResponse,
    token_service_server::TokenService,
};
use futures_util::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::to_strings;
use crate::{error::Error, sessions::Revocations, signing::Signer};

pub(crate) struct TokenApi {
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
