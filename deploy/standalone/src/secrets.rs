//! What a store keeps to itself, in a file of its data directory that only its user can read.

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

/// Characters of a secret that is made: 190 bits.
const LENGTH: usize = 32;

/// Characters of a password that a person types once: 95 bits.
const PASSWORD_LENGTH: usize = 16;

/// What a store must know again at its next start. Has no `Debug`, so that no log can show it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Secrets {
    /// Wraps the signing keys at rest, where no `JWT_SECRET_KEY` is given.
    pub(crate) jwt_secret_key: String,
    /// Of the services' roles in a database of our own.
    pub(crate) database_passwords: Passwords,
}

impl Secrets {
    /// The secrets in `data_dir`, made when there are none.
    ///
    /// # Errors
    /// When the file cannot be read or written. A file that does not make sense is not replaced: without the old
    /// secrets, the signing keys in the database are lost.
    pub(crate) fn open(data_dir: &Path) -> anyhow::Result<Self> {
        let file = data_dir.join(FILE);
        match fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text)
                .with_context(|| format!("{} is damaged: restore it from a backup", file.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let secrets = Self::random();
                secrets.save(&file).with_context(|| format!("cannot write {}", file.display()))?;
                Ok(secrets)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    fn random() -> Self {
        let secret = || Alphanumeric.sample_string(&mut rand::rng(), LENGTH);
        Self {
            jwt_secret_key: secret(),
            database_passwords: Passwords {
                identity: secret(),
                catalog: secret(),
                cart: secret(),
                order: secret(),
            },
        }
    }

    /// Written aside and renamed, so that a crash leaves the whole file or none.
    fn save(&self, file: &Path) -> anyhow::Result<()> {
        let aside = file.with_extension("new");
        if let Some(directory) = file.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut new = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        new.write_all(&serde_json::to_vec_pretty(self)?)?;
        new.sync_all()?;
        fs::rename(&aside, file)?;
        Ok(())
    }
}

/// A password for a person, to be shown once.
pub(crate) fn random_password() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), PASSWORD_LENGTH)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use bodega_embedded_postgres::testing::TempDir;

    use super::*;

    #[test]
    fn secrets_are_made_once_and_for_their_user_alone() {
        let dir = TempDir::new("secrets").unwrap();
        let made = Secrets::open(dir.path()).unwrap();
        let found = Secrets::open(dir.path()).unwrap();
        assert_eq!(made.jwt_secret_key, found.jwt_secret_key);
        assert_eq!(made.database_passwords.order, found.database_passwords.order);
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn no_two_secrets_are_the_same() {
        let Secrets { jwt_secret_key: key, database_passwords: of } = Secrets::random();
        let all = std::collections::HashSet::from([key, of.identity, of.catalog, of.cart, of.order]);
        assert_eq!(all.len(), 5);
        assert!(all.iter().all(|secret| secret.len() == LENGTH));
    }

    #[test]
    fn damaged_secrets_are_not_replaced() {
        let dir = TempDir::new("damaged").unwrap();
        fs::write(dir.path().join(FILE), "{}").unwrap();
        assert!(Secrets::open(dir.path()).is_err());
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), "{}");
    }
}
