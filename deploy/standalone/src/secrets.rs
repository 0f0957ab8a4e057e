//! Generated secrets, in a file of the data directory that only the user of the process can read.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::Context as _;
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
    pub(crate) jwt_secret_key: String,
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

    fn random() -> Self {
        Self {
            jwt_secret_key: random_secret(),
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
            fs::create_dir_all(directory)?;
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
        let Secrets { jwt_secret_key: key, database_passwords: of } = Secrets::random();
        let all = std::collections::HashSet::from([key, of.identity, of.catalog, of.cart, of.order]);
        assert_eq!(all.len(), 5);
        assert!(all.iter().all(|secret| secret.len() == LENGTH));
    }

    #[test]
    fn does_not_replace_an_invalid_file() {
        let dir = TempDir::new("damaged").unwrap();
        fs::write(dir.path().join(FILE), "{}").unwrap();
        assert!(Secrets::open(dir.path()).is_err());
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), "{}");
    }
}
