//! Refresh tokens: unguessable, and kept only as hashes.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

/// SHA-256 of a token: it has all the entropy there is, so that a slow hash would add nothing.
pub(crate) type Hash = [u8; 32];

/// A new token of 256 random bits, as its bearer gets it, and the hash to keep.
pub(crate) fn mint() -> (String, Hash) {
    let bytes: [u8; 32] = rand::random();
    let token = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let hash = hash(&token);
    (token, hash)
}

/// The hash under which a token is kept.
pub(crate) fn hash(token: &str) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_new_and_known_by_its_hash() {
        let (one, kept) = mint();
        let (other, _) = mint();
        assert_ne!(one, other);
        assert_eq!(one.len(), 43);
        assert_eq!(hash(&one), kept);
        assert_ne!(hash(&other), kept);
    }
}
