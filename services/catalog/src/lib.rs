//! Catalog: what the shop has, and how much of it is left.
//!
//! [`browse`] finds products, by the rules in [`listing`]; [`manage`] makes, changes and archives them, by those in
//! [`draft`]; [`reserve`] takes their stock for orders and gives it back. Categories and tags are both [`label`]s.
//! [`pictures`] takes in what products show, from the stream in [`upload`]; [`bodega_media::ImageRegistry`] deletes what none
//! shows any more. `store` is the only room that speaks SQL.
//!
//! Three rules hold everywhere:
//!
//! - A product's stock is the sum of its movements in the ledger: both change in one transaction.
//! - A product's version grows with whatever a reader sees of it, the name of its category included.
//! - Rows are locked in the order that [`store`] tells, so that nobody waits in a circle.
//!
//! A page of products, one product or a batch of them is one SQL statement.

pub mod bulk;
mod categories_and_tags;
mod config;
mod error;
mod grpc;
mod images;
mod listing;
mod products;
mod reservations;
mod store;
mod text;

use std::path::Path;

use bodega_media::{ImageRegistry, Media};
use bodega_proto::catalog::v1::{
    catalog_service_server::CatalogServiceServer, stock_service_server::StockServiceServer,
};
use bodega_runtime::{
    auth::Verifier,
    money::Currency,
    process::Process,
    server::{AuthLayer, Service},
    transport::Transport,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use self::config::Config;
use self::{
    categories_and_tags::category_or_tag as label,
    grpc::{CatalogApi, StockApi},
    images::{add as pictures, upload_stream as upload},
    products::{browse, draft, manage, product},
    reservations::reserve,
};

/// What brings the schema into being.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// The schema this service owns.
pub const SCHEMA: &str = "catalog";

/// Where a process of its own keeps pictures, unless it is told otherwise.
const MEDIA_DIR: &str = ".bodega/media";

/// Runs the service as a process of its own, until the shutdown.
///
/// # Errors
/// When the database is not configured, cannot be reached or migrated, the storage of pictures is half configured, or
/// the listener fails.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    let media = config.media.open(config.media_dir.as_deref().unwrap_or(Path::new(MEDIA_DIR)))?;
    let db = process.database(&config.database, SCHEMA, &MIGRATOR).await?;
    let identity = Transport::remote(config.identity_url, &process.service_token);
    let guard = AuthLayer { service_token: process.service_token, verifier: Verifier::new(identity) };
    start(db, config.currency, media, process.shutdown).await?.serve(&guard, process.listener).await
}

/// Starts the service over a migrated database. All prices are in `currency`.
///
/// # Errors
/// Never: a database or a storage of pictures that is down makes calls fail, not the start.
pub async fn start(
    db: PgPool,
    currency: Currency,
    media: Media,
    shutdown: CancellationToken,
) -> anyhow::Result<Service> {
    let images = ImageRegistry::new(db.clone(), SCHEMA, media);
    let catalog = CatalogApi::new(db.clone(), currency, images.clone());
    let routes = Routes::new(CatalogServiceServer::new(catalog))
        .add_service(StockServiceServer::new(StockApi { db: db.clone(), currency }));
    let service = Service::new("catalog", routes, db, shutdown).await;
    service.spawn(images.clean_up());
    Ok(service)
}
