//! What the process is told.

use std::path::PathBuf;

use bodega_media::MediaArgs;
use bodega_runtime::{database::DatabaseArgs, money::Currency};
use tonic::transport::Uri;

/// Configuration of the catalog service.
#[derive(Debug, clap::Args)]
pub struct Config {
    /// Where the schema `catalog` is
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Where identity is
    #[arg(long, env = "BODEGA_IDENTITY_URL", default_value = "http://127.0.0.1:7001",
        value_parser = bodega_runtime::config::url)]
    pub identity_url: Uri,
    /// Currency of the shop, a code of ISO 4217; the same for gateway and catalog
    #[arg(long, env = "BODEGA_CURRENCY", default_value = "USD")]
    pub currency: Currency,
    /// Where the pictures are, and what they may be
    #[command(flatten)]
    pub media: MediaArgs,
    /// Directory of the pictures, where they are in no other storage: the gateway's [default: .bodega/media]
    #[arg(long, env = "BODEGA_MEDIA_DIR")]
    pub media_dir: Option<PathBuf>,
}
