//! What operators and other verifiers of our tokens ask.

use axum::extract::State;
use bodega_proto::identity::v1::GetJwksRequest;
use bodega_runtime::{timeouts, transport::Transport};
use futures_util::future;
use http::{HeaderName, HeaderValue, header::CACHE_CONTROL};
use serde::Serialize;
use tonic::Status;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use utoipa::ToSchema;

use crate::{app::App, extract::Json, problem::Problem};

/// That it is so.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "ok"}))]
pub(crate) struct Healthy {
    /// Always `ok`.
    status: &'static str,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "Operations", responses((status = OK, body = Healthy)))]
pub(crate) async fn live() -> Json<Healthy> {
    Json(Healthy { status: "ok" })
}

/// Whether it can serve: every service answers, and so does its database.
#[utoipa::path(
    get, path = "/readyz", tag = "Operations",
    responses((status = OK, body = Healthy))
)]
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<Healthy>, Problem> {
    if app.is_leaving() {
        return Err(Problem::unavailable("not ready: the gateway is leaving"));
    }
    let neighbours = app.neighbours();
    let checks = [
        ("identity", &neighbours.identity),
        ("catalog", &neighbours.catalog),
        ("cart", &neighbours.cart),
        ("order", &neighbours.order),
    ]
    .map(async |(name, transport)| (name, serves(transport.clone()).await));
    // Without its keys nobody is signed in; once here, they stay.
    let keys = async { ("keys of identity", in_time(app.verifier().ready()).await.is_some()) };
    let (services, keys) = future::join(future::join_all(checks), keys).await;
    let checks = services.into_iter().chain([keys]);
    let down: Vec<_> = checks.filter(|(_, up)| !up).map(|(name, _)| name).collect();
    if down.is_empty() {
        Ok(Json(Healthy { status: "ok" }))
    } else {
        Err(Problem::unavailable(&format!("not ready: {}", down.join(", "))))
    }
}

async fn serves(transport: Transport) -> bool {
    let answer = in_time(HealthClient::new(transport).check(HealthCheckRequest::default())).await;
    answer.is_some_and(|answer| answer.get_ref().status() == ServingStatus::Serving)
}

/// What is answered well and soon.
async fn in_time<T>(asked: impl Future<Output = Result<T, Status>>) -> Option<T> {
    tokio::time::timeout(timeouts::HEALTH_CHECK, asked).await.ok()?.ok()
}

/// A JSON Web Key Set, as RFC 7517 has it.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeySet {
    /// The one that signs comes first.
    keys: Vec<Key>,
}

/// An Ed25519 public key, as RFC 8037 has it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Key {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    r#use: &'static str,
    kid: String,
    x: String,
}

/// The public keys that verify access tokens.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "Operations",
    responses((status = OK, body = KeySet))
)]
pub(crate) async fn keys(
    State(app): State<App>,
) -> Result<([(HeaderName, HeaderValue); 1], Json<KeySet>), Problem> {
    let keys = app.tokens().get_jwks(GetJwksRequest {}).await?.into_inner().keys;
    let keys = keys
        .into_iter()
        .map(|key| Key { kty: "OKP", crv: "Ed25519", alg: "EdDSA", r#use: "sig", kid: key.kid, x: key.x })
        .collect();
    Ok(([(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))], Json(KeySet { keys })))
}
