//! Configuration of the order service as a process of its own.

use bodega_audit::AuditArgs;
use bodega_events::EventArgs;
use bodega_mail::MailArgs;
use bodega_runtime::{config, database::DatabaseArgs, rate_limit::RateLimitArgs};
use tonic::transport::Uri;

use crate::{checkout::config::CheckoutArgs, mail::OrderMailArgs, payments::config::PaymentArgs};

/// Flags and variables of `bodega-order`.
#[derive(Debug, clap::Args)]
pub struct Config {
    /// The database of the service
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// URL of the identity service
    #[arg(long, env = "BODEGA_IDENTITY_URL", default_value = "http://127.0.0.1:7001", value_parser = config::url)]
    pub identity_url: Uri,
    /// URL of the catalog service
    #[arg(long, env = "BODEGA_CATALOG_URL", default_value = "http://127.0.0.1:7002", value_parser = config::url)]
    pub catalog_url: Uri,
    /// URL of the cart service
    #[arg(long, env = "BODEGA_CART_URL", default_value = "http://127.0.0.1:7003", value_parser = config::url)]
    pub cart_url: Uri,
    /// Payments
    #[command(flatten)]
    pub payments: PaymentArgs,
    /// Rate limits
    #[command(flatten)]
    pub rate_limits: RateLimitArgs,
    /// Mail
    #[command(flatten)]
    pub mail: MailArgs,
    /// Mails about orders
    #[command(flatten)]
    pub order_mail: OrderMailArgs,
    /// Checkouts
    #[command(flatten)]
    pub checkout: CheckoutArgs,
    /// Events for other systems
    #[command(flatten)]
    pub events: EventArgs,
    /// The audit log
    #[command(flatten)]
    pub audit: AuditArgs,
}
