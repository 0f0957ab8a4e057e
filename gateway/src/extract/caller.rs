//! Authentication of a request.

use std::{convert::Infallible, sync::Arc};

use axum::{extract::FromRequestParts, http::request::Parts};
use bodega_runtime::auth::Caller;
use http::{HeaderMap, header::AUTHORIZATION};
use tonic::Status;
use uuid::Uuid;

use crate::{api_keys::ApiKeys, app::App, problem::Problem};

/// The result of verifying a request's access token or API key.
#[derive(Clone)]
pub(crate) enum Authentication {
    /// The request has no token.
    Guest,
    /// The token is valid.
    Caller(Caller),
    /// The token is invalid, or could not be verified.
    Rejected(Status),
}

impl Authentication {
    /// Verifies the `authorization` of a request: an access token, or an API key, which is exchanged for one. Returns the access
    /// token too, if it is valid. Routes without authentication accept an invalid one.
    pub(crate) async fn of(app: &App, headers: &HeaderMap) -> (Self, Option<Arc<str>>) {
        let Some(bearer) = bearer(headers) else { return (Self::Guest, None) };
        match authenticate(app, bearer).await {
            Ok((caller, token)) => (Self::Caller(caller), Some(token)),
            Err(status) => (Self::Rejected(status), None),
        }
    }

    /// Returns the user of an access token that was verified before, without any work for other tokens.
    pub(crate) fn known(app: &App, headers: &HeaderMap) -> Option<Uuid> {
        app.verifier().known(bearer(headers)?).map(|caller| caller.user_id)
    }
}

async fn authenticate(app: &App, bearer: &str) -> Result<(Caller, Arc<str>), Status> {
    let token = match ApiKeys::is_key(bearer) {
        true => app.api_keys().access_token(bearer).await?,
        false => bearer.into(),
    };
    let caller = app.verifier().verify(&token).await?;
    if !app.revocations().contains(caller.session_id) {
        return Ok((caller, token));
    }
    let (reason, message) = match caller.is_api_key() {
        true => ("invalid_token", "the API key is revoked"),
        false => ("session_ended", "the session has ended"),
    };
    Err(bodega_runtime::status::rejected(tonic::Code::Unauthenticated, reason, message))
}

/// The bearer token of a request; empty for another kind of `authorization`, `None` for none.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(AUTHORIZATION)?.to_str().unwrap_or_default();
    Some(match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    })
}

pub(super) fn caller(parts: &Parts) -> Result<Option<Caller>, Problem> {
    match parts.extensions.get::<Authentication>() {
        Some(Authentication::Caller(caller)) => Ok(Some(caller.clone())),
        Some(Authentication::Rejected(status)) => Err(status.clone().into()),
        Some(Authentication::Guest) | None => Ok(None),
    }
}

/// The caller of a request that has a valid token.
fn required_caller(parts: &Parts) -> Result<Caller, Problem> {
    caller(parts)?.ok_or_else(Problem::unauthenticated)
}

/// Requires a signed-in user.
pub(crate) struct SignedIn;

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        required_caller(parts)?.check_is_user()?;
        Ok(Self)
    }
}

/// Requires a signed-in user or an API key, whose scope the service checks.
pub(crate) struct UserOrKey;

impl<S: Sync> FromRequestParts<S> for UserOrKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        required_caller(parts).map(|_| Self)
    }
}

/// Requires an admin.
pub(crate) struct Admin;

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        required_caller(parts)?.check_is_user()?.check_is_admin()?;
        Ok(Self)
    }
}

/// Requires an admin or an API key, whose scope the service checks.
pub(crate) struct AdminOrKey;

impl<S: Sync> FromRequestParts<S> for AdminOrKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = required_caller(parts)?;
        if !caller.is_api_key() {
            caller.check_is_admin()?;
        }
        Ok(Self)
    }
}

/// Whether the request has the access token of an admin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IsAdmin(pub(crate) bool);

impl<S: Sync> FromRequestParts<S> for IsAdmin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let authentication = parts.extensions.get::<Authentication>();
        Ok(Self(matches!(authentication, Some(Authentication::Caller(caller)) if caller.is_admin())))
    }
}

/// The owner of the cart: the signed-in user, or else the guest with the cart token.
pub(crate) struct CartOwner {
    pub(crate) caller: Option<Caller>,
    /// The `X-Cart-Token` header; empty without one.
    pub(crate) guest_token: String,
}

/// Header with the token of a guest's cart.
pub(crate) const CART_TOKEN: &str = "x-cart-token";

impl<S: Sync> FromRequestParts<S> for CartOwner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // An invalid access token is an error: a user must not be shown an empty guest cart instead of their own.
        let caller = caller(parts)?.map(Caller::check_is_user).transpose()?;
        let token = parts.headers.get(CART_TOKEN).map(|value| value.to_str());
        match token.transpose() {
            Ok(token) => Ok(Self { caller, guest_token: token.unwrap_or_default().to_owned() }),
            Err(_) => Err(Problem::malformed("X-Cart-Token", "must be visible ASCII")),
        }
    }
}
