//! An identity that signs access tokens, and two services that authenticate their calls.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bodega_proto::{
    cart::v1::{
        ClearOrderedRequest, ClearOrderedResponse, GetPricedSnapshotRequest, GetPricedSnapshotResponse,
        GetSnapshotRequest, GetSnapshotResponse,
        checkout_service_client::CheckoutServiceClient,
        checkout_service_server::{CheckoutService, CheckoutServiceServer},
    },
    identity::v1::{
        ExchangeApiKeyRequest, ExchangeApiKeyResponse, GetJwksRequest, GetJwksResponse, Jwk,
        WatchRevocationsRequest, WatchRevocationsResponse,
        token_service_server::{TokenService, TokenServiceServer},
    },
};
use bodega_runtime::{
    auth::{AUDIENCE, Caller, Claims, ISSUER, Role, ServiceToken, TOKEN_TYPE, Verifier},
    context::CallContext,
    database::Pool,
    server::{AuthLayer, Service},
    transport::Transport,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use tokio::net::TcpListener;
use tokio_stream::Pending;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes};
use uuid::Uuid;

/// Signs access tokens, and serves the public key.
#[derive(Clone)]
pub(crate) struct Identity {
    signing: EncodingKey,
    public: Jwk,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Self {
            signing: EncodingKey::from_ed_der(pkcs8.as_ref()),
            public: Jwk { kid: Uuid::now_v7().to_string(), x },
        }
    }

    pub(crate) fn kid(&self) -> &str {
        &self.public.kid
    }

    pub(crate) fn transport(&self) -> Transport {
        Transport::unauthenticated(Routes::new(TokenServiceServer::new(self.clone())))
    }

    /// Returns a token with claims that are valid until `change` changes them.
    pub(crate) fn token(&self, change: impl FnOnce(&mut Claims)) -> String {
        self.token_with_kid(self.kid(), change)
    }

    /// As [`Identity::token`], with the key id `kid`.
    pub(crate) fn token_with_kid(&self, kid: &str, change: impl FnOnce(&mut Claims)) -> String {
        let mut claims = claims();
        change(&mut claims);
        let mut header = self.header();
        header.kid = Some(kid.to_owned());
        self.sign(&header, &claims)
    }

    /// The header of a valid token.
    pub(crate) fn header(&self) -> Header {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(self.kid().to_owned());
        header
    }

    /// Signs a token with any header and claims.
    pub(crate) fn sign(&self, header: &Header, claims: &impl serde::Serialize) -> String {
        jsonwebtoken::encode(header, claims, &self.signing).unwrap()
    }
}

/// The claims of a valid token.
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
    type WatchRevocationsStream = Pending<Result<WatchRevocationsResponse, Status>>;

    async fn get_jwks(&self, _: Request<GetJwksRequest>) -> Result<Response<GetJwksResponse>, Status> {
        Ok(Response::new(GetJwksResponse { keys: vec![self.public.clone()] }))
    }

    async fn exchange_api_key(
        &self,
        _: Request<ExchangeApiKeyRequest>,
    ) -> Result<Response<ExchangeApiKeyResponse>, Status> {
        Err(Status::unimplemented("not part of the tests"))
    }

    async fn watch_revocations(
        &self,
        _: Request<WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        Ok(Response::new(tokio_stream::pending()))
    }
}

/// The caller and the context of a call.
#[derive(Clone, Debug)]
pub(crate) struct RecordedCall {
    pub(crate) caller: Option<Caller>,
    pub(crate) context: CallContext,
}

/// A service that records its calls. The user id `slow` makes a call take a minute, and `panic` makes it panic.
#[derive(Clone, Default)]
pub(crate) struct RecordingService {
    calls: Arc<std::sync::Mutex<Vec<RecordedCall>>>,
    next: Option<Transport>,
}

impl RecordingService {
    pub(crate) fn last(&self) -> RecordedCall {
        self.calls.lock().unwrap().last().cloned().unwrap()
    }
}

#[tonic::async_trait]
impl CheckoutService for RecordingService {
    async fn get_snapshot(
        &self,
        request: Request<GetSnapshotRequest>,
    ) -> Result<Response<GetSnapshotResponse>, Status> {
        let caller = Caller::maybe_of(&request);
        self.calls.lock().unwrap().push(RecordedCall { caller, context: CallContext::current() });
        match request.get_ref().user_id.as_str() {
            "slow" => tokio::time::sleep(Duration::from_secs(60)).await,
            "panic" => panic!("requested by the test"),
            _ => {}
        }
        if let Some(next) = self.next.clone() {
            CheckoutServiceClient::new(next).get_snapshot(request.into_inner()).await?;
        }
        Ok(Response::new(GetSnapshotResponse::default()))
    }

    async fn get_priced_snapshot(
        &self,
        _: Request<GetPricedSnapshotRequest>,
    ) -> Result<Response<GetPricedSnapshotResponse>, Status> {
        Ok(Response::new(GetPricedSnapshotResponse::default()))
    }

    async fn clear_ordered(
        &self,
        _: Request<ClearOrderedRequest>,
    ) -> Result<Response<ClearOrderedResponse>, Status> {
        Ok(Response::new(ClearOrderedResponse {}))
    }
}

/// A pool that cannot connect.
pub(crate) fn unreachable_database() -> Pool {
    Pool::new("postgres://user@127.0.0.1:1/none".parse().unwrap(), 10, Duration::from_millis(10))
}

/// A front service, over a socket, that calls a back service; both authenticate their calls.
pub(crate) struct Harness {
    pub(crate) identity: Identity,
    pub(crate) auth: AuthLayer,
    pub(crate) front: RecordingService,
    pub(crate) back: RecordingService,
    pub(crate) address: std::net::SocketAddr,
}

impl Harness {
    pub(crate) async fn start() -> Self {
        let identity = Identity::new();
        let auth = AuthLayer {
            service_token: ServiceToken::random(),
            verifier: Verifier::new(identity.transport()),
        };
        let shutdown = CancellationToken::new();

        let back = RecordingService::default();
        let routes = Routes::new(CheckoutServiceServer::new(back.clone()));
        let back_service = Service::new("back", routes, unreachable_database(), shutdown.clone()).await;
        let front =
            RecordingService { next: Some(back_service.transport(&auth)), ..RecordingService::default() };
        let routes = Routes::new(CheckoutServiceServer::new(front.clone()));
        let service = Service::new("front", routes, unreachable_database(), shutdown).await;

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server_auth = auth.clone();
        tokio::spawn(async move { service.serve(&server_auth, listener).await });
        Self { identity, auth, front, back, address }
    }

    /// A transport to the front service with a service token.
    pub(crate) fn transport(&self, token: &ServiceToken) -> Transport {
        Transport::remote("front", format!("http://{}", self.address).parse().unwrap(), token)
    }

    /// Calls the front service in a context.
    pub(crate) async fn call(&self, context: CallContext, user_id: &str) -> Result<(), Status> {
        let mut client = CheckoutServiceClient::new(self.transport(&self.auth.service_token));
        let request = GetSnapshotRequest { user_id: user_id.to_owned() };
        context.scope(client.get_snapshot(request)).await.map(|_| ())
    }

    /// Calls the front service with an access token.
    pub(crate) async fn call_as(&self, access_token: &str) -> Result<(), Status> {
        self.call(CallContext::default().with_bearer(access_token), "").await
    }
}
