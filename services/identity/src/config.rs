//! Configuration.

use std::{path::PathBuf, str::FromStr, thread, time::Duration};

use bodega_audit::AuditArgs;
use bodega_mail::{MailArgs, Mailer};
use bodega_media::MediaArgs;
use bodega_runtime::{
    config::{self, check_secret},
    database::DatabaseArgs,
    rate_limit::{RateLimitArgs, RateLimits},
    timeouts::PASSWORD_HASH_WAIT,
};
use secrecy::{ExposeSecret as _, SecretString};

/// Configuration of the identity service.
#[derive(Debug, clap::Args)]
pub struct Config {
    /// Database of the schema `identity`
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Secret that encrypts the keys that sign access tokens: at least 32 random bytes, the same at every start
    #[arg(long, env = "JWT_SECRET_KEY", hide_env_values = true)]
    pub jwt_secret_key: SecretKey,
    /// Secret that decrypts these keys too: the next or the previous value of `JWT_SECRET_KEY` while it is replaced
    #[arg(long, env = "BODEGA_SECONDARY_JWT_SECRET_KEY", hide_env_values = true)]
    pub secondary_jwt_secret_key: Option<SecretKey>,
    /// Lifetimes of tokens
    #[command(flatten)]
    pub tokens: TokenArgs,
    /// Second factors
    #[command(flatten)]
    pub second_factor: SecondFactorArgs,
    /// Rate limits
    #[command(flatten)]
    pub rate_limits: RateLimitArgs,
    /// Image storage and limits
    #[command(flatten)]
    pub media: MediaArgs,
    /// The audit log
    #[command(flatten)]
    pub audit: AuditArgs,
    /// Mail
    #[command(flatten)]
    pub mail: MailArgs,
    /// Pages for the links of mails
    #[command(flatten)]
    pub pages: PageArgs,
    /// Directory of images if no other storage is configured, the same as the gateway's [default: .bodega/media]
    #[arg(long, env = "BODEGA_MEDIA_DIR")]
    pub media_dir: Option<PathBuf>,
}

/// Pages of the storefront for the links of mails. The token is in the fragment of the URL: `#token=…`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct PageArgs {
    /// URL of the storefront's page that sets a new password [default: a built-in page]
    #[arg(long, env = "BODEGA_RESET_URL", value_parser = page)]
    pub reset_url: Option<String>,
    /// URL of the storefront's page that confirms an address [default: a built-in page]
    #[arg(long, env = "BODEGA_VERIFY_URL", value_parser = page)]
    pub verify_url: Option<String>,
}

/// Accepts a URL to which a fragment can be added.
fn page(text: &str) -> Result<String, String> {
    match config::url(text) {
        Ok(_) if !text.contains('#') => Ok(text.to_owned()),
        _ => Err("use a URL without a fragment, such as https://shop.example/reset".to_owned()),
    }
}

/// Lifetimes of tokens.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct TokenArgs {
    /// Lifetime of an access token in seconds
    #[arg(long, env = "BODEGA_ACCESS_TTL", default_value = "900", value_parser = access_ttl)]
    pub access_ttl: Duration,
}

/// Rules for second factors.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct SecondFactorArgs {
    /// Whether admins need a second factor; until they enroll one, they have the rights of users
    #[arg(
        long,
        env = "BODEGA_REQUIRE_ADMIN_2FA",
        default_value = "false",
        value_parser = clap::builder::BoolishValueParser::new(),
        action = clap::ArgAction::Set
    )]
    pub require_admin_2fa: bool,
}

/// Parses a lifetime of at most 12 hours, which is shorter than the retention of ended sessions.
fn access_ttl(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=43_200) => Ok(Duration::from_secs(seconds)),
        _ => Err("must be a number of seconds between 1 and 43200".to_owned()),
    }
}

/// Settings of the service, in its own process and in the standalone binary.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Encrypts secrets in the database, such as the signing keys.
    pub jwt_secret: SecretKey,
    /// Decrypts them too: the next or the previous value of `jwt_secret` while it is replaced. None by default.
    pub secondary_jwt_secret: Option<SecretKey>,
    /// Lifetime of an access token. 15 minutes by default.
    pub access_ttl: Duration,
    /// Whether admins need a second factor to act as admins. `false` by default.
    pub require_admin_second_factor: bool,
    /// Time after which an unused session expires. 30 days by default.
    pub refresh_ttl: Duration,
    /// Whether clients and accounts are limited. On by default.
    pub rate_limits: RateLimits,
    /// Time after which a session ends, even if it is used. 90 days by default.
    pub session_ttl: Duration,
    /// Maximum number of passwords that are hashed at the same time; each uses a core and 19 MiB. By default one less than
    /// there are cores, but at least one, so that a core is left for other requests.
    pub max_concurrent_hashes: u32,
    /// Maximum wait before a password is hashed; a call that would wait for longer is rejected at once. 1 second by
    /// default.
    pub hash_wait: Duration,
    /// Sends mail; none by default.
    pub mail: Option<Mailer>,
    /// Pages for the links of mails.
    pub pages: PageArgs,
}

impl Settings {
    /// Returns the default settings.
    pub fn new(jwt_secret: SecretKey) -> Self {
        Self {
            jwt_secret,
            secondary_jwt_secret: None,
            access_ttl: Duration::from_secs(15 * 60),
            require_admin_second_factor: false,
            refresh_ttl: Duration::from_secs(30 * 24 * 60 * 60),
            rate_limits: RateLimits::default(),
            session_ttl: Duration::from_secs(90 * 24 * 60 * 60),
            max_concurrent_hashes: thread::available_parallelism()
                .ok()
                .and_then(|cores| u32::try_from(cores.get() - 1).ok())
                .map_or(1, |others| others.max(1)),
            hash_wait: PASSWORD_HASH_WAIT,
            mail: None,
            pages: PageArgs::default(),
        }
    }
}

/// A secret of at least 32 bytes that cannot be guessed.
#[derive(Clone, Debug)]
pub struct SecretKey(SecretString);

impl SecretKey {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

impl FromStr for SecretKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check_secret(text)?;
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_a_short_or_predictable_secret() {
        let secret = "7d0fKq2vXwLr5sTz8bYh3mNc6pGj9aEu";
        assert!(secret[1..].parse::<SecretKey>().is_err());
        assert!(secret.parse::<SecretKey>().is_ok());
        assert!("x".repeat(32).parse::<SecretKey>().is_err());
    }

    #[test]
    fn limits_the_lifetime_of_access_tokens() {
        assert_eq!(access_ttl("1"), Ok(Duration::from_secs(1)));
        assert_eq!(access_ttl("43200"), Ok(Duration::from_secs(12 * 60 * 60)));
        for text in ["0", "43201", "-1", "15m", ""] {
            assert!(access_ttl(text).is_err(), "{text}");
        }
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let settings = Settings::new("hunter2, and enough other characters".parse().unwrap());
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
