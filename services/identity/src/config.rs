//! What the service is told.

use std::{fmt, num::NonZero, path::PathBuf, str::FromStr, sync::Arc, thread, time::Duration};

use bodega_media::MediaArgs;
use bodega_runtime::database::DatabaseArgs;

/// Fewer bytes than this can be guessed.
const MIN_SECRET_BYTES: usize = 32;

/// What the process is told, beside what every process is.
#[derive(Debug, clap::Args)]
pub struct Config {
    /// Where the accounts are
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Seals the keys that sign access tokens: at least 32 bytes, the same for every start
    #[arg(long, env = "JWT_SECRET_KEY", hide_env_values = true)]
    pub jwt_secret_key: SecretKey,
    /// Where the pictures are, and what they may be
    #[command(flatten)]
    pub media: MediaArgs,
    /// Directory of the pictures, where they are in no other storage: the gateway's [default: .bodega/media]
    #[arg(long, env = "BODEGA_MEDIA_DIR")]
    pub media_dir: Option<PathBuf>,
}

/// What the service is told, wherever it runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Seals the signing keys at rest.
    pub jwt_secret: SecretKey,
    /// How long an access token is good for. 15 minutes.
    pub access_ttl: Duration,
    /// How long a session lasts without being used. 30 days.
    pub refresh_ttl: Duration,
    /// How many passwords are hashed at once; each takes a core and 19 MiB. One a core.
    pub max_concurrent_hashes: usize,
    /// How long a password waits for its turn to be hashed before its bearer is sent away. 5 seconds.
    pub hash_wait: Duration,
}

impl Settings {
    /// The usual ones.
    pub fn new(jwt_secret: SecretKey) -> Self {
        Self {
            jwt_secret,
            access_ttl: Duration::from_secs(15 * 60),
            refresh_ttl: Duration::from_secs(30 * 24 * 60 * 60),
            max_concurrent_hashes: thread::available_parallelism().map_or(1, NonZero::get),
            hash_wait: Duration::from_secs(5),
        }
    }
}

/// A secret of at least 32 bytes. Never shown, not even by `Debug`.
#[derive(Clone)]
pub struct SecretKey(Arc<str>);

impl SecretKey {
    /// The secret.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for SecretKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() < MIN_SECRET_BYTES {
            return Err(format!(
                "use at least {MIN_SECRET_BYTES} bytes, such as `openssl rand -base64 32` makes"
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_can_be_guessed_is_refused() {
        assert!("x".repeat(31).parse::<SecretKey>().is_err());
        assert!("x".repeat(32).parse::<SecretKey>().is_ok());
    }

    #[test]
    fn a_secret_never_shows() {
        let settings = Settings::new("hunter2hunter2hunter2hunter2hunter2".parse().unwrap());
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
