//! Encryption of secrets in the database, so that read access to it is not enough to use them.

use anyhow::anyhow;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf::{self, HKDF_SHA256, Salt},
};

use crate::config::{SecretKey, Settings};

/// AES-256-GCM under keys derived from `JWT_SECRET_KEY` and from the secondary secret with HKDF-SHA256.
pub(crate) struct Encryption {
    primary: RandomizedNonceKey,
    secondary: Option<RandomizedNonceKey>,
}

/// The secret under which something is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretUsed {
    /// `JWT_SECRET_KEY`.
    Primary,
    /// The previous or the next value of `JWT_SECRET_KEY`.
    Secondary,
}

impl Encryption {
    /// `purpose` separates domains: another use of the secrets must derive its keys with another text.
    pub(crate) fn new(settings: &Settings, purpose: &[u8]) -> anyhow::Result<Self> {
        let secondary = settings.secondary_jwt_secret.as_ref();
        Ok(Self {
            primary: derive(&settings.jwt_secret, purpose)?,
            secondary: secondary.map(|secret| derive(secret, purpose)).transpose()?,
        })
    }

    /// Encrypts `plaintext` under `JWT_SECRET_KEY` and authenticates `id`. Returns nonce, ciphertext and tag.
    pub(crate) fn encrypt(&self, id: &str, plaintext: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.encrypt_under(SecretUsed::Primary, id, plaintext)
    }

    /// Like [`Self::encrypt`], under the given secret.
    pub(crate) fn encrypt_under(
        &self,
        secret: SecretUsed,
        id: &str,
        plaintext: &[u8],
    ) -> anyhow::Result<Vec<u8>> {
        let key = match secret {
            SecretUsed::Primary => &self.primary,
            SecretUsed::Secondary => self.secondary.as_ref().unwrap_or(&self.primary),
        };
        let mut encrypted = plaintext.to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(id), &mut encrypted)
            .map_err(|_| anyhow!("cannot encrypt a secret"))?;
        Ok([nonce.as_ref().as_slice(), &encrypted].concat())
    }

    /// Decrypts, and returns the secret under which it was encrypted. Returns `None` when it was encrypted under another secret
    /// or for another `id`, or changed.
    pub(crate) fn decrypt(&self, id: &str, encrypted: &[u8]) -> Option<(Vec<u8>, SecretUsed)> {
        let primary = open(&self.primary, id, encrypted).map(|plaintext| (plaintext, SecretUsed::Primary));
        primary.or_else(|| {
            let plaintext = open(self.secondary.as_ref()?, id, encrypted)?;
            Some((plaintext, SecretUsed::Secondary))
        })
    }
}

fn derive(secret: &SecretKey, purpose: &[u8]) -> anyhow::Result<RandomizedNonceKey> {
    let mut key = [0; 32];
    Salt::new(HKDF_SHA256, &[])
        .extract(secret.as_bytes())
        .expand(&[purpose], KeyLength)
        .and_then(|derived| derived.fill(&mut key))
        .map_err(|_| anyhow!("cannot derive a key from JWT_SECRET_KEY"))?;
    RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| anyhow!("AES-256-GCM is not available"))
}

fn open(key: &RandomizedNonceKey, id: &str, encrypted: &[u8]) -> Option<Vec<u8>> {
    let (nonce, ciphertext) = encrypted.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut plaintext = ciphertext.to_vec();
    Some(key.open_in_place(nonce, Aad::from(id), &mut plaintext).ok()?.to_vec())
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

    fn settings(secret: &str) -> Settings {
        Settings::new(format!("{secret}, a secret of the tests: 7d0fKq2v").parse().unwrap())
    }

    fn encryption(secret: &str) -> Encryption {
        Encryption::new(&settings(secret), b"test").unwrap()
    }

    fn decrypt(secret: &str, id: &str, encrypted: &[u8]) -> Option<Vec<u8>> {
        encryption(secret).decrypt(id, encrypted).map(|(plaintext, _)| plaintext)
    }

    #[test]
    fn decrypts_with_the_same_secret_purpose_and_id_only() {
        let encrypted = encryption("a").encrypt("one", b"secret").unwrap();
        assert_eq!(decrypt("a", "one", &encrypted).unwrap(), b"secret");
        assert_eq!(decrypt("b", "one", &encrypted), None);
        assert_eq!(decrypt("a", "two", &encrypted), None);
        assert_eq!(Encryption::new(&settings("a"), b"other").unwrap().decrypt("one", &encrypted), None);
        assert!(!encrypted.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn decrypts_with_either_secret_while_it_is_replaced() {
        let replacing =
            Settings { secondary_jwt_secret: Some(settings("old").jwt_secret), ..settings("new") };
        let replacing = Encryption::new(&replacing, b"test").unwrap();
        let old = encryption("old").encrypt("one", b"secret").unwrap();
        assert_eq!(replacing.decrypt("one", &old), Some((b"secret".to_vec(), SecretUsed::Secondary)));
        let new = replacing.encrypt("one", b"secret").unwrap();
        assert_eq!(decrypt("new", "one", &new).unwrap(), b"secret");
        assert_eq!(replacing.decrypt("one", &new), Some((b"secret".to_vec(), SecretUsed::Primary)));
        let old = replacing.encrypt_under(SecretUsed::Secondary, "one", b"secret").unwrap();
        assert_eq!(decrypt("old", "one", &old).unwrap(), b"secret");
    }

    #[test]
    fn does_not_decrypt_changed_or_truncated_data() {
        let encrypted = encryption("a").encrypt("one", b"secret").unwrap();
        for index in 0..encrypted.len() {
            let mut changed = encrypted.clone();
            changed[index] ^= 1;
            assert_eq!(decrypt("a", "one", &changed), None);
            assert_eq!(decrypt("a", "one", &encrypted[..index]), None);
        }
    }
}
