//! Configuration.

use std::path::PathBuf;

use bodega_audit::AuditArgs;
use bodega_events::EventArgs;
use bodega_media::MediaArgs;
use bodega_runtime::{database::DatabaseArgs, money::Currency, rate_limit::RateLimitArgs};
use tonic::transport::Uri;

/// Configuration of the catalog service.
#[derive(Debug, clap::Args)]
pub struct Config {
    /// Database of the schema `catalog`
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// URL of the identity service
    #[arg(long, env = "BODEGA_IDENTITY_URL", default_value = "http://127.0.0.1:7001",
        value_parser = bodega_runtime::config::url)]
    pub identity_url: Uri,
    /// Currency of the store, an ISO 4217 code; must be the same for gateway and catalog
    #[arg(long, env = "BODEGA_CURRENCY", default_value = "USD")]
    pub currency: Currency,
    /// Rate limits
    #[command(flatten)]
    pub rate_limits: RateLimitArgs,
    /// Image storage and limits
    #[command(flatten)]
    pub media: MediaArgs,
    /// Events for other systems
    #[command(flatten)]
    pub events: EventArgs,
    /// The audit log
    #[command(flatten)]
    pub audit: AuditArgs,
    /// Directory of images if no other storage is configured, the same as the gateway's [default: .bodega/media]
    #[arg(long, env = "BODEGA_MEDIA_DIR")]
    pub media_dir: Option<PathBuf>,
}
