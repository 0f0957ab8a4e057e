//! Callers of `OrderService`, with and without an account.

use bodega_runtime::{
    auth::{Caller, Scope},
    guest_token::GuestToken,
};
use tonic::{Request, Status};

use crate::{checkout::customer::Customer, error::Error};

/// Returns the customer of a checkout: the user, or the guest with the token of a cart.
///
/// # Errors
/// `UNAUTHENTICATED` without either; [`Error::CartNotFound`] for a malformed token.
pub(super) fn customer<T>(request: &Request<T>, guest_token: &str) -> Result<Customer, Status> {
    if guest_token.is_empty() {
        return Ok(Customer::User(Caller::of(request)?.user_id));
    }
    match Caller::user_or_guest(request)? {
        Some(caller) => Ok(Customer::User(caller.user_id)),
        None => Ok(Customer::Guest(GuestToken::parse(guest_token).ok_or(Error::CartNotFound)?)),
    }
}

/// Returns the caller of a request that users may make, API keys with `scope`, and the bearer of the order's token; `None` for a
/// bearer without an account.
pub(super) fn user_key_or_bearer<T>(
    request: &Request<T>,
    scope: Scope,
    token: &str,
) -> Result<Option<Caller>, Status> {
    if !token.is_empty() && Caller::maybe_of(request).is_none() {
        return Ok(None);
    }
    Caller::user_or_key(request, scope).map(Some)
}
