//! The customer of a checkout.

use bodega_runtime::guest_token::GuestToken;
use uuid::Uuid;

use crate::orders::access;

/// Who checks out.
#[derive(Clone, Debug)]
pub(crate) enum Customer {
    User(Uuid),
    /// The client with the token of a guest's cart. Has no account.
    Guest(GuestToken),
}

impl Customer {
    /// Returns the id that names the cart and the checkouts. That of a guest is derived from the token, and never used again.
    pub(crate) fn id(&self) -> Uuid {
        match self {
            Self::User(id) => *id,
            Self::Guest(token) => token.hash().guest_id(),
        }
    }

    pub(crate) fn user_id(&self) -> Option<Uuid> {
        match self {
            Self::User(id) => Some(*id),
            Self::Guest(_) => None,
        }
    }

    pub(crate) fn guest_id(&self) -> Option<Uuid> {
        match self {
            Self::User(_) => None,
            Self::Guest(_) => Some(self.id()),
        }
    }

    /// Returns the token that opens an order of a guest.
    ///
    /// It is derived from the token of the cart, which each retry brings along: so a retry returns the same, on any replica, while
    /// the server stores its hash only and has no key to protect.
    pub(crate) fn access_token(&self, order_id: Uuid) -> Option<String> {
        match self {
            Self::User(_) => None,
            Self::Guest(token) => Some(token.derive_secret(&format!("access to order {order_id}"))),
        }
    }

    /// Returns the hash that is stored with an order of a guest.
    pub(crate) fn access_key_hash(&self, order_id: Uuid) -> Option<Vec<u8>> {
        self.access_token(order_id).map(|token| access::hash(&token))
    }
}
