//! Verifies access tokens against identity's public keys.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ::metrics::{Unit, describe_gauge, gauge};
use bodega_proto::identity::v1::{GetJwksRequest, Jwk, token_service_client::TokenServiceClient};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use moka::sync::Cache;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};
use tonic::{Code, Status};

use super::{AUDIENCE, Caller, Claims, ISSUER, TOKEN_TYPE};
use crate::{metrics::on_scrape, status, transport::Transport};

/// Maximum number of valid tokens in the cache, which spares their verification at each request.
const CACHED_TOKENS: u64 = 20_000;
/// Longer tokens are rejected without being parsed: identity issues no such token.
const MAX_TOKEN_BYTES: usize = 4096;
/// The keys are fetched at most this often, however many tokens name an unknown key.
const FETCH_INTERVAL: Duration = Duration::from_secs(1);
/// Keys that are published are not older, if identity is available.
const MAX_AGE: Duration = Duration::from_secs(5);
/// Seconds by which the clocks of two machines may differ.
const LEEWAY_SECONDS: u64 = 5;
/// `typ` of the tokens of earlier versions.
const EARLIER_TYPE: &str = "JWT";

pub(crate) fn describe_metrics() {
    describe_gauge!(
        "keys_age_seconds",
        Unit::Seconds,
        "Time since the keys that verify access tokens were fetched from identity."
    );
}

/// Verifies access tokens: signature, algorithm, type, key id, issuer, audience, start and expiry.
///
/// Fetches the keys from identity and caches them, so that tokens are accepted while identity is unavailable.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    identity: TokenServiceClient<Transport>,
    keys: RwLock<HashMap<String, DecodingKey>>,
    /// The same keys, in the order of identity.
    public_keys: RwLock<Vec<Jwk>>,
    /// When the keys were fetched.
    fetched_at: RwLock<Option<Instant>>,
    last_fetch: Mutex<Option<Fetch>>,
    valid: Cache<String, (Caller, i64)>,
    /// When the first token with [`TOKEN_TYPE`] was verified, in seconds since 1970.
    first_typed: OnceLock<i64>,
}

/// The last attempt to fetch the keys.
struct Fetch {
    at: Instant,
    outcome: Result<(), Status>,
}

impl Verifier {
    /// A verifier that fetches its keys from `identity`.
    pub fn new(identity: Transport) -> Self {
        let inner = Arc::new(Inner {
            identity: TokenServiceClient::new(identity),
            keys: RwLock::default(),
            public_keys: RwLock::default(),
            fetched_at: RwLock::default(),
            last_fetch: Mutex::default(),
            valid: Cache::new(CACHED_TOKENS),
            first_typed: OnceLock::new(),
        });
        on_scrape(&inner, |inner| {
            let fetched_at = inner.fetched_at.read().ok().and_then(|fetched_at| *fetched_at);
            if let Some(fetched_at) = fetched_at {
                gauge!("keys_age_seconds").set(fetched_at.elapsed().as_secs_f64());
            }
        });
        Self(inner)
    }

    /// Verifies an access token and returns its user.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` `invalid_token` or `expired_token`; `UNAVAILABLE` when the key is unknown and identity cannot be
    /// reached.
    pub async fn verify(&self, token: &str) -> Result<Caller, Status> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(invalid_token());
        }
        if let Some((caller, expires_at)) = self.0.valid.get(token) {
            if expires_at > now() {
                return Ok(caller);
            }
            self.0.valid.invalidate(token);
        }

        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid_token())?;
        // RFC 7515: a token with a critical extension is rejected unless the extension is understood.
        if header.crit.is_some() {
            return Err(invalid_token());
        }
        let kid = header.kid.as_deref().ok_or_else(invalid_token)?;
        let key = self.key(kid).await?.ok_or_else(invalid_token)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation())
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => expired_token(),
                _ => invalid_token(),
            })?
            .claims;

        let is_typed = self.check_type(&header, &claims)?;
        let expires_at = claims.exp;
        let caller = Caller::from(claims);
        if is_typed {
            self.0.valid.insert(token.to_owned(), (caller.clone(), expires_at));
        }
        Ok(caller)
    }

    /// Returns the user of an access token that was verified before, without any work for other tokens.
    pub fn known(&self, token: &str) -> Option<Caller> {
        let (caller, expires_at) = self.0.valid.get(token)?;
        (expires_at > now()).then_some(caller)
    }

    /// Returns the public keys. However many calls there are, identity is asked only when the keys are old, and by one call at
    /// a time; the others, and all while identity is unavailable, get the keys that are known.
    ///
    /// # Errors
    /// When no keys are known, and identity cannot be reached.
    pub async fn public_keys(&self) -> Result<Vec<Jwk>, Status> {
        if !self.has_keys() {
            self.fetch().await?;
        } else if self.age().is_none_or(|age| age > MAX_AGE)
            && let Ok(last_fetch) = self.0.last_fetch.try_lock()
        {
            let _ = self.fetch_once(last_fetch).await;
        }
        Ok(self.0.public_keys.read().map(|keys| keys.clone()).unwrap_or_default())
    }

    fn age(&self) -> Option<Duration> {
        let fetched_at = *self.0.fetched_at.read().ok()?;
        fetched_at.map(|fetched_at| fetched_at.elapsed())
    }

    /// Returns whether a token has [`TOKEN_TYPE`]. During an upgrade, identity may still issue tokens with [`EARLIER_TYPE`]: they
    /// are accepted for the lifetime of one token after the first one with [`TOKEN_TYPE`].
    fn check_type(&self, header: &Header, claims: &Claims) -> Result<bool, Status> {
        match header.typ.as_deref() {
            Some(typ) if typ.eq_ignore_ascii_case(TOKEN_TYPE) => {
                self.0.first_typed.get_or_init(now);
                Ok(true)
            }
            Some(EARLIER_TYPE) => {
                let lifetime = claims.exp.saturating_sub(claims.iat);
                let is_accepted =
                    self.0.first_typed.get().is_none_or(|first| now() < first.saturating_add(lifetime));
                if is_accepted { Ok(false) } else { Err(invalid_token()) }
            }
            _ => Err(invalid_token()),
        }
    }

    /// Returns whether some keys are cached.
    pub fn has_keys(&self) -> bool {
        self.0.keys.read().is_ok_and(|keys| !keys.is_empty())
    }

    /// Fetches the keys unless some are cached.
    ///
    /// # Errors
    /// When identity cannot be reached.
    pub async fn ensure_keys(&self) -> Result<(), Status> {
        if self.has_keys() { Ok(()) } else { self.fetch().await }
    }

    async fn key(&self, kid: &str) -> Result<Option<DecodingKey>, Status> {
        if let Some(key) = self.known_key(kid) {
            return Ok(Some(key));
        }
        self.fetch().await?;
        Ok(self.known_key(kid))
    }

    fn known_key(&self, kid: &str) -> Option<DecodingKey> {
        self.0.keys.read().ok()?.get(kid).cloned()
    }

    /// Fetches the keys, one call at a time and not more often than [`FETCH_INTERVAL`].
    async fn fetch(&self) -> Result<(), Status> {
        self.fetch_once(self.0.last_fetch.lock().await).await
    }

    async fn fetch_once(&self, mut last_fetch: MutexGuard<'_, Option<Fetch>>) -> Result<(), Status> {
        if last_fetch.as_ref().is_some_and(|fetch| fetch.at.elapsed() < FETCH_INTERVAL) {
            return last_fetch.as_ref().map_or(Ok(()), |fetch| fetch.outcome.clone());
        }
        let outcome = self.fetch_now().await;
        *last_fetch = Some(Fetch { at: Instant::now(), outcome: outcome.clone() });
        outcome
    }

    async fn fetch_now(&self) -> Result<(), Status> {
        let response = self.0.identity.clone().get_jwks(GetJwksRequest {}).await;
        let keys = response.map_err(status::upstream)?.into_inner().keys;
        let mut decoded = HashMap::new();
        for key in &keys {
            let decoding_key = DecodingKey::from_ed_components(&key.x).map_err(status::internal)?;
            decoded.insert(key.kid.clone(), decoding_key);
        }
        if let Ok(mut known) = self.0.public_keys.write() {
            *known = keys;
        }
        if let Ok(mut known) = self.0.keys.write() {
            *known = decoded;
        }
        if let Ok(mut fetched_at) = self.0.fetched_at.write() {
            *fetched_at = Some(Instant::now());
        }
        Ok(())
    }
}

fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.validate_nbf = true;
    validation.leeway = LEEWAY_SECONDS;
    validation
}

fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}

fn invalid_token() -> Status {
    status::rejected(Code::Unauthenticated, "invalid_token", "the access token is invalid")
}

fn expired_token() -> Status {
    status::rejected(Code::Unauthenticated, "expired_token", "the access token has expired")
}
