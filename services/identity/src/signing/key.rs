//! One Ed25519 key: how it is made, kept and used.

use anyhow::{Context as _, anyhow};
use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bodega_runtime::auth::Claims;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use sqlx::PgExecutor;
use time::OffsetDateTime;

use super::seal::Seal;
use crate::store::{self, signing_keys::Sealed};

/// A key that signs access tokens.
pub(super) struct SigningKey {
    header: Header,
    kid: String,
    private: EncodingKey,
    created_at: OffsetDateTime,
}

impl SigningKey {
    /// The key that was kept, opened.
    pub(super) fn open(kept: &Sealed, seal: &Seal) -> anyhow::Result<Self> {
        let private = seal.open(&kept.kid, &kept.encrypted_private_key).context(
            "JWT_SECRET_KEY is not the one that the signing keys in the database were sealed with: \
             start with the former one",
        )?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(kept.kid.clone());
        Ok(Self {
            header,
            kid: kept.kid.clone(),
            private: EncodingKey::from_ed_der(&private),
            created_at: kept.created_at,
        })
    }

    /// A token that says this.
    pub(super) fn sign(&self, claims: &Claims) -> anyhow::Result<String> {
        jsonwebtoken::encode(&self.header, claims, &self.private).context("an access token cannot be signed")
    }

    /// RFC 7638 thumbprint.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// When it was made.
    pub(super) fn created_at(&self) -> OffsetDateTime {
        self.created_at
    }
}

/// Makes a key and keeps it, unless there is one already.
pub(super) async fn make(db: impl PgExecutor<'_>, seal: &Seal) -> anyhow::Result<()> {
    let pair = Ed25519KeyPair::generate().map_err(|_| anyhow!("no signing key can be made"))?;
    let private = pair.to_pkcs8v1().map_err(|_| anyhow!("a signing key cannot be encoded"))?;
    let public_key = pair.public_key().as_ref();
    let kid = thumbprint(public_key);
    let sealed = seal.close(&kid, private.as_ref())?;
    Ok(store::signing_keys::insert(db, &kid, public_key, &sealed).await?)
}

/// RFC 7638: SHA-256 over the required members of the JWK, in order.
fn thumbprint(public_key: &[u8]) -> String {
    let x = BASE64_URL_SAFE_NO_PAD.encode(public_key);
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, jwk.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        let x = BASE64_URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(thumbprint(&x), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
