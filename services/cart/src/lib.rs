//! The cart service: carts of users and guests.
//!
//! `actions` reads and changes a cart, `merge` adds a guest's cart to a user's at login, and `checkout` serves
//! the order service. `pricing` joins the lines with the products of the `catalog`. All SQL is in `db`.
//!
//! Three rules:
//!
//! - A change of a cart first locks its row by raising its version. Changes of one cart are serialized, so none is lost
//!   and no two of them deadlock.
//! - The catalog is called before anything is written and never inside a transaction: when it is unavailable, the call
//!   fails and nothing has changed.
//! - A call costs at most this, besides `begin` and `commit`:
//!
//! | call | catalog calls | SQL statements |
//! |---|---|---|
//! | `GetCart` | 1; none for an empty cart | 1 |
//! | `AddItem` | 1 | 3; 2 for a guest's first call |
//! | `SetItem`, `RemoveItem` | 1; none if no line remains | 3 |
//! | `ClearCart` | none | 2 |
//! | `MergeGuestCart` | none | 4 |
//! | `GetSnapshot` | none | 1 |
//! | `ClearOrdered` | none | 3 |
//!
//! If a line was added concurrently, a change calls the catalog once more.

mod actions;
mod cart;
mod catalog;
mod checkout;
mod cleanup;
mod config;
mod db;
mod error;
mod grpc;
mod merge;
mod owner;
mod pricing;

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

/// The migrations of the schema.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// The name of the schema.
pub const SCHEMA: &str = "cart";

/// Runs the service as a process of its own, until shutdown.
///
/// # Errors
/// When the database is not configured, cannot be reached or migrated, or the listener fails.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    let db = process.database(&config.database, SCHEMA, &MIGRATOR).await?;
    let catalog = Transport::remote("catalog", config.catalog_url, &process.service_token);
    let identity = Transport::remote("identity", config.identity_url, &process.service_token);
    let auth = AuthLayer { service_token: process.service_token, verifier: Verifier::new(identity) };
    start(db, catalog, process.shutdown).await?.serve(&auth, process.listener).await
}

/// Starts the service on a migrated database, with a cleanup worker that runs until shutdown.
///
/// # Errors
/// Never: while the database or the catalog is unavailable, calls fail, but not the start.
pub async fn start(db: PgPool, catalog: Transport, shutdown: CancellationToken) -> anyhow::Result<Service> {
    let routes = Routes::new(CartServiceServer::new(CartApi::new(db.clone(), Catalog::new(catalog))))
        .add_service(CheckoutServiceServer::new(CheckoutApi::new(db.clone())));
    let service = Service::new("cart", routes, db.clone(), shutdown).await;
    service.spawn(cleanup::run(db));
    Ok(service)
}
