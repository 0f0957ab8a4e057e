//! Configuration of the cart service.

use bodega_runtime::{config, database::DatabaseArgs, product_cache, rate_limit::RateLimitArgs};
use tonic::transport::Uri;

/// Settings of the cart service.
#[derive(Debug, clap::Args)]
pub struct Config {
    /// Database of the schema `cart`
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// URL of the identity service
    #[arg(long, env = "BODEGA_IDENTITY_URL", default_value = "http://127.0.0.1:7001", value_parser = config::url)]
    pub identity_url: Uri,
    /// URL of the catalog service
    #[arg(long, env = "BODEGA_CATALOG_URL", default_value = "http://127.0.0.1:7002", value_parser = config::url)]
    pub catalog_url: Uri,
    /// Rate limits
    #[command(flatten)]
    pub rate_limits: RateLimitArgs,
    /// Memory for cached products in bytes
    #[arg(long, env = "BODEGA_CACHE_BYTES", default_value_t = product_cache::DEFAULT_BYTES)]
    pub cache_bytes: usize,
}
