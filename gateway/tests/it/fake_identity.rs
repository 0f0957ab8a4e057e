//! A fake identity service that signs real tokens and streams ended sessions.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bodega_proto::identity::v1::{
    ExchangeApiKeyRequest, ExchangeApiKeyResponse, GetJwksRequest, GetJwksResponse, Jwk,
    WatchRevocationsRequest, WatchRevocationsResponse,
    token_service_server::{TokenService, TokenServiceServer},
};
use bodega_runtime::{
    auth::{AUDIENCE, Claims, ISSUER, Role},
    status,
    transport::Transport,
};
use futures_util::{StreamExt as _, stream::BoxStream};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tonic::{Code, Request, Response, Status, service::Routes};
use tower::{ServiceExt as _, util::BoxCloneSyncService};
use uuid::Uuid;

use crate::fake_service::{FakeService, in_process};

/// Signs tokens, publishes the key that verifies them, and streams ended sessions; a test defines the other responses.
#[derive(Clone)]
pub(crate) struct Identity {
    /// `IdentityService`.
    pub(crate) service: FakeService,
    signing: EncodingKey,
    public: Jwk,
    ended_sessions: watch::Sender<Vec<String>>,
    /// The keys that were sent, and the scopes of the one that works.
    api_keys: Arc<Mutex<(Vec<String>, Option<ApiKey>)>>,
    /// The number of calls for the public keys.
    pub(crate) key_calls: Arc<AtomicU32>,
}

/// An API key that works.
#[derive(Clone)]
pub(crate) struct ApiKey {
    pub(crate) text: String,
    pub(crate) id: Uuid,
    pub(crate) scope: String,
    pub(crate) lifetime: i64,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Self {
            service: FakeService::default(),
            signing: EncodingKey::from_ed_der(pkcs8.as_ref()),
            public: Jwk { kid: Uuid::now_v7().to_string(), x },
            ended_sessions: watch::Sender::default(),
            api_keys: Arc::default(),
            key_calls: Arc::default(),
        }
    }

    pub(crate) fn kid(&self) -> &str {
        &self.public.kid
    }

    /// The public key in base64url.
    pub(crate) fn public_key(&self) -> &str {
        &self.public.x
    }

    /// The access token of a user.
    pub(crate) fn user(&self) -> String {
        self.token(|_| {})
    }

    /// The access token of an admin.
    pub(crate) fn admin(&self) -> String {
        self.token(|claims| claims.role = Role::Admin)
    }

    /// The access token of a user, with changed claims.
    pub(crate) fn token(&self, change: impl FnOnce(&mut Claims)) -> String {
        self.token_with_kid(self.kid(), change)
    }

    /// The access token of a user, with changed claims and another key id.
    pub(crate) fn token_with_kid(&self, kid: &str, change: impl FnOnce(&mut Claims)) -> String {
        let mut claims = claims();
        change(&mut claims);
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(kid.to_owned());
        header.typ = Some("at+jwt".to_owned());
        jsonwebtoken::encode(&header, &claims, &self.signing).unwrap()
    }

    /// Accepts an API key, instead of any other one.
    pub(crate) fn accept_api_key(&self, key: Option<ApiKey>) {
        self.api_keys.lock().unwrap().1 = key;
    }

    /// Returns the keys that were exchanged, and those that were rejected.
    pub(crate) fn sent_api_keys(&self) -> Vec<String> {
        self.api_keys.lock().unwrap().0.clone()
    }

    /// Streams the end of a session to every gateway.
    pub(crate) fn end_session(&self, session: Uuid) {
        self.ended_sessions.send_modify(|ended| ended.push(session.to_string()));
    }

    pub(crate) fn transport(&self) -> Transport {
        let tokens = Routes::new(TokenServiceServer::new(self.clone())).prepare();
        let service = self.service.clone();
        in_process(
            "identity",
            BoxCloneSyncService::new(tower::service_fn(move |request: http::Request<_>| {
                let (tokens, service) = (tokens.clone(), service.clone());
                async move {
                    if request.uri().path().contains("TokenService") {
                        tokens.oneshot(request).await
                    } else {
                        Ok(service.handle(request).await)
                    }
                }
            })),
        )
    }
}

/// The claims of the access token of a user.
pub(crate) fn claims() -> Claims {
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    Claims {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: Uuid::now_v7(),
        sid: Uuid::now_v7(),
        role: Role::User,
        iat: now,
        exp: now + 900,
        jti: Uuid::now_v7(),
        scope: String::new(),
        second_factor_at: None,
        second_factor_missing: false,
    }
}

#[tonic::async_trait]
impl TokenService for Identity {
    type WatchRevocationsStream = BoxStream<'static, Result<WatchRevocationsResponse, Status>>;

    async fn get_jwks(&self, _: Request<GetJwksRequest>) -> Result<Response<GetJwksResponse>, Status> {
        self.key_calls.fetch_add(1, Ordering::Relaxed);
        Ok(Response::new(GetJwksResponse { keys: vec![self.public.clone()] }))
    }

    async fn exchange_api_key(
        &self,
        request: Request<ExchangeApiKeyRequest>,
    ) -> Result<Response<ExchangeApiKeyResponse>, Status> {
        let mut api_keys = self.api_keys.lock().unwrap();
        let text = request.into_inner().api_key;
        api_keys.0.push(text.clone());
        let Some(key) = api_keys.1.as_ref().filter(|key| key.text == text) else {
            let message = "the API key is unknown, expired or revoked";
            return Err(status::rejected(Code::Unauthenticated, "invalid_token", message));
        };
        let access_token = self.token(|claims| {
            (claims.sub, claims.sid, claims.role) = (key.id, key.id, Role::ApiKey);
            claims.scope.clone_from(&key.scope);
        });
        Ok(Response::new(ExchangeApiKeyResponse { access_token, expires_in: key.lifetime }))
    }

    async fn watch_revocations(
        &self,
        _: Request<WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        let ended = WatchStream::new(self.ended_sessions.subscribe());
        let messages = ended.map(|session_ids| Ok(WatchRevocationsResponse { session_ids }));
        Ok(Response::new(messages.boxed()))
    }
}
