//! The owner of a cart: a user, or a guest with the cart's secret token.

use std::fmt;

use aws_lc_rs::digest;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bodega_runtime::auth::Caller;
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
            None => TokenHash::of(guest_token).map(|hash| Some(Self::Guest(hash))).ok_or(Error::CartNotFound),
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

/// The secret of a guest's cart: 256 random bits in base64url. Sent to the client once; only its hash is stored.
pub(crate) struct GuestToken(String);

impl GuestToken {
    pub(crate) fn random() -> (Self, TokenHash) {
        let secret: [u8; 32] = rand::random();
        (Self(BASE64_URL_SAFE_NO_PAD.encode(secret)), TokenHash::of_secret(&secret))
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for GuestToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuestToken(…)")
    }
}

/// SHA-256 of a guest token. The token is random, so the hash needs no salt and no work factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenHash([u8; digest::SHA256_OUTPUT_LEN]);

impl TokenHash {
    /// Returns the hash of a token, or `None` if it is malformed.
    pub(crate) fn of(token: &str) -> Option<Self> {
        let mut secret = [0; 32];
        // The secret must have exactly 32 bytes.
        let length = BASE64_URL_SAFE_NO_PAD.decode_slice(token, &mut secret).ok()?;
        (length == secret.len()).then(|| Self::of_secret(&secret))
    }

    fn of_secret(secret: &[u8; 32]) -> Self {
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest::digest(&digest::SHA256, secret).as_ref());
        Self(hash)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_stored_hash() {
        let (token, hash) = GuestToken::random();
        assert_eq!(TokenHash::of(&token.into_string()), Some(hash));
        assert_ne!(hash, GuestToken::random().1);
    }

    #[test]
    fn a_malformed_token_has_no_hash() {
        let token = GuestToken::random().0.into_string();
        let (short, long) = (&token[..42], format!("{token}A"));
        for text in ["", "x", short, &long, "é", &token.replace(|_: char| true, "="), &"A".repeat(1_000_000)]
        {
            assert_eq!(TokenHash::of(text), None);
        }
    }

    #[test]
    fn debug_output_hides_the_token() {
        assert_eq!(format!("{:?}", GuestToken::random().0), "GuestToken(…)");
    }
}
