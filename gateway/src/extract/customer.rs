//! The customer of a checkout or an order, who may be a guest.

use axum::{extract::FromRequestParts, http::request::Parts};

use super::{CartOwner, caller::caller};
use crate::problem::Problem;

/// Header with the token of a guest's order.
pub(crate) const ORDER_TOKEN: &str = "x-order-token";

/// Requires a signed-in user, or the token of a guest's cart.
pub(crate) struct Customer {
    /// Empty for a user, whose own cart is ordered.
    pub(crate) guest_token: String,
}

impl<S: Sync> FromRequestParts<S> for Customer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let CartOwner { caller, guest_token } = CartOwner::from_request_parts(parts, state).await?;
        match caller {
            Some(_) => Ok(Self { guest_token: String::new() }),
            None if guest_token.is_empty() => Err(Problem::unauthenticated()),
            None => Ok(Self { guest_token }),
        }
    }
}

/// Requires a signed-in user, an API key, whose scope the service checks, or the token of a guest's order.
pub(crate) struct OrderAccess {
    /// Empty without one.
    pub(crate) token: String,
}

impl<S: Sync> FromRequestParts<S> for OrderAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = caller(parts)?;
        let OrderToken(token) = order_token(parts)?;
        if caller.is_none() && token.is_empty() {
            return Err(Problem::unauthenticated());
        }
        Ok(Self { token })
    }
}

/// The token of a guest's order; empty without one.
pub(crate) struct OrderToken(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for OrderToken {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        order_token(parts)
    }
}

/// Returns the token of a request; empty without one.
fn order_token(parts: &Parts) -> Result<OrderToken, Problem> {
    let token = parts.headers.get(ORDER_TOKEN).map(|value| value.to_str()).transpose();
    let token = token.map_err(|_| Problem::malformed("X-Order-Token", "must be visible ASCII"))?;
    Ok(OrderToken(token.unwrap_or_default().to_owned()))
}
