//! What operators and other verifiers of our tokens ask.

use axum::extract::State;
use bodega_proto::identity::v1::GetKeysRequest;
use bodega_runtime::transport::Transport;
use futures_util::future;
use http::{HeaderName, HeaderValue, header::CACHE_CONTROL};
use serde::Serialize;
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
    let neighbours = app.neighbours();
    let checks = [
        ("identity", &neighbours.identity),
        ("catalog", &neighbours.catalog),
        ("cart", &neighbours.cart),
        ("order", &neighbours.order),
    ]
    .map(async |(name, transport)| (name, serves(transport.clone()).await));
    let down: Vec<_> =
        future::join_all(checks).await.into_iter().filter(|(_, up)| !up).map(|(name, _)| name).collect();
    if down.is_empty() {
        Ok(Json(Healthy { status: "ok" }))
    } else {
        Err(Problem::unavailable(&format!("not ready: {}", down.join(", "))))
    }
}

async fn serves(transport: Transport) -> bool {
    let answer = HealthClient::new(transport).check(HealthCheckRequest::default()).await;
    answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
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
    let keys = app.tokens().get_keys(GetKeysRequest {}).await?.into_inner().keys;
    let keys = keys
        .into_iter()
        .map(|key| Key { kty: "OKP", crv: "Ed25519", alg: "EdDSA", r#use: "sig", kid: key.kid, x: key.x })
        .collect();
    Ok(([(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))], Json(KeySet { keys })))
}
