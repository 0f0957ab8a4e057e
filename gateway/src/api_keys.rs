//! API keys, which are exchanged for access tokens.
//!
//! A token is used until most of its lifetime is over, so that a key costs identity one call in a few minutes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bodega_proto::identity::v1::{ExchangeApiKeyRequest, token_service_client::TokenServiceClient};
use bodega_runtime::{auth::API_KEY_PREFIX, transport::Transport};
use moka::sync::Cache;
use tokio::sync::Semaphore;
use tonic::{Code, Status};

/// Longer keys are unknown without a call.
const MAX_KEY_BYTES: usize = 128;
/// Keys in the cache, of which few work at the same time.
const CACHED_KEYS: u64 = 1_000;
/// A key that identity has rejected is not sent again for this time.
const REJECTION_LIFETIME: Duration = Duration::from_secs(5);
/// Concurrent calls to identity, so that invalid keys do not keep other calls from it.
const MAX_EXCHANGES: usize = 4;

/// The access tokens of API keys. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ApiKeys {
    identity: TokenServiceClient<Transport>,
    tokens: Cache<String, Token>,
    rejected: Cache<String, Status>,
    exchanges: Arc<Semaphore>,
}

#[derive(Clone)]
struct Token {
    text: Arc<str>,
    /// From then on, another one is requested.
    renew_at: Instant,
    expires_at: Instant,
}

impl ApiKeys {
    pub(crate) fn new(identity: Transport) -> Self {
        Self {
            identity: TokenServiceClient::new(identity),
            tokens: Cache::new(CACHED_KEYS),
            rejected: Cache::builder().max_capacity(CACHED_KEYS).time_to_live(REJECTION_LIFETIME).build(),
            exchanges: Arc::new(Semaphore::new(MAX_EXCHANGES)),
        }
    }

    /// Whether a bearer token is an API key, not an access token.
    pub(crate) fn is_key(bearer: &str) -> bool {
        bearer.starts_with(API_KEY_PREFIX)
    }

    /// Returns an access token for a key.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` `invalid_token`; `UNAVAILABLE` when identity cannot be reached and there is no valid token.
    pub(crate) async fn access_token(&self, key: &str) -> Result<Arc<str>, Status> {
        if key.len() > MAX_KEY_BYTES {
            return Err(bodega_runtime::status::rejected(
                Code::Unauthenticated,
                "invalid_token",
                "the API key is invalid",
            ));
        }
        let known = self.tokens.get(key);
        if let Some(token) = known.as_ref().filter(|token| Instant::now() < token.renew_at) {
            return Ok(token.text.clone());
        }
        if let Some(rejection) = self.rejected.get(key) {
            return Err(rejection);
        }
        match self.exchange(key).await {
            Ok(token) => {
                self.tokens.insert(key.to_owned(), token.clone());
                Ok(token.text)
            }
            Err(status) if status.code() == Code::Unauthenticated => {
                self.tokens.invalidate(key);
                self.rejected.insert(key.to_owned(), status.clone());
                Err(status)
            }
            // Like access tokens, those of keys work while identity is unavailable.
            Err(status) => match known.filter(|token| Instant::now() < token.expires_at) {
                Some(token) => Ok(token.text),
                None => Err(status),
            },
        }
    }

    async fn exchange(&self, key: &str) -> Result<Token, Status> {
        let _permit = self.exchanges.acquire().await.map_err(|_| Status::unavailable("shutting down"))?;
        let started = Instant::now();
        let request = ExchangeApiKeyRequest { api_key: key.to_owned() };
        let response = self.identity.clone().exchange_api_key(request).await?.into_inner();
        let lifetime = Duration::from_secs(response.expires_in.try_into().unwrap_or(0));
        Ok(Token {
            text: response.access_token.into(),
            renew_at: started + lifetime.mul_f64(0.8),
            expires_at: started + lifetime,
        })
    }
}
