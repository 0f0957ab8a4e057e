//! What the process is told.

use bodega_runtime::{config, database::DatabaseArgs};
use tonic::transport::Uri;

/// Configuration of the cart service.
#[derive(Debug, clap::Args)]
pub struct Config {
    /// Where the schema `cart` is
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Where identity is
    #[arg(long, env = "BODEGA_IDENTITY_URL", default_value = "http://127.0.0.1:7001", value_parser = config::url)]
    pub identity_url: Uri,
    /// Where the catalog is
    #[arg(long, env = "BODEGA_CATALOG_URL", default_value = "http://127.0.0.1:7002", value_parser = config::url)]
    pub catalog_url: Uri,
}
