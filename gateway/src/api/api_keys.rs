//! `/api/admin/api-keys`: keys for machines.

use axum::extract::State;
use bodega_proto::identity::v1::{self as pb, CreateApiKeyRequest, ListApiKeysRequest, RevokeApiKeyRequest};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::App,
    extract::{Admin, Json, Path},
    json::Timestamp,
    problem::Problem,
    response::{Created, present},
};

/// Default of `expiresInDays`.
const DAYS: i32 = 90;

/// What an API key may do.
#[derive(Debug, Serialize, ToSchema)]
#[expect(dead_code, reason = "documents the values, which identity checks")]
enum Scope {
    /// Create, change and delete products, their images and stock, categories and tags.
    #[serde(rename = "catalog:write")]
    CatalogWrite,
    /// Read the orders and payments of all customers.
    #[serde(rename = "orders:read")]
    OrdersRead,
    /// Change the status of orders, and cancel unpaid ones.
    #[serde(rename = "orders:write")]
    OrdersWrite,
    /// Move money: cancel paid orders, which refunds them, and resolve payments.
    #[serde(rename = "payments:write")]
    PaymentsWrite,
    /// Read users.
    #[serde(rename = "users:read")]
    UsersRead,
    /// Read the audit log.
    #[serde(rename = "audit:read")]
    AuditRead,
    /// Read and change settings, taxes, shipping zones and discounts.
    #[serde(rename = "settings:write")]
    SettingsWrite,
}

/// An API key, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10", "name": "warehouse", "scopes": ["orders:read", "orders:write"],
    "createdBy": "0197f0c5-9a61-7d52-8d0b-0c1f4e9b2a77", "createdAt": "2026-11-21T09:30:00.123456Z",
    "expiresAt": "2027-02-19T09:30:00.123456Z", "lastUsedAt": null
}))]
pub(crate) struct ApiKey {
    /// Id of the key, a UUIDv7.
    id: String,
    /// What the key is for.
    name: String,
    /// What the key may do.
    #[schema(value_type = Vec<Scope>)]
    scopes: Vec<String>,
    /// Id of the admin who has created the key.
    created_by: String,
    /// When the key was created.
    created_at: Timestamp,
    /// When the key stops working.
    expires_at: Timestamp,
    /// When the key was last used, at most 5 minutes too early; null for a key that was never used.
    #[schema(required)]
    last_used_at: Option<Timestamp>,
}

impl From<pb::ApiKey> for ApiKey {
    fn from(key: pb::ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            scopes: key.scopes,
            created_by: key.created_by,
            created_at: key.created_at.into(),
            expires_at: key.expires_at.into(),
            last_used_at: Timestamp::of(key.last_used_at),
        }
    }
}

/// The API keys that work.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"items": [{
    "id": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10", "name": "warehouse", "scopes": ["orders:read", "orders:write"],
    "createdBy": "0197f0c5-9a61-7d52-8d0b-0c1f4e9b2a77", "createdAt": "2026-11-21T09:30:00.123456Z",
    "expiresAt": "2027-02-19T09:30:00.123456Z", "lastUsedAt": null
}]}))]
pub(crate) struct ApiKeyList {
    /// Newest first, at most 100.
    items: Vec<ApiKey>,
}

/// A new API key with its text.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10", "name": "warehouse", "scopes": ["orders:read", "orders:write"],
    "createdBy": "0197f0c5-9a61-7d52-8d0b-0c1f4e9b2a77", "createdAt": "2026-11-21T09:30:00.123456Z",
    "expiresAt": "2027-02-19T09:30:00.123456Z", "lastUsedAt": null,
    "key": "bodega_pQ3vJt0bYc8dSgk0QmV0JwkR6x0hYbYc8dSgk0QmV0I"
}))]
pub(crate) struct CreatedApiKey {
    #[serde(flatten)]
    api_key: ApiKey,
    /// The text of the key, to be sent as `Authorization: Bearer <key>`. It cannot be read again.
    key: String,
}

/// An API key to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"name": "warehouse", "scopes": ["orders:read", "orders:write"], "expiresInDays": 90}))]
pub(crate) struct ApiKeyInput {
    /// What the key is for.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What the key may do.
    #[schema(value_type = Vec<Scope>, min_items = 1)]
    scopes: Vec<String>,
    /// Days until the key expires.
    #[serde(default = "days")]
    #[schema(minimum = 1, maximum = 365, default = 90)]
    expires_in_days: i32,
}

fn days() -> i32 {
    DAYS
}

/// Lists the API keys that work.
///
/// Requires an admin's access token. Newest keys first.
#[utoipa::path(
    get, path = "/api/admin/api-keys", tag = "API keys", security(("bearer" = [])),
    responses((status = OK, description = "The API keys.", body = ApiKeyList), (status = FORBIDDEN))
)]
pub(crate) async fn list(State(app): State<App>, _: Admin) -> Result<Json<ApiKeyList>, Problem> {
    let response = app.identity().list_api_keys(ListApiKeysRequest {}).await?.into_inner();
    Ok(Json(ApiKeyList { items: response.api_keys.into_iter().map(ApiKey::from).collect() }))
}

/// Creates an API key.
///
/// Requires an admin's access token. The response is the only one with the text of the key. The key works until it expires or
/// is revoked, and as long as the admin is one.
#[utoipa::path(
    post, path = "/api/admin/api-keys", tag = "API keys", request_body = ApiKeyInput, security(("bearer" = [])),
    responses(
        (status = CREATED, description = "API key created.", body = CreatedApiKey),
        (status = FORBIDDEN),
        (status = CONFLICT, description = "There are 100 API keys (`too_many_api_keys`)."),
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    _: Admin,
    Json(input): Json<ApiKeyInput>,
) -> Result<Created<CreatedApiKey>, Problem> {
    let request = CreateApiKeyRequest {
        name: input.name,
        scopes: input.scopes,
        expires_in_days: input.expires_in_days,
    };
    let response = app.identity().create_api_key(request).await?.into_inner();
    let api_key = ApiKey::from(present(response.api_key)?);
    let location = format!("/api/admin/api-keys/{}", api_key.id);
    Ok(Created::at(location, CreatedApiKey { api_key, key: response.key }))
}

/// Revokes an API key.
///
/// Requires an admin's access token. Requests with the key are rejected at once.
#[utoipa::path(
    delete, path = "/api/admin/api-keys/{id}", tag = "API keys",
    params(("id" = Uuid, Path, description = "Id of the API key.")), security(("bearer" = [])),
    responses(
        (status = NO_CONTENT, description = "API key revoked. No content."),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "No API key with this id works (`api_key_not_found`)."),
    )
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let id = id.to_string();
    app.identity().revoke_api_key(RevokeApiKeyRequest { id: id.clone() }).await?;
    app.revocations().extend(&[id]);
    Ok(StatusCode::NO_CONTENT)
}
