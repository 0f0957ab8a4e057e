//! Encryption of secrets in the database, so that read access to it is not enough to use them.

use anyhow::anyhow;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf::{self, HKDF_SHA256, Salt},
};

use crate::config::Settings;

/// AES-256-GCM under a key derived from `JWT_SECRET_KEY` with HKDF-SHA256.
pub(crate) struct Encryption {
    primary: RandomizedNonceKey,
}

/// The secret under which something is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretUsed {
    /// `JWT_SECRET_KEY`.
    Primary,
}

impl Encryption {
    /// `purpose` separates domains: another use of the secret must derive its key with another text.
    pub(crate) fn new(settings: &Settings, purpose: &[u8]) -> anyhow::Result<Self> {
        let mut key = [0; 32];
        Salt::new(HKDF_SHA256, &[])
            .extract(settings.jwt_secret.as_bytes())
            .expand(&[purpose], KeyLength)
            .and_then(|derived| derived.fill(&mut key))
            .map_err(|_| anyhow!("cannot derive a key from JWT_SECRET_KEY"))?;
        RandomizedNonceKey::new(&AES_256_GCM, &key)
            .map(|primary| Self { primary })
            .map_err(|_| anyhow!("AES-256-GCM is not available"))
    }

    /// Encrypts `plaintext` and authenticates `id`. Returns nonce, ciphertext and tag.
    pub(crate) fn encrypt(&self, id: &str, plaintext: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut encrypted = plaintext.to_vec();
        let nonce = self
            .primary
            .seal_in_place_append_tag(Aad::from(id), &mut encrypted)
            .map_err(|_| anyhow!("cannot encrypt a secret"))?;
        Ok([nonce.as_ref().as_slice(), &encrypted].concat())
    }

    /// Decrypts. Returns `None` when it was encrypted under another secret or for another `id`, or changed.
    pub(crate) fn decrypt(&self, id: &str, encrypted: &[u8]) -> Option<(Vec<u8>, SecretUsed)> {
        let (nonce, ciphertext) = encrypted.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut plaintext = ciphertext.to_vec();
        let plaintext = self.primary.open_in_place(nonce, Aad::from(id), &mut plaintext).ok()?.to_vec();
        Some((plaintext, SecretUsed::Primary))
    }
}

struct KeyLength;

impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        32
    }
}
