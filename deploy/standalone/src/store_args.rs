//! The options of every command: where the store's data is, and the settings of its services.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bodega_audit::AuditArgs;
use bodega_events::EventArgs;
use bodega_gateway::Settings;
use bodega_identity::PageArgs;
use bodega_mail::MailArgs;
use bodega_media::{Media, MediaArgs};
use bodega_order::{CheckoutArgs, OrderMailArgs, PaymentArgs};
use bodega_runtime::{database::DatabaseArgs, rate_limit::RateLimitArgs};

use crate::{database::Database, database_urls::DatabaseUrls, secrets::Secrets};

/// Options of every command.
#[derive(clap::Args)]
pub(crate) struct StoreArgs {
    /// Directory of the embedded database, secrets and images
    #[arg(long, env = "BODEGA_DATA_DIR", default_value = ".bodega", help_heading = "Data")]
    pub(crate) data_dir: PathBuf,
    #[command(flatten, next_help_heading = "Database [default: embedded, in the data directory]")]
    pub(crate) database: DatabaseArgs,
    #[command(flatten, next_help_heading = "Database [default: embedded, in the data directory]")]
    pub(crate) database_urls: DatabaseUrls,
    /// Encrypts the keys that sign access tokens, at least 32 random bytes [default: generated, in the data directory]
    #[arg(long, env = "JWT_SECRET_KEY", hide_env_values = true, help_heading = "Data")]
    jwt_secret_key: Option<bodega_identity::SecretKey>,
    /// Decrypts them too: the next or the previous value of `JWT_SECRET_KEY` while it is replaced
    #[arg(long, env = "BODEGA_SECONDARY_JWT_SECRET_KEY", hide_env_values = true, help_heading = "Data")]
    secondary_jwt_secret_key: Option<bodega_identity::SecretKey>,
    #[command(flatten, next_help_heading = "Payments")]
    payments: PaymentArgs,
    #[command(flatten, next_help_heading = "Payments")]
    checkout: CheckoutArgs,
    #[command(flatten, next_help_heading = "Mail")]
    pub(crate) mail: MailArgs,
    #[command(flatten, next_help_heading = "Mail")]
    pub(crate) order_mail: OrderMailArgs,
    #[command(flatten, next_help_heading = "Mail")]
    pages: PageArgs,
    #[command(flatten, next_help_heading = "Images")]
    media: MediaArgs,
    #[command(flatten, next_help_heading = "Events")]
    pub(crate) events: EventArgs,
    #[command(flatten, next_help_heading = "Data")]
    pub(crate) audit: AuditArgs,
    #[command(flatten, next_help_heading = "API")]
    tokens: bodega_identity::TokenArgs,
    #[command(flatten, next_help_heading = "API")]
    second_factor: bodega_identity::SecondFactorArgs,
    #[command(flatten, next_help_heading = "API")]
    rate_limits: RateLimitArgs,
    #[command(flatten, next_help_heading = "API")]
    pub(crate) gateway: Settings,
}

impl StoreArgs {
    /// Returns the settings of the identity service.
    ///
    /// # Errors
    /// When the secrets cannot be read or written.
    pub(crate) fn identity(&self) -> anyhow::Result<bodega_identity::Settings> {
        let (jwt_secret, secondary_jwt_secret) = match &self.jwt_secret_key {
            Some(secret) => (secret.clone(), self.secondary_jwt_secret_key.clone()),
            None => Secrets::open(&self.data_dir)?.jwt_secret_keys()?,
        };
        Ok(bodega_identity::Settings {
            access_ttl: self.tokens.access_ttl,
            pages: self.pages.clone(),
            require_admin_second_factor: self.second_factor.require_admin_2fa,
            rate_limits: self.rate_limits.rate_limits,
            secondary_jwt_secret,
            ..bodega_identity::Settings::new(jwt_secret)
        })
    }

    /// Returns the settings of the order service.
    ///
    /// # Errors
    /// When a part of a payment provider's settings is missing or invalid.
    pub(crate) fn order(&self) -> anyhow::Result<bodega_order::Settings> {
        let payments = self.payments.providers()?;
        Ok(bodega_order::Settings {
            payments,
            max_pending_orders: self.checkout.max_pending_orders(self.rate_limits.rate_limits),
        })
    }

    /// Returns whether `JWT_SECRET_KEY` is generated, in the data directory.
    pub(crate) fn has_generated_secret(&self) -> bool {
        self.jwt_secret_key.is_none()
    }

    /// Returns the image storage and the settings of the gateway.
    ///
    /// # Errors
    /// When the configuration of a storage is incomplete, and when the directory cannot be created.
    pub(crate) fn media(&self) -> anyhow::Result<(Media, Settings)> {
        let directory = match &self.gateway.media_dir {
            Some(directory) => directory.clone(),
            None => {
                create_data_dir(&self.data_dir)?;
                self.data_dir.join("media")
            }
        };
        let media = self.media.open(&directory)?;
        Ok((media, Settings { media_dir: Some(directory), ..self.gateway.clone() }))
    }

    /// Opens the database, or connects to the one of a running `bodega`.
    pub(crate) async fn unmigrated_database(&self) -> anyhow::Result<Database> {
        Database::open_or_join(&self.database_urls, &self.database, &self.data_dir).await
    }

    /// Opens the database, or connects to the one of a running `bodega`, and migrates it.
    pub(crate) async fn database(&self) -> anyhow::Result<Database> {
        let database = self.unmigrated_database().await?;
        match database.migrate(&self.data_dir).await {
            Ok(()) => Ok(database),
            Err(error) => {
                database.close().await?;
                Err(error)
            }
        }
    }
}

/// Creates the data directory if it is missing.
pub(crate) fn create_data_dir(path: &Path) -> anyhow::Result<()> {
    bodega_embedded_postgres::create_data_dir(path)
        .with_context(|| format!("BODEGA_DATA_DIR (or --data-dir): cannot create {}", path.display()))
}
