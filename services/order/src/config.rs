//! What the order service is told when it runs as a process of its own.

use bodega_runtime::{config, database::DatabaseArgs};
use tonic::transport::Uri;

use crate::payments::PaymentArgs;

/// Flags and variables of `bodega-order`.
#[derive(Debug, clap::Args)]
pub struct Config {
    /// Where the orders are kept
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Where identity answers
    #[arg(long, env = "BODEGA_IDENTITY_URL", default_value = "http://127.0.0.1:7001", value_parser = config::url)]
    pub identity_url: Uri,
    /// Where the catalog answers
    #[arg(long, env = "BODEGA_CATALOG_URL", default_value = "http://127.0.0.1:7002", value_parser = config::url)]
    pub catalog_url: Uri,
    /// Where the cart answers
    #[arg(long, env = "BODEGA_CART_URL", default_value = "http://127.0.0.1:7003", value_parser = config::url)]
    pub cart_url: Uri,
    /// How the shop is paid
    #[command(flatten)]
    pub payments: PaymentArgs,
}
