//! The catalog service: categories, tags, products with their images, and the reservation of stock for orders.
//!
//! `grpc` is the entry point. Each domain concept is a folder in which a use case is a file: [`categories_and_tags`],
//! [`products`], [`variants`], [`listing`], [`images`], [`reservations`], [`changes`], [`events`]. All SQL is in their `db` modules.
//!
//! Three rules apply everywhere:
//!
//! - A product's stock is the sum of its movements in the ledger: both change in one transaction.
//! - A product's version grows with every change that clients can see, the name of its category included.
//! - A transaction locks rows in this order, so that transactions cannot deadlock: categories, tags, products,
//!   reservations, each by id; then the stored images of one product.
//!
//! A page of products, a batch of them, or one product is read in a single statement. One statement reserves the stock of
//! up to 64 orders at a time; one more reads whether those have a reservation that do not get one.

pub mod bulk;
mod categories_and_tags;
mod changes;
mod config;
mod error;
mod events;
mod grpc;
mod images;
mod listing;
mod metrics;
mod products;
mod reservations;
mod text;
mod variants;

use std::{ffi::OsString, path::Path, process::ExitCode};

use bodega_audit::{AuditApi, AuditLog};
use bodega_events::Nats;
use bodega_media::{ImageRegistry, Media};
use bodega_proto::{
    audit::v1::audit_service_server::AuditServiceServer,
    catalog::v1::{
        catalog_service_server::CatalogServiceServer, change_service_server::ChangeServiceServer,
        stock_service_server::StockServiceServer, variant_service_server::VariantServiceServer,
    },
};
use bodega_runtime::{
    auth::Verifier,
    database::Pool,
    listener::Listener,
    money::Currency,
    process::{self, Process},
    rate_limit::{RateLimiter, RateLimits},
    server::{AuthLayer, Service},
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use self::config::Config;
use self::{
    changes::Changes,
    grpc::{CatalogApi, ChangeApi, StockApi, VariantApi},
    listing::Listing,
    reservations::Reservations,
};

/// The migrations of the schema [`SCHEMA`].
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// The schema that the service owns.
pub const SCHEMA: &str = "catalog";

/// The audit log of the service.
pub const AUDIT: AuditLog = AuditLog::new(SCHEMA);

/// The default of [`Config::media_dir`].
const MEDIA_DIR: &str = ".bodega/media";

/// Runs the service as its own process, with the arguments of its command line, of which the first is the name of the program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    process::main("bodega-catalog", 7002, arguments, serve)
}

/// Runs the service as its own process until the shutdown.
///
/// # Errors
/// When the database is not configured, or cannot be reached or migrated; when the image storage is configured
/// incompletely; when the listener fails.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    let media = config.media.open(config.media_dir.as_deref().unwrap_or(Path::new(MEDIA_DIR)))?;
    let nats = config.events.nats()?;
    let identity = process.transport("identity", config.identity_url)?;
    let db = process.database(&config.database, SCHEMA, &MIGRATOR).await?;
    let verifier = Verifier::new(identity.clone());
    let auth = AuthLayer { service_token: process.service_token, verifier };
    let rate_limits = config.rate_limits.rate_limits;
    let service = start(db.clone(), config.currency, media, nats, rate_limits, process.shutdown).await?;
    let service = service.report_to(&process.health);
    AUDIT.maintain(&service, &db, config.audit, identity);
    service.serve(&auth, Listener::new(process.listener, process.tls)).await
}

/// Starts the service on a migrated database. All prices are in `currency`. Publishes events if `nats` is given.
///
/// # Errors
/// None: while the database or the image storage is down, calls fail.
pub async fn start(
    db: Pool,
    currency: Currency,
    media: Media,
    nats: Option<Nats>,
    rate_limits: RateLimits,
    shutdown: CancellationToken,
) -> anyhow::Result<Service> {
    let images = ImageRegistry::new(db.clone(), SCHEMA, media);
    let listing = Listing::new(db.clone());
    let changes = Changes::new(db.clone());
    let rate_limiter = RateLimiter::new(db.clone(), SCHEMA, rate_limits);
    let catalog = CatalogApi {
        db: db.clone(),
        currency,
        images: images.clone(),
        rate_limiter: rate_limiter.clone(),
        listing,
        changes: changes.clone(),
    };
    let stock = StockApi(Reservations::new(db.clone(), currency, changes.clone()));
    let variants = VariantApi::new(db.clone(), currency, changes.clone());
    let watches = ChangeApi { changes: changes.clone(), shutdown: shutdown.clone() };
    let routes = Routes::new(CatalogServiceServer::new(catalog))
        .add_service(StockServiceServer::new(stock))
        .add_service(VariantServiceServer::new(variants))
        .add_service(ChangeServiceServer::new(watches))
        .add_service(AuditServiceServer::new(AuditApi::new(db.clone(), AUDIT)));
    metrics::start();
    let service = Service::new("catalog", routes, db.clone(), shutdown).await;
    service.spawn(metrics::sample_stock(db.clone()));
    service.spawn(images.clean_up());
    service.spawn(rate_limiter.clean_up());
    service.spawn(changes.clean_up());
    service.spawn(AUDIT.add_segments(db.clone()));
    if let Some(nats) = nats {
        service.spawn(events::publish(db, nats));
    }
    Ok(service)
}
