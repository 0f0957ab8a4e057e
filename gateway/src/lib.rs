//! The gateway: serves the REST API and calls the services over gRPC.
//!
//! A request arrives at a connection of [`server`] and passes the [`middleware`]: request id, deadline, span and
//! authentication, or a rejection under overload ([`load_shed`]). [`router`] lists the routes. A handler in [`api`] extracts its input
//! ([`extract`]), makes one call to a service, and responds in JSON ([`json`]). Uploaded files are streamed to their
//! service ([`upload`]). [`legacy`] serves the legacy API with the same handlers. Errors leave as a [`problem`].

mod access_log;
mod api;
mod api_keys;
mod app;
mod availability;
mod body;
mod client_address;
mod completed;
mod compression;
mod config;
mod connections;
mod drain;
mod etag;
mod extract;
mod head;
mod json;
mod legacy;
mod link;
mod load_shed;
mod metrics;
mod middleware;
mod openapi;
mod problem;
mod rejection_pace;
mod response;
mod revocations;
mod router;
mod server;
mod upload;

use std::{ffi::OsString, process::ExitCode};

use anyhow::Context as _;
use bodega_runtime::{
    auth::Verifier,
    health::Health,
    process::{self, Process},
    timeouts,
};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use self::{
    access_log::AccessLog,
    app::Upstreams,
    client_address::TrustedProxies,
    config::{Config, Settings},
    router::document as openapi,
};
use self::{app::App, availability::Availability, load_shed::ConcurrencyLimit, revocations::Revocations};

/// Runs the gateway as its own process, with the arguments of its command line, of which the first is the name of the program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    process::main("bodega-gateway", 8080, arguments, serve)
}

/// Runs the gateway as a process of its own, until the shutdown.
///
/// # Errors
/// When the image directory cannot be read, or the listener fails.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    config.settings.check_media_dir()?;
    let upstreams = Upstreams {
        identity: process.transport("identity", config.identity_url)?,
        catalog: process.transport("catalog", config.catalog_url)?,
        cart: process.transport("cart", config.cart_url)?,
        order: process.transport("order", config.order_url)?,
    };
    start(config.settings, upstreams, process.listener, process.health, process.shutdown).await
}

/// Serves until the shutdown. Then waits for open requests up to the request timeout, and for uploads up to theirs, and aborts
/// the rest. Nothing of an aborted upload is stored. `health` is ready while the gateway can serve anything.
///
/// # Errors
/// When the listener has no address.
pub async fn start(
    settings: Settings,
    upstreams: Upstreams,
    listener: TcpListener,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    info!("bodega-gateway listening on {}", listener.local_addr().context("the listener has no address")?);
    metrics::describe();
    let Settings { request_timeout, upload_timeout, max_connections, .. } = settings;
    let trusted_proxies = settings.trusted_proxies.clone();
    let verifier = Verifier::new(upstreams.identity.clone());
    let revocations = Revocations::default();
    revocations.show();
    let revocation_watch =
        tokio::spawn(revocations.clone().watch(upstreams.identity.clone(), shutdown.clone()));
    let uploads = ConcurrencyLimit::new("uploads", settings.max_uploads(), request_timeout);
    let availability = Availability::new(upstreams.clone(), verifier.clone());
    health.set_check({
        let availability = availability.clone();
        move || availability.clone().can_serve()
    });
    let app = App::new(settings, upstreams, verifier, revocations, availability, health);
    let product_watch = tokio::spawn(app.products().clone().watch(shutdown.clone()));
    let server = server::serve(
        listener,
        router::router(app, uploads.clone()),
        max_connections,
        trusted_proxies,
        shutdown.clone(),
    );
    let overdue = async {
        shutdown.cancelled().await;
        sleep(server::CLOSE_DELAY + request_timeout).await;
        let _ = timeout(upload_timeout.saturating_sub(request_timeout), uploads.drained()).await;
        sleep(timeouts::RESPONSE_MARGIN).await;
    };
    tokio::select! {
        () = server => {}
        () = overdue => warn!("shutdown deadline exceeded, aborting open requests"),
    }
    product_watch.await.context("the watch of the catalog's changes panicked")?;
    revocation_watch.await.context("the revocation watch panicked")
}
