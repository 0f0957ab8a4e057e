//! The order service: checkout, the order lifecycle and payments.
//!
//! `checkout::place_order` is the entry point. A checkout is stored as `placing` before any stock is reserved, and ends as
//! an order or `rejected`. It is completed by the call that started it, by a retry of that call, or by the worker in
//! `checkout::recovery`. Calls to other services that follow from it are stored in the same statement, and `outbox`
//! retries them until they succeed. Then `orders::transition` changes the order's status, `payments::start` creates
//! payment intents, and `payments::apply` (webhook events) and `payments::reconcile` (polling) track their state. An order
//! and its payments form one aggregate, `payments::order_payments`. [`events`] publishes what has happened to other systems.
//! `pricing_rules` are the settings, taxes, shipping methods and discounts that admins change.
//!
//! Two rules keep concurrent processes consistent. A checkout ends with one compare-and-set statement, and an order and its
//! payments change only while the order's row is locked: of concurrent processes one succeeds, and the others read its
//! result. No service and no payment provider is called inside a transaction; the calls can be repeated, with the order's id
//! as their idempotency key. So a process may stop anywhere, and another one continues.
//!
//! `payments::refunds` returns parts of a payment, and `orders::shipments` ships parts of an order.
//!
//! All SQL is in the `db` modules. Rows are locked in this order: provider events, orders, payments, refunds.
//!
//! Placing an order takes one call each of GetSnapshot, Reserve and ClearOrdered, and four statements without an explicit
//! transaction: each of them serves up to 64 concurrent calls (`checkout::db::combined`).
//!
//! | statement | locks | may not see |
//! |---|---|---|
//! | reads the idempotency key and the latest checkout | none | later changes: the next one compares |
//! | starts the checkout | the user's latest checkout | - |
//! | places the order | the checkout | - |
//! | deletes the delivery, after the response | the delivery | - |

mod app;
mod backoff;
mod checkout;
mod cleanup;
mod config;
mod detached;
mod error;
mod events;
mod fields;
mod grpc;
mod mail;
mod metrics;
mod orders;
mod outbox;
mod payments;
mod pricing_rules;
mod upstream;

use std::{ffi::OsString, process::ExitCode};

use anyhow::Context as _;
use bodega_audit::{AuditApi, AuditLog};
use bodega_events::Nats;
use bodega_mail::{MailApi, Outbox};
use bodega_proto::{
    audit::v1::audit_service_server::AuditServiceServer,
    mail::v1::mail_service_server::MailServiceServer,
    order::v1::{
        order_service_server::OrderServiceServer,
        payment_webhook_service_server::PaymentWebhookServiceServer,
        settings_service_server::SettingsServiceServer,
    },
};
use bodega_runtime::{
    auth::Verifier,
    database::Pool,
    listener::Listener,
    process::{self, Process},
    rate_limit::{RateLimiter, RateLimits},
    server::{AuthLayer, Service},
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use self::{
    app::App,
    grpc::{orders::OrderApi, payment_webhooks::PaymentWebhookApi, settings::SettingsApi},
    mail::OrderMails,
};
pub use self::{
    checkout::config::CheckoutArgs,
    config::Config,
    mail::{OrderMail, OrderMailArgs, RequireVerifiedEmail},
    orders::stored_totals::{STORED_TOTALS, total_difference},
    payments::{config::PaymentArgs, providers::PaymentProviders},
    upstream::Upstreams,
};

/// What orders are subject to.
#[derive(Clone)]
pub struct Settings {
    /// The payment providers.
    pub payments: PaymentProviders,
    /// The number of pending orders that a user may have; `None` for no limit.
    pub max_pending_orders: Option<u32>,
}

/// The migrations of the schema.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// The schema that this service owns.
pub const SCHEMA: &str = "orders";

/// The audit log of the service.
pub const AUDIT: AuditLog = AuditLog::new(SCHEMA);

/// Runs the service as its own process, with the arguments of its command line, of which the first is the name of the program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    process::main("bodega-order", 7004, arguments, serve)
}

/// Runs the service as a process of its own, until shutdown.
///
/// # Errors
/// If the configuration lacks a database or a part of a payment provider's settings, the schema cannot be migrated, or
/// the listener fails.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    let rate_limits = config.rate_limits.rate_limits;
    let settings = Settings {
        payments: config.payments.providers()?,
        max_pending_orders: config.checkout.max_pending_orders(rate_limits),
    };
    let nats = config.events.nats()?;
    let upstreams = Upstreams {
        cart: process.transport("cart", config.cart_url)?,
        catalog: process.transport("catalog", config.catalog_url)?,
        identity: process.transport("identity", config.identity_url)?,
    };
    let identity = upstreams.identity.clone();
    let verifier = Verifier::new(identity.clone());
    let mail = OrderMail { mailer: config.mail.smtp_mailer()?, args: config.order_mail };
    let db = process.database(&config.database, SCHEMA, &MIGRATOR).await?;
    let auth = AuthLayer { service_token: process.service_token, verifier };
    let service = start(db.clone(), upstreams, settings, nats, rate_limits, mail, process.shutdown)
        .await
        .context("cannot start the order service")?;
    let service = service.report_to(&process.health);
    AUDIT.maintain(&service, &db, config.audit, identity);
    service.serve(&auth, Listener::new(process.listener, process.tls)).await
}

/// Starts the service and its workers on a migrated database. Publishes events if `nats` is given.
///
/// # Errors
/// None at present: while the database or another service is unavailable, calls fail, but not the start.
pub async fn start(
    db: Pool,
    upstreams: Upstreams,
    settings: Settings,
    nats: Option<Nats>,
    rate_limits: RateLimits,
    mail: OrderMail,
    shutdown: CancellationToken,
) -> anyhow::Result<Service> {
    let accepts_cards = settings.payments.livemode().is_some();
    let OrderMail { mailer, args: mail } = mail;
    let rate_limiter = RateLimiter::new(db.clone(), SCHEMA, rate_limits);
    let required = mail.require_verified_email;
    let app = App::new(db.clone(), upstreams.clone(), settings, rate_limiter.clone(), required);
    let outbox = Outbox::new(db.clone(), SCHEMA);
    let routes = Routes::new(OrderServiceServer::new(OrderApi::new(app.clone())))
        .add_service(PaymentWebhookServiceServer::new(PaymentWebhookApi::new(app.clone())))
        .add_service(SettingsServiceServer::new(SettingsApi::new(db.clone())))
        .add_service(AuditServiceServer::new(AuditApi::new(db.clone(), AUDIT)))
        .add_service(MailServiceServer::new(MailApi::new(outbox.clone(), mailer.is_some())));
    metrics::start(&app);
    let service = Service::new("order", routes, db.clone(), shutdown).await;
    service.spawn(metrics::sample_backlog(app.clone()));
    service.spawn(checkout::recovery::run(app.clone()));
    service.spawn(outbox::worker::run(app.clone()));
    service.spawn(payments::apply::run(app.clone()));
    service.spawn(payments::expiry::run(app.clone()));
    service.spawn(payments::refunds::process::run(app.clone()));
    service.spawn(payments::reconcile::run(app));
    service.spawn(events::clean_up(db.clone()));
    service.spawn(cleanup::run(db.clone()));
    service.spawn(cleanup::erasure::run(db.clone(), upstreams.clone()));
    service.spawn(rate_limiter.clean_up());
    service.spawn(AUDIT.add_segments(db.clone()));
    service.spawn(outbox.clone().sample_backlog());
    service.spawn(outbox.clone().clean_up(mailer.is_some()));
    if let Some(mailer) = mailer {
        let mails = OrderMails { db: db.clone(), upstreams, accepts_cards, notify: mail.mail_notify };
        service.spawn(outbox.deliver(mailer, mails));
    }
    if let Some(nats) = nats {
        service.spawn(events::publish(db, nats));
    }
    Ok(service)
}
