//! Encryption of private keys, so that read access to the database is not enough to sign tokens.

use anyhow::anyhow;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf::{self, HKDF_SHA256, Salt},
};

use crate::config::SecretKey;

/// Domain separation: another use of the secret must derive its key with another text.
const PURPOSE: &[u8] = b"bodega identity: signing keys at rest, AES-256-GCM, 1";

/// AES-256-GCM under a key derived from the secret with HKDF-SHA256.
pub(super) struct KeyEncryption(RandomizedNonceKey);

impl KeyEncryption {
    pub(super) fn new(secret: &SecretKey) -> anyhow::Result<Self> {
        let mut key = [0; 32];
        Salt::new(HKDF_SHA256, &[])
            .extract(secret.as_bytes())
            .expand(&[PURPOSE], KeyLength)
            .and_then(|derived| derived.fill(&mut key))
            .map_err(|_| anyhow!("cannot derive a key from JWT_SECRET_KEY"))?;
        RandomizedNonceKey::new(&AES_256_GCM, &key)
            .map(Self)
            .map_err(|_| anyhow!("AES-256-GCM is not available"))
    }

    /// Encrypts `private_key` and authenticates `kid`. Returns nonce, ciphertext and tag.
    pub(super) fn encrypt(&self, kid: &str, private_key: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut encrypted = private_key.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(kid), &mut encrypted)
            .map_err(|_| anyhow!("cannot encrypt a signing key"))?;
        Ok([nonce.as_ref().as_slice(), &encrypted].concat())
    }

    /// Decrypts a private key. Returns `None` when it was encrypted under another secret or for another `kid`, or changed.
    pub(super) fn decrypt(&self, kid: &str, encrypted: &[u8]) -> Option<Vec<u8>> {
        let (nonce, ciphertext) = encrypted.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut private_key = ciphertext.to_vec();
        Some(self.0.open_in_place(nonce, Aad::from(kid), &mut private_key).ok()?.to_vec())
    }
}

struct KeyLength;

impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encryption(secret: &str) -> KeyEncryption {
        KeyEncryption::new(&secret.repeat(32).parse().unwrap()).unwrap()
    }

    #[test]
    fn decrypts_with_the_same_secret_and_kid_only() {
        let encrypted = encryption("a").encrypt("one", b"secret").unwrap();
        assert_eq!(encryption("a").decrypt("one", &encrypted).unwrap(), b"secret");
        assert_eq!(encryption("b").decrypt("one", &encrypted), None);
        assert_eq!(encryption("a").decrypt("two", &encrypted), None);
        assert!(!encrypted.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn does_not_decrypt_changed_or_truncated_data() {
        let encrypted = encryption("a").encrypt("one", b"secret").unwrap();
        for index in 0..encrypted.len() {
            let mut changed = encrypted.clone();
            changed[index] ^= 1;
            assert_eq!(encryption("a").decrypt("one", &changed), None);
            assert_eq!(encryption("a").decrypt("one", &encrypted[..index]), None);
        }
    }
}
