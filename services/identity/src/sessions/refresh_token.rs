//! Refresh tokens: random, and stored only as hashes.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

/// The SHA-256 of a token. A token has 256 random bits, so a slow hash would add nothing.
pub(crate) type Hash = [u8; 32];

/// Generates a token, and returns it with its hash.
pub(crate) fn generate() -> (String, Hash) {
    let bytes: [u8; 32] = rand::random();
    let token = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let hash = hash(&token);
    (token, hash)
}

pub(crate) fn hash(token: &str) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generates_unique_tokens_with_their_hashes() {
        let (one, one_hash) = generate();
        let (other, _) = generate();
        assert_ne!(one, other);
        assert_eq!(one.len(), 43);
        assert_eq!(hash(&one), one_hash);
        assert_ne!(hash(&other), one_hash);
    }
}
