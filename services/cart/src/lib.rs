//! The cart service: carts of users and guests.
//!
//! `actions` reads and changes a cart, `merge` adds a guest's cart to a user's at login, and `checkout` serves
//! the order service. `choice` finds the variant that is added, `pricing` joins the lines with the products of the `catalog`. All SQL
//! is in `db`. The `product_id` of a line is that of a variant; the first variant of a product has the id of the product.
//!
//! Three rules:
//!
//! - A change of a cart is one statement that raises its version, and that changes nothing if the cart was changed since the
//!   statement began: then it runs again with the cart locked. So no change is lost, limits are exact, and each response is the
//!   cart at its version. Changes of different carts by `AddItem` and `ClearOrdered` that arrive while another one is in
//!   flight are combined into one statement, and so are reads by `GetSnapshot`.
//! - The catalog is called before anything is written and never inside a transaction: when it is unavailable, the call
//!   fails and nothing has changed.
//! - A call costs at most this; no call needs a transaction of several statements but `MergeGuestCart`:
//!
//! | call | catalog calls | SQL statements |
//! |---|---|---|
//! | `GetCart` | 1; none for an empty cart | 1 |
//! | `AddItem`, `SetItem` | 1, and 1 for the other lines; 1 more to reject a product without its variant | 1 |
//! | `RemoveItem` | 1; none if no line remains | 2 |
//! | `ClearCart` | none | 1 |
//! | `MergeGuestCart` | none | 4 |
//! | `GetSnapshot` | none | 1 |
//! | `GetPricedSnapshot` | 1; none for an empty cart | 1 |
//! | `ClearOrdered` | none | 1 |
//!
//! Products that are in the cache need no call to the catalog. If the cart is changed concurrently, a change costs 2 statements more, in a transaction, and perhaps another catalog call.

mod actions;
mod cart;
mod catalog;
mod checkout;
mod choice;
mod cleanup;
mod config;
mod db;
mod error;
mod grpc;
mod merge;
mod owner;
mod pricing;

use std::{ffi::OsString, process::ExitCode};

use bodega_proto::cart::v1::{
    cart_service_server::CartServiceServer, checkout_service_server::CheckoutServiceServer,
};
use bodega_runtime::{
    auth::Verifier,
    database::Pool,
    listener::Listener,
    process::{self, Process},
    rate_limit::{RateLimiter, RateLimits},
    server::{AuthLayer, Service},
    transport::Transport,
};
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

/// Runs the service as its own process, with the arguments of its command line, of which the first is the name of the program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    process::main("bodega-cart", 7003, arguments, serve)
}

/// Runs the service as a process of its own, until shutdown.
///
/// # Errors
/// When the database is not configured, cannot be reached or migrated, or the listener fails.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    let catalog = process.transport("catalog", config.catalog_url)?;
    let identity = process.transport("identity", config.identity_url)?;
    let db = process.database(&config.database, SCHEMA, &MIGRATOR).await?;
    let auth = AuthLayer { service_token: process.service_token, verifier: Verifier::new(identity) };
    let rate_limits = config.rate_limits.rate_limits;
    let service = start(db, catalog, config.cache_bytes, rate_limits, process.shutdown).await?;
    let service = service.report_to(&process.health);
    service.serve(&auth, Listener::new(process.listener, process.tls)).await
}

/// Starts the service on a migrated database, with a cleanup worker that runs until shutdown. The cache of products uses about
/// `cache_bytes`.
///
/// # Errors
/// Never: while the database or the catalog is unavailable, calls fail, but not the start.
pub async fn start(
    db: Pool,
    catalog: Transport,
    cache_bytes: usize,
    rate_limits: RateLimits,
    shutdown: CancellationToken,
) -> anyhow::Result<Service> {
    let catalog = Catalog::new(catalog, cache_bytes);
    let rate_limiter = RateLimiter::new(db.clone(), SCHEMA, rate_limits);
    let cart = CartApi::new(db.clone(), catalog.clone(), rate_limiter.clone());
    let routes = Routes::new(CartServiceServer::new(cart))
        .add_service(CheckoutServiceServer::new(CheckoutApi::new(db.clone(), catalog.clone())));
    let service = Service::new("cart", routes, db.clone(), shutdown.clone()).await;
    service.spawn(catalog.watch(shutdown));
    service.spawn(cleanup::run(db));
    service.spawn(rate_limiter.clean_up());
    Ok(service)
}
