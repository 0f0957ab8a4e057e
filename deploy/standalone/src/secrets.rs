//! Generated secrets, in a file of the data directory that only the user of the process can read.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::Context as _;
use bodega_embedded_postgres::create_data_dir;
use bodega_identity::SecretKey;
use rand::distr::{Alphanumeric, SampleString as _};
use serde::{Deserialize, Serialize};

use crate::provision::Passwords;

const FILE: &str = "secrets.json";

/// Characters of a generated secret: 190 bits.
const LENGTH: usize = 32;

/// Characters of a generated password: 95 bits.
const PASSWORD_LENGTH: usize = 16;

/// Has no `Debug`, so that it cannot be logged.
#[derive(Serialize, Deserialize)]
pub(crate) struct Secrets {
    /// Encrypts the signing keys, unless `JWT_SECRET_KEY` is set.
    jwt_secret_key: String,
    /// The value before the last rotation: the signing keys are encrypted under it until the next start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous_jwt_secret_key: Option<String>,
    /// Passwords of the services' roles in the embedded database.
    pub(crate) database_passwords: Passwords,
}

impl Secrets {
    /// Reads the secrets in `data_dir`, or generates them if there is no file.
    ///
    /// # Errors
    /// When the file cannot be read or written. An invalid file is not replaced, because without the old secrets the
    /// signing keys in the database are lost.
    pub(crate) fn open(data_dir: &Path) -> anyhow::Result<Self> {
        let file = data_dir.join(FILE);
        match fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text)
                .with_context(|| format!("{} is invalid: restore it from a backup", file.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let secrets = Self::random();
                secrets.save(&file).with_context(|| format!("cannot write {}", file.display()))?;
                Ok(secrets)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    /// Returns the secret, and the one before the last rotation.
    ///
    /// # Errors
    /// When one is weak, because the file was edited.
    pub(crate) fn jwt_secret_keys(&self) -> anyhow::Result<(SecretKey, Option<SecretKey>)> {
        let parse = |text: &String| {
            text.parse().map_err(anyhow::Error::msg).context("invalid secret in the data directory")
        };
        let previous = self.previous_jwt_secret_key.as_ref().map(parse).transpose()?;
        Ok((parse(&self.jwt_secret_key)?, previous))
    }

    /// Replaces the secret that encrypts the signing keys, and keeps the previous value.
    ///
    /// # Errors
    /// As [`Secrets::open`].
    pub(crate) fn rotate_jwt_secret_key(data_dir: &Path) -> anyhow::Result<()> {
        let mut secrets = Self::open(data_dir)?;
        let previous = std::mem::replace(&mut secrets.jwt_secret_key, random_secret());
        secrets.previous_jwt_secret_key = Some(previous);
        let file = data_dir.join(FILE);
        secrets.save(&file).with_context(|| format!("cannot write {}", file.display()))
    }

    fn random() -> Self {
        Self {
            jwt_secret_key: random_secret(),
            previous_jwt_secret_key: None,
            database_passwords: Passwords {
                identity: random_secret(),
                catalog: random_secret(),
                cart: random_secret(),
                order: random_secret(),
            },
        }
    }

    /// Writes a temporary file and renames it, so that a crash never leaves an incomplete file.
    fn save(&self, file: &Path) -> anyhow::Result<()> {
        let temporary = file.with_extension("new");
        if let Some(directory) = file.parent() {
            create_data_dir(directory)?;
        }
        let mut new =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        new.write_all(&serde_json::to_vec_pretty(self)?)?;
        new.sync_all()?;
        fs::rename(&temporary, file)?;
        Ok(())
    }
}

/// Generates a secret for a process.
pub(crate) fn random_secret() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), LENGTH)
}

/// Generates a password for a person.
pub(crate) fn random_password() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), PASSWORD_LENGTH)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use bodega_embedded_postgres::testing::TempDir;

    use super::*;

    #[test]
    fn generates_secrets_once_and_readable_by_their_user_only() {
        let dir = TempDir::new("secrets").unwrap();
        let created = Secrets::open(dir.path()).unwrap();
        let found = Secrets::open(dir.path()).unwrap();
        assert_eq!(created.jwt_secret_key, found.jwt_secret_key);
        assert_eq!(created.database_passwords.order, found.database_passwords.order);
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn all_secrets_differ() {
        let Secrets { jwt_secret_key: key, database_passwords: of, .. } = Secrets::random();
        let all = std::collections::HashSet::from([key, of.identity, of.catalog, of.cart, of.order]);
        assert_eq!(all.len(), 5);
        assert!(all.iter().all(|secret| secret.len() == LENGTH));
    }

    #[test]
    fn a_rotation_keeps_the_previous_secret() {
        let dir = TempDir::new("rotation").unwrap();
        let created = Secrets::open(dir.path()).unwrap();
        assert!(created.jwt_secret_keys().unwrap().1.is_none());
        Secrets::rotate_jwt_secret_key(dir.path()).unwrap();
        let rotated = Secrets::open(dir.path()).unwrap();
        assert_ne!(rotated.jwt_secret_key, created.jwt_secret_key);
        assert_eq!(rotated.previous_jwt_secret_key, Some(created.jwt_secret_key));
        assert_eq!(rotated.database_passwords.cart, created.database_passwords.cart);
    }

    #[test]
    fn does_not_replace_an_invalid_file() {
        let dir = TempDir::new("damaged").unwrap();
        fs::write(dir.path().join(FILE), "{}").unwrap();
        assert!(Secrets::open(dir.path()).is_err());
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), "{}");
    }
}
