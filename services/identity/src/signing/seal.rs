//! Sealing private keys, so that whoever reads the database cannot sign.

use anyhow::anyhow;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf::{self, HKDF_SHA256, Salt},
};

use crate::config::SecretKey;

/// What the key derived from the secret is for; another use of the secret must say something else.
const PURPOSE: &[u8] = b"bodega identity: signing keys at rest, AES-256-GCM, 1";

/// AES-256-GCM under a key derived from the secret with HKDF-SHA256.
pub(super) struct Seal(RandomizedNonceKey);

impl Seal {
    /// A seal under `secret`.
    pub(super) fn new(secret: &SecretKey) -> anyhow::Result<Self> {
        let mut key = [0; 32];
        Salt::new(HKDF_SHA256, &[])
            .extract(secret.as_bytes())
            .expand(&[PURPOSE], KeyLength)
            .and_then(|derived| derived.fill(&mut key))
            .map_err(|_| anyhow!("JWT_SECRET_KEY: no key can be derived from it"))?;
        RandomizedNonceKey::new(&AES_256_GCM, &key)
            .map(Self)
            .map_err(|_| anyhow!("AES-256-GCM is not available"))
    }

    /// `secret`, sealed for use under `name` only: nonce, ciphertext, tag.
    pub(super) fn close(&self, name: &str, secret: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut sealed = secret.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(name), &mut sealed)
            .map_err(|_| anyhow!("a signing key cannot be sealed"))?;
        Ok([nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// What was sealed under `name`; `None` when it was sealed under another secret or name, or tampered with.
    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut secret = sealed.to_vec();
        Some(self.0.open_in_place(nonce, Aad::from(name), &mut secret).ok()?.to_vec())
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

    fn seal(secret: &str) -> Seal {
        Seal::new(&secret.repeat(32).parse().unwrap()).unwrap()
    }

    #[test]
    fn a_seal_opens_for_its_secret_and_name_only() {
        let sealed = seal("a").close("one", b"secret").unwrap();
        assert_eq!(seal("a").open("one", &sealed).unwrap(), b"secret");
        assert_eq!(seal("b").open("one", &sealed), None);
        assert_eq!(seal("a").open("two", &sealed), None);
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn a_broken_seal_does_not_open() {
        let sealed = seal("a").close("one", b"secret").unwrap();
        for index in 0..sealed.len() {
            let mut broken = sealed.clone();
            broken[index] ^= 1;
            assert_eq!(seal("a").open("one", &broken), None);
            assert_eq!(seal("a").open("one", &sealed[..index]), None);
        }
    }
}
