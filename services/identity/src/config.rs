//! What the service is told.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc, thread, time::Duration};

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
    /// How long tokens are good for
    #[command(flatten)]
    pub tokens: TokenArgs,
    /// Where the pictures are, and what they may be
    #[command(flatten)]
    pub media: MediaArgs,
    /// Directory of the pictures, where they are in no other storage: the gateway's [default: .bodega/media]
    #[arg(long, env = "BODEGA_MEDIA_DIR")]
    pub media_dir: Option<PathBuf>,
}

/// How long tokens are good for.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct TokenArgs {
    /// Seconds that an access token is good for
    #[arg(long, env = "BODEGA_ACCESS_TTL", default_value = "900", value_parser = access_ttl)]
    pub access_ttl: Duration,
}

/// At most as long as an ended session is remembered, by far.
fn access_ttl(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=43_200) => Ok(Duration::from_secs(seconds)),
        _ => Err("use a number of seconds from 1 to 43200".to_owned()),
    }
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
    pub max_concurrent_hashes: u32,
    /// How long a password waits for its turn to be hashed. Whoever would have to wait longer is sent away at once. 1
    /// second: the rest of a request's two is for the hash itself, and for the database.
    pub hash_wait: Duration,
}

impl Settings {
    /// The usual ones.
    pub fn new(jwt_secret: SecretKey) -> Self {
        Self {
            jwt_secret,
            access_ttl: Duration::from_secs(15 * 60),
            refresh_ttl: Duration::from_secs(30 * 24 * 60 * 60),
            max_concurrent_hashes: thread::available_parallelism()
                .ok()
                .and_then(|cores| u32::try_from(cores.get()).ok())
                .unwrap_or(1),
            hash_wait: Duration::from_secs(1),
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
    fn an_access_token_is_good_for_a_second_at_least_and_half_a_day_at_most() {
        assert_eq!(access_ttl("1"), Ok(Duration::from_secs(1)));
        assert_eq!(access_ttl("43200"), Ok(Duration::from_secs(12 * 60 * 60)));
        for text in ["0", "43201", "-1", "15m", ""] {
            assert!(access_ttl(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_never_shows() {
        let settings = Settings::new("hunter2hunter2hunter2hunter2hunter2".parse().unwrap());
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
