//! Orders: turning a cart into a promise.
//!
//! `place_order` tells the story, `drive` its decisive part: an attempt is written down as `placing` before any
//! stock is asked for, and ends as an order or `rejected`, whoever drives it there: the call that began it, its retry,
//! or the loop in `recover`. What neighbours must be told afterwards is written with the end itself, and told until
//! they have heard (`outbox`). Then an order moves along its `status` (`move_order`), is paid for (`pay`), and its money
//! is looked after: by what providers tell (`events`) and by asking them (`reconcile`). An order and its payments are
//! one in the `books`.
//!
//! Two rules make this exact. Whatever ends an attempt is one statement that compares and sets, and whatever moves an
//! order or its money happens in its locked books: of any number of drivers one wins, and the others find what came of
//! it. And no neighbour and no provider is called inside a transaction, only between them, with calls that may be
//! repeated by the order's id: stopping anywhere needs no more than someone to go on. `store` is the only module that
//! speaks SQL. How long each step may take is one table (`bounds`).
//!
//! A fresh order costs six statements here with an idempotency key, and five without; and one call each of GetSnapshot,
//! Reserve and ClearOrdered.

#[path = "timeouts.rs"]
mod backoff;
#[path = "payments/update.rs"]
mod bookkeeping;
#[path = "payments/order_payments/mod.rs"]
mod books;
#[path = "detached.rs"]
mod bounds;
mod config;
#[path = "checkout/processing.rs"]
mod drive;
mod error;
#[path = "payments/apply.rs"]
mod events;
mod grpc;
#[path = "orders/transition.rs"]
mod move_order;
#[path = "upstream.rs"]
mod neighbours;
#[path = "checkout/pricing.rs"]
mod order;
#[path = "outbox/deliveries.rs"]
mod outbox;
#[path = "payments/start.rs"]
mod pay;
#[path = "payments/payment.rs"]
mod payment;
#[path = "payments/providers.rs"]
mod payments;
#[path = "checkout/place_order.rs"]
mod place_order;
#[path = "payments/provider/mod.rs"]
mod provider;
#[path = "payments/reconcile.rs"]
mod reconcile;
#[path = "checkout/recovery.rs"]
mod recover;
#[path = "checkout/rejection.rs"]
mod rejection;
#[path = "orders/status.rs"]
mod status;
mod store;

use anyhow::Context as _;
use bodega_proto::order::v1::{
    order_service_server::OrderServiceServer, payment_webhook_service_server::PaymentWebhookServiceServer,
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

use self::grpc::{Orders, PaymentEvents};
pub use self::{
    config::Config,
    neighbours::Neighbours,
    payments::{PaymentArgs, Payments},
};

/// The schema's migrations.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// The schema that this service owns.
pub const SCHEMA: &str = "orders";

/// What the use cases work with.
#[derive(Clone)]
struct App {
    db: PgPool,
    neighbours: Neighbours,
    payments: Payments,
}

/// Runs the service as a process of its own, until the shutdown.
///
/// # Errors
/// When the configuration lacks a database or a part of a payment provider's, the schema cannot be migrated, or the
/// listener fails.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    let payments = config.payments.payments()?;
    let db = process.database(&config.database, SCHEMA, &MIGRATOR).await?;
    let to = |name, uri| Transport::remote(name, uri, &process.service_token);
    let guard = AuthLayer {
        service_token: process.service_token.clone(),
        verifier: Verifier::new(to("identity", config.identity_url)),
    };
    let neighbours =
        Neighbours { cart: to("cart", config.cart_url), catalog: to("catalog", config.catalog_url) };
    let service =
        start(db, neighbours, payments, process.shutdown).await.context("cannot start the order service")?;
    service.serve(&guard, process.listener).await
}

/// Starts the service, and its loops, over a database that has been migrated.
///
/// # Errors
/// None so far: a database or a neighbour that is down makes calls fail, not the start.
pub async fn start(
    db: PgPool,
    neighbours: Neighbours,
    payments: Payments,
    shutdown: CancellationToken,
) -> anyhow::Result<Service> {
    let app = App { db: db.clone(), neighbours, payments };
    let routes = Routes::new(OrderServiceServer::new(Orders::new(app.clone())))
        .add_service(PaymentWebhookServiceServer::new(PaymentEvents::new(app.clone())));
    let service = Service::new("order", routes, db, shutdown).await;
    service.spawn(recover::run(app.clone()));
    service.spawn(outbox::run(app.clone()));
    service.spawn(events::run(app.clone()));
    service.spawn(reconcile::run(app));
    Ok(service)
}
