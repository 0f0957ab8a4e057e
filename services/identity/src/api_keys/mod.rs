//! API keys: machines that call the API with the scopes that an admin has given them.
//!
//! A key is random, and stored as a hash. The gateway exchanges it for an access token of a few minutes ([`exchange`]), with
//! which all services verify the calls; a revoked key reaches the gateways like an ended session. A key works as long as its
//! creator is an admin.

pub(crate) mod db;

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bodega_audit::{Actor, Event, Subject};
use bodega_proto::identity::v1 as pb;
use bodega_runtime::{
    auth::{API_KEY_PREFIX, Caller, Scope},
    database::Pool,
    status::Violations,
};
use serde_json::json;
use tracing::info;
use uuid::Uuid;

use self::db::{ApiKey, NewApiKey};
use crate::{AUDIT, error::Error, sessions::refresh_token, signing::Signer, users::User};

/// Maximum number of keys that work.
const MAX_KEYS: i64 = 100;
const MAX_NAME_CHARS: usize = 100;
const MAX_DAYS: i32 = 365;
/// Maximum lifetime of an access token. The last use of a key is known to this precision.
const TOKEN_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Creates a key. Returns it with its text, which is not stored.
pub(crate) async fn create(
    db: &Pool,
    creator: &User,
    request: &pb::CreateApiKeyRequest,
) -> Result<(ApiKey, String), Error> {
    let mut violations = Violations::new();
    violations.require_text(&request.name, 1, MAX_NAME_CHARS, "name");
    let mut scopes = Vec::new();
    for (index, scope) in request.scopes.iter().enumerate() {
        match scope.parse::<Scope>() {
            Ok(scope) => scopes.push(scope),
            Err(message) => violations.add(format!("scopes[{index}]"), message),
        }
    }
    violations.require(!request.scopes.is_empty(), "scopes", "must not be empty");
    let is_valid = (1..=MAX_DAYS).contains(&request.expires_in_days);
    violations.require(is_valid, "expires_in_days", format!("must be between 1 and {MAX_DAYS}"));
    violations.finish()?;

    scopes.sort_unstable();
    scopes.dedup();
    let bytes: [u8; 32] = rand::random();
    let key = format!("{API_KEY_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
    let new = NewApiKey {
        id: Uuid::now_v7(),
        name: request.name.trim(),
        hash: &refresh_token::hash(&key),
        scopes: &scopes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        created_by: creator.id,
        days: request.expires_in_days,
    };
    let mut transaction = db.begin().await?;
    let created = db::insert(&mut *transaction, &new, MAX_KEYS).await?.ok_or(Error::TooManyApiKeys)?;
    let event =
        Event::new("api_key.created", Actor::User(creator.id)).on(Subject::new("api_key", created.id));
    let details = json!({ "scopes": created.scopes, "expiresInDays": request.expires_in_days });
    AUDIT.record(&mut transaction, event.details(details)).await?;
    transaction.commit().await?;
    info!(api_key.id = %created.id, user.id = %creator.id, "API key created");
    Ok((created, key))
}

/// Exchanges a key for an access token. Returns it with its lifetime.
pub(crate) async fn exchange(db: &Pool, signer: &Signer, key: &str) -> Result<(String, Duration), Error> {
    let found = db::find_active(db, &refresh_token::hash(key)).await?.ok_or(Error::InvalidApiKey)?;
    let remaining = Duration::try_from_secs_f64(found.remaining_seconds).unwrap_or_default();
    if found.is_use_due {
        db::record_use(db, found.id).await?;
    }
    let (token, lifetime) =
        signer.api_key_token(found.id, &found.scopes.join(" "), remaining.min(TOKEN_LIFETIME))?;
    Ok((token, lifetime))
}

/// Revokes a key. Returns its id, for the stream of revocations.
pub(crate) async fn revoke(db: &Pool, caller: &Caller, id: Uuid) -> Result<Uuid, Error> {
    let mut transaction = db.begin().await?;
    let ended = db::end(&mut *transaction, id).await?.ok_or(Error::ApiKeyNotFound)?;
    let event = Event::new("api_key.revoked", caller).on(Subject::new("api_key", id));
    AUDIT.record(&mut transaction, event).await?;
    transaction.commit().await?;
    info!(api_key.id = %ended, "API key revoked");
    Ok(ended)
}
