//! Whose cart it is: a user's by access token, a guest's by a secret of the cart's own.

use std::fmt;

use aws_lc_rs::digest;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bodega_runtime::auth::Caller;
use uuid::Uuid;

use crate::error::Error;

/// Whose cart it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner {
    /// Somebody with an account. The cart is there from the first write on, for good.
    User(Uuid),
    /// Whoever bears the token with this hash. The cart ends when it is merged, or left alone for long.
    Guest(TokenHash),
}

impl Owner {
    /// The owner that a request speaks for: its caller, whatever token comes along; else the bearer of
    /// `guest_token`. `None` is a guest who has no cart yet.
    ///
    /// # Errors
    /// [`Error::CartNotFound`] for a token that was never given out.
    pub(crate) fn of(caller: Option<Caller>, guest_token: &str) -> Result<Option<Self>, Error> {
        match caller {
            Some(caller) => Ok(Some(Self::User(caller.user_id))),
            None if guest_token.is_empty() => Ok(None),
            None => TokenHash::of(guest_token).map(|hash| Some(Self::Guest(hash))).ok_or(Error::CartNotFound),
        }
    }

    /// The user.
    pub(crate) fn user_id(&self) -> Option<Uuid> {
        match self {
            Self::User(id) => Some(*id),
            Self::Guest(_) => None,
        }
    }

    /// The hash of the guest's token.
    pub(crate) fn guest_token_hash(&self) -> Option<&[u8]> {
        match self {
            Self::User(_) => None,
            Self::Guest(hash) => Some(hash.as_bytes()),
        }
    }
}

/// What opens a guest's cart: 256 random bits, base64url. Given out once, and stored only as its hash.
pub(crate) struct GuestToken(String);

impl GuestToken {
    /// A new one.
    pub(crate) fn random() -> (Self, TokenHash) {
        let secret: [u8; 32] = rand::random();
        (Self(BASE64_URL_SAFE_NO_PAD.encode(secret)), TokenHash::of_secret(&secret))
    }

    /// The text to give out.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for GuestToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuestToken(…)")
    }
}

/// SHA-256 of a guest's token. The token is random in full, so the hash needs no salt and no work factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenHash([u8; digest::SHA256_OUTPUT_LEN]);

impl TokenHash {
    /// The hash of a token as it was given out; `None` for a text that cannot have been.
    pub(crate) fn of(token: &str) -> Option<Self> {
        let mut secret = [0; 32];
        // Exactly 32 bytes, or the slice has room left or is too short.
        let length = BASE64_URL_SAFE_NO_PAD.decode_slice(token, &mut secret).ok()?;
        (length == secret.len()).then(|| Self::of_secret(&secret))
    }

    fn of_secret(secret: &[u8; 32]) -> Self {
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest::digest(&digest::SHA256, secret).as_ref());
        Self(hash)
    }

    /// As it is stored.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash() {
        let (token, hash) = GuestToken::random();
        assert_eq!(TokenHash::of(&token.into_string()), Some(hash));
        assert_ne!(hash, GuestToken::random().1);
    }

    #[test]
    fn what_was_never_given_out_has_no_hash() {
        let token = GuestToken::random().0.into_string();
        let (short, long) = (&token[..42], format!("{token}A"));
        for text in ["", "x", short, &long, "é", &token.replace(|_: char| true, "="), &"A".repeat(1_000_000)]
        {
            assert_eq!(TokenHash::of(text), None);
        }
    }

    #[test]
    fn a_token_does_not_show() {
        assert_eq!(format!("{:?}", GuestToken::random().0), "GuestToken(…)");
    }
}
