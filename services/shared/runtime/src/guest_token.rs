//! The token of a guest's cart, and what cart and order derive from it.
//!
//! The client has the token; the database only has its hash. The id of the guest is a part of the hash: order knows the guest
//! without a call to cart, and cart finds the cart of an id by its index of the hashes. Tokens are random, so an id is never used
//! for a second guest, nor for a user.

use std::fmt;

use aws_lc_rs::{digest, hmac};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use uuid::Uuid;

const LENGTH: usize = 32;

/// The secret of a guest's cart: 256 random bits in base64url. Sent to the client once; only its hash is stored.
#[derive(Clone)]
pub struct GuestToken([u8; LENGTH]);

impl GuestToken {
    /// Returns a new token.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Returns a client's token, or `None` if it is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        let mut secret = [0; LENGTH];
        // The secret must have exactly 32 bytes.
        let length = BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut secret).ok()?;
        (length == secret.len()).then_some(Self(secret))
    }

    /// Returns the text for the client.
    pub fn encode(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Returns the hash that identifies the cart.
    pub fn hash(&self) -> TokenHash {
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &self.0).as_ref());
        TokenHash(hash)
    }

    /// Returns a secret for one `purpose`, HMAC-SHA256 of it in base64url. It is the same for each call, and does not reveal the
    /// token nor the secret of another purpose.
    pub fn derive_secret(&self, purpose: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, purpose.as_bytes()))
    }
}

impl fmt::Debug for GuestToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuestToken(…)")
    }
}

/// SHA-256 of a guest token. The token is random, so the hash needs no salt and no work factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; digest::SHA256_OUTPUT_LEN]);

impl TokenHash {
    /// Returns the bytes of the hash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the id of the guest: the first half of the hash.
    pub fn guest_id(&self) -> Uuid {
        let mut id = uuid::Bytes::default();
        id.copy_from_slice(&self.0[..size_of::<uuid::Bytes>()]);
        Uuid::from_bytes(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_stored_hash() {
        let token = GuestToken::random();
        let parsed = GuestToken::parse(&token.encode()).unwrap();
        assert_eq!(parsed.hash(), token.hash());
        assert_ne!(token.hash(), GuestToken::random().hash());
        assert!(token.hash().as_bytes().starts_with(token.hash().guest_id().as_bytes()));
    }

    #[test]
    fn a_malformed_token_is_none() {
        let token = GuestToken::random().encode();
        let (short, long) = (&token[..42], format!("{token}A"));
        for text in ["", "x", short, &long, "é", &token.replace(|_: char| true, "="), &"A".repeat(1_000_000)]
        {
            assert!(GuestToken::parse(text).is_none());
        }
    }

    #[test]
    fn each_purpose_has_a_secret() {
        let token = GuestToken::random();
        let secret = token.derive_secret("order 1");
        assert_eq!(secret, GuestToken::parse(&token.encode()).unwrap().derive_secret("order 1"));
        assert_ne!(secret, token.derive_secret("order 2"));
        assert_ne!(secret, GuestToken::random().derive_secret("order 1"));
        assert_eq!(secret.len(), 43, "256 bits in base64");
    }

    #[test]
    fn debug_output_hides_the_token() {
        assert_eq!(format!("{:?}", GuestToken::random()), "GuestToken(…)");
    }
}
