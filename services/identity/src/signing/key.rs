//! An Ed25519 key that signs access tokens.

use anyhow::{Context as _, anyhow};
use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bodega_runtime::auth::{Claims, TOKEN_TYPE};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use sqlx::PgExecutor;
use time::OffsetDateTime;
use tracing::info;

use super::db::{self, CurrentKey};
use crate::encryption::{Encryption, SecretUsed};

pub(super) struct SigningKey {
    header: Header,
    kid: String,
    private: EncodingKey,
    created_at: OffsetDateTime,
    secret: SecretUsed,
}

impl SigningKey {
    pub(super) fn decrypt(key: &CurrentKey, encryption: &Encryption) -> anyhow::Result<Self> {
        let (private, secret) = decrypt(key, encryption)?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(key.kid.clone());
        Ok(Self {
            header,
            kid: key.kid.clone(),
            private: EncodingKey::from_ed_der(&private),
            created_at: key.created_at,
            secret,
        })
    }

    pub(super) fn sign(&self, claims: &Claims) -> anyhow::Result<String> {
        jsonwebtoken::encode(&self.header, claims, &self.private).context("cannot sign an access token")
    }

    /// Returns the key id, an RFC 7638 thumbprint.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn created_at(&self) -> OffsetDateTime {
        self.created_at
    }

    /// Returns the secret under which the key is encrypted in the database.
    pub(super) fn secret(&self) -> SecretUsed {
        self.secret
    }
}

fn decrypt(key: &CurrentKey, encryption: &Encryption) -> anyhow::Result<(Vec<u8>, SecretUsed)> {
    encryption.decrypt(&key.kid, &key.encrypted_private_key).context(
        "JWT_SECRET_KEY cannot decrypt the signing keys in the database: start with the previous value",
    )
}

/// Encrypts the current key under `JWT_SECRET_KEY`, if it is encrypted under the secondary secret.
pub(super) async fn reencrypt(
    db: impl PgExecutor<'_>,
    key: &CurrentKey,
    encryption: &Encryption,
) -> anyhow::Result<()> {
    let (private, secret) = decrypt(key, encryption)?;
    if secret == SecretUsed::Secondary {
        let encrypted = encryption.encrypt(&key.kid, &private)?;
        db::update_encrypted(db, &key.kid, &key.encrypted_private_key, &encrypted).await?;
        info!(key.id = key.kid, "signing key encrypted under the new JWT_SECRET_KEY");
    }
    Ok(())
}

/// Generates and stores a key, unless there is a current one.
pub(super) async fn generate(
    db: impl PgExecutor<'_>,
    encryption: &Encryption,
    secret: SecretUsed,
) -> anyhow::Result<()> {
    let pair = Ed25519KeyPair::generate().map_err(|_| anyhow!("cannot generate a signing key"))?;
    let private = pair.to_pkcs8v1().map_err(|_| anyhow!("cannot encode a signing key"))?;
    let public_key = pair.public_key().as_ref();
    let kid = thumbprint(public_key);
    let encrypted = encryption.encrypt_under(secret, &kid, private.as_ref())?;
    Ok(db::insert(db, &kid, public_key, &encrypted).await?)
}

/// Returns the RFC 7638 thumbprint: the SHA-256 of the required members of the JWK, sorted.
fn thumbprint(public_key: &[u8]) -> String {
    let x = BASE64_URL_SAFE_NO_PAD.encode(public_key);
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, jwk.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computes_the_thumbprint_of_rfc_8037() {
        let x = BASE64_URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(thumbprint(&x), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
