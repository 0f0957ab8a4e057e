//! Health checks, and the public keys of access tokens.

use axum::extract::State;
use http::{HeaderName, HeaderValue, header::CACHE_CONTROL};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{app::App, extract::Json, problem::Problem};

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
/// For readiness probes; anyone may call it. A gateway is ready as long as it can serve anything, also while a service or its
/// database is unavailable: `/status` reports that.
#[utoipa::path(
    get, path = "/readyz", tag = "Operations",
    responses(
        (status = OK, description = "The gateway can serve requests.", body = HealthStatus),
        (status = SERVICE_UNAVAILABLE, description = "The gateway is shutting down (`shutting_down`), or it has just \
            started and neither identity nor catalog is available (`upstream_unavailable`)."),
    )
)]
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<HealthStatus>, Problem> {
    if app.is_draining() {
        Err(Problem::shutting_down())
    } else if app.availability().clone().can_serve().await {
        Ok(Json(HealthStatus { status: "ok" }))
    } else {
        Err(Problem::unavailable("identity and catalog are unavailable"))
    }
}

/// The status of the store.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "degraded", "services": [
    {"name": "identity", "status": "ok"}, {"name": "catalog", "status": "ok"}, {"name": "cart", "status": "ok"},
    {"name": "order", "status": "unavailable"}
]}))]
pub(crate) struct StoreStatus {
    status: OverallStatus,
    /// The services, always in the same order.
    services: Vec<ServiceStatus>,
}

/// `ok`: all services are available; `degraded`: some; `unavailable`: none.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OverallStatus {
    Ok,
    Degraded,
    Unavailable,
}

/// The status of a service.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServiceStatus {
    /// `identity`, `catalog`, `cart` or `order`.
    name: &'static str,
    status: Availability,
}

/// `ok`: the service and its database respond; `unavailable`: one of them does not.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Availability {
    Ok,
    Unavailable,
}

/// Reports which services are available.
///
/// For people and monitoring; anyone may call it. The services are checked at most once a second. The status is 200 also
/// while services are unavailable: probes use `/healthz` and `/readyz`.
#[utoipa::path(
    get, path = "/status", tag = "Operations",
    responses((status = OK, description = "The status of the store and of each service.", body = StoreStatus))
)]
pub(crate) async fn status(State(app): State<App>) -> Json<StoreStatus> {
    let services = app.availability().services().await;
    let status = match services.iter().filter(|(_, is_available)| *is_available).count() {
        0 => OverallStatus::Unavailable,
        available if available < services.len() => OverallStatus::Degraded,
        _ => OverallStatus::Ok,
    };
    let services = services.map(|(name, is_available)| ServiceStatus {
        name,
        status: if is_available { Availability::Ok } else { Availability::Unavailable },
    });
    Json(StoreStatus { status, services: services.into() })
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
    let keys = app.verifier().public_keys().await?;
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
