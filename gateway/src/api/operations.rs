//! Health checks, and the public keys of access tokens.

use std::time::Duration;

use axum::extract::State;
use bodega_proto::identity::v1::GetJwksRequest;
use bodega_runtime::transport::Transport;
use futures_util::future;
use http::{HeaderName, HeaderValue, header::CACHE_CONTROL};
use serde::Serialize;
use tonic::Status;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use utoipa::ToSchema;

use crate::{app::App, extract::Json, problem::Problem};

/// Timeout of the readiness checks; below the timeout of a Kubernetes probe, which is one second.
const HEALTH_TIMEOUT: Duration = Duration::from_millis(800);

/// The result of a health check.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "ok"}))]
pub(crate) struct HealthStatus {
    /// Always `ok`.
    status: &'static str,
}

/// Reports that the process is alive.
///
/// For liveness probes; anyone may call it. Does not depend on any service or database.
#[utoipa::path(
    get, path = "/healthz", tag = "Operations",
    responses((status = OK, description = "The process is alive.", body = HealthStatus))
)]
pub(crate) async fn live() -> Json<HealthStatus> {
    Json(HealthStatus { status: "ok" })
}

/// Reports whether the gateway can serve requests.
///
/// For readiness probes; anyone may call it. Checks every service and its database.
#[utoipa::path(
    get, path = "/readyz", tag = "Operations",
    responses(
        (status = OK, description = "The gateway can serve requests.", body = HealthStatus),
        (status = SERVICE_UNAVAILABLE,
            description = "The gateway is shutting down, or a service is unavailable; `detail` names each."),
    )
)]
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<HealthStatus>, Problem> {
    if app.is_shutting_down() {
        return Err(Problem::unavailable("not ready: the gateway is shutting down"));
    }
    let upstreams = app.upstreams();
    let checks = [
        ("identity", &upstreams.identity),
        ("catalog", &upstreams.catalog),
        ("cart", &upstreams.cart),
        ("order", &upstreams.order),
    ]
    .map(async |(name, transport)| (name, is_serving(transport.clone()).await));
    // Without the keys, no access token can be verified. They are fetched once.
    let keys = async { ("keys of identity", before_timeout(app.verifier().ensure_keys()).await.is_some()) };
    let (services, keys) = future::join(future::join_all(checks), keys).await;
    let checks = services.into_iter().chain([keys]);
    let unavailable: Vec<_> = checks.filter(|(_, is_serving)| !is_serving).map(|(name, _)| name).collect();
    if unavailable.is_empty() {
        Ok(Json(HealthStatus { status: "ok" }))
    } else {
        Err(Problem::unavailable(&format!("not ready: {}", unavailable.join(", "))))
    }
}

async fn is_serving(transport: Transport) -> bool {
    let response = before_timeout(HealthClient::new(transport).check(HealthCheckRequest::default())).await;
    response.is_some_and(|response| response.get_ref().status() == ServingStatus::Serving)
}

async fn before_timeout<T>(check: impl Future<Output = Result<T, Status>>) -> Option<T> {
    tokio::time::timeout(HEALTH_TIMEOUT, check).await.ok()?.ok()
}

/// A JSON Web Key Set (RFC 7517).
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"keys": [{
    "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
}]}))]
pub(crate) struct JsonWebKeySet {
    /// Public keys; the first is the one that signs new access tokens.
    keys: Vec<JsonWebKey>,
}

/// An Ed25519 public key (RFC 8037).
#[derive(Serialize, ToSchema)]
pub(crate) struct JsonWebKey {
    /// Key type, always `OKP`.
    kty: &'static str,
    /// Curve, always `Ed25519`.
    crv: &'static str,
    /// Algorithm, always `EdDSA`.
    alg: &'static str,
    /// Use, always `sig`.
    r#use: &'static str,
    /// Id of the key, as in the header of an access token.
    kid: String,
    /// Public key, base64url.
    x: String,
}

/// Returns the public keys that verify access tokens.
///
/// Anyone may call it.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "Operations",
    responses((status = OK, description = "The key set.", body = JsonWebKeySet))
)]
pub(crate) async fn keys(
    State(app): State<App>,
) -> Result<([(HeaderName, HeaderValue); 1], Json<JsonWebKeySet>), Problem> {
    let keys = app.tokens().get_jwks(GetJwksRequest {}).await?.into_inner().keys;
    let keys = keys
        .into_iter()
        .map(|key| JsonWebKey {
            kty: "OKP",
            crv: "Ed25519",
            alg: "EdDSA",
            r#use: "sig",
            kid: key.kid,
            x: key.x,
        })
        .collect();
    let caching = HeaderValue::from_static("public, max-age=300");
    Ok(([(CACHE_CONTROL, caching)], Json(JsonWebKeySet { keys })))
}
