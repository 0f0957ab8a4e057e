//! The owner of a cart: a user, or a guest with the cart's secret token.

use bodega_runtime::{
    auth::Caller,
    guest_token::{GuestToken, TokenHash},
};
use uuid::Uuid;

use crate::error::Error;

/// The owner of a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// The cart of a user is created by the first change and never deleted.
    User(Uuid),
    /// The client with the token of this hash. A guest's cart is deleted when it is merged, or unchanged for a long time.
    Guest(TokenHash),
}

impl Owner {
    /// Returns the caller if there is one, or the guest with `guest_token`. `None` is a guest without a cart.
    ///
    /// # Errors
    /// [`Error::CartNotFound`] for a malformed token.
    pub(crate) fn of(caller: Option<Caller>, guest_token: &str) -> Result<Option<Self>, Error> {
        match caller {
            Some(caller) => Ok(Some(Self::User(caller.user_id))),
            None if guest_token.is_empty() => Ok(None),
            None => {
                let token = GuestToken::parse(guest_token).ok_or(Error::CartNotFound)?;
                Ok(Some(Self::Guest(token.hash())))
            }
        }
    }

    pub(crate) fn user_id(&self) -> Option<Uuid> {
        match self {
            Self::User(id) => Some(*id),
            Self::Guest(_) => None,
        }
    }

    pub(crate) fn guest_token_hash(&self) -> Option<&[u8]> {
        match self {
            Self::User(_) => None,
            Self::Guest(hash) => Some(hash.as_bytes()),
        }
    }
}
