//! Carts: what somebody means to buy.
//!
//! [`shopping`] tells what a shopper does with a cart, [`merge`] what becomes of a guest's when its owner signs in,
//! and [`checkout`] how a cart becomes an order. [`pricing`] joins the lines with what the [`catalog`] says of
//! their products; `store` is the only room that speaks SQL.
//!
//! Three rules hold everywhere:
//!
//! - Whoever changes a cart locks its row first, which raising its version does. So changes of one cart come one
//!   after the other, none is lost, and no two of them can deadlock.
//! - The catalog is asked before anything is written, and never inside a transaction: when it cannot be reached,
//!   the call fails and nothing has changed.
//! - What a call may cost, beside the begin and the commit of a transaction:
//!
//! | call | catalog | SQL statements |
//! |---|---|---|
//! | `GetCart` | 1; none for an empty cart | 1 |
//! | `AddItem` | 1 | 3; 2 for a guest's first |
//! | `SetItem`, `RemoveItem` | 1; none where nothing remains | 3 |
//! | `ClearCart` | none | 2 |
//! | `MergeGuestCart` | none | 4 |
//! | `GetSnapshot` | none | 1 |
//! | `ClearOrdered` | none | 3 |
//!
//! A change that finds a line which somebody else added meanwhile asks the catalog once more.

mod cart;
mod catalog;
mod checkout;
mod cleanup;
mod config;
mod error;
mod grpc;
mod merge;
mod owner;
mod pricing;
mod shopping;
mod store;

use bodega_proto::cart::v1::{
    cart_service_server::CartServiceServer, checkout_service_server::CheckoutServiceServer,
};
use bodega_runtime::{
    auth::Verifier,
    process::Process,
    server::{AuthLayer, Service},
    transport::Transport,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use self::config::Config;
use self::{
    catalog::Catalog,
    grpc::{CartApi, CheckoutApi},
};

/// What brings the schema into being.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// The schema this service owns.
pub const SCHEMA: &str = "cart";

/// Runs the service as a process of its own, until the shutdown.
///
/// # Errors
/// When the database is not configured, cannot be reached or migrated, or the listener fails.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    let db = process.database(&config.database, SCHEMA, &MIGRATOR).await?;
    let catalog = Transport::remote("catalog", config.catalog_url, &process.service_token);
    let identity = Transport::remote("identity", config.identity_url, &process.service_token);
    let guard = AuthLayer { service_token: process.service_token, verifier: Verifier::new(identity) };
    start(db, catalog, process.shutdown).await?.serve(&guard, process.listener).await
}

/// Starts the service over a migrated database, sweeping what nobody comes back for until the shutdown.
///
/// # Errors
/// Never: a database or a catalog that is down makes calls fail, not the start.
pub async fn start(db: PgPool, catalog: Transport, shutdown: CancellationToken) -> anyhow::Result<Service> {
    let routes = Routes::new(CartServiceServer::new(CartApi::new(db.clone(), Catalog::new(catalog))))
        .add_service(CheckoutServiceServer::new(CheckoutApi::new(db.clone())));
    let service = Service::new("cart", routes, db.clone(), shutdown).await;
    service.spawn(cleanup::run(db));
    Ok(service)
}
