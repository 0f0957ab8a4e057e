//! The gateway: REST outside, gRPC inside.
//!
//! A request passes the middleware of [`router`], which gives it an id, a trace and a deadline; a handler in
//! [`routes`] extracts what it needs ([`extract`]), makes one call to a service, and answers in one of the
//! [`shapes`]. Files go on to their service while they come in ([`upload`]). [`classic`] is the same store in other
//! words. Whatever is refused leaves as a [`problem`].

mod answer;
mod app;
mod classic;
mod config;
mod etag;
mod extract;
mod linger;
mod link;
mod middleware;
mod openapi;
mod problem;
mod revocations;
mod router;
mod routes;
mod shapes;
mod upload;

use anyhow::Context as _;
use axum::serve::ListenerExt as _;
use bodega_runtime::{auth::Verifier, process::Process, transport::Transport};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::{app::App, revocations::Revocations};
pub use self::{
    app::Neighbours,
    config::{Config, Settings},
    openapi::document as openapi,
};

/// Serves as a process of its own, with the services somewhere else.
///
/// # Errors
/// When the listener fails.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    let token = &process.service_token;
    let neighbours = Neighbours {
        identity: Transport::remote(config.identity_url, token),
        catalog: Transport::remote(config.catalog_url, token),
        cart: Transport::remote(config.cart_url, token),
        order: Transport::remote(config.order_url, token),
    };
    start(config.settings, neighbours, process.listener, process.shutdown).await
}

/// Serves until the shutdown, then lets open requests finish, for as long as a request may take. An upload that takes
/// longer is broken off: nothing of it is kept then.
///
/// # Errors
/// When the listener fails.
pub async fn start(
    settings: Settings,
    neighbours: Neighbours,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let drain = settings.request_timeout;
    let verifier = Verifier::new(neighbours.identity.clone());
    let revocations = Revocations::default();
    let watch = tokio::spawn(revocations.clone().watch(neighbours.identity.clone(), shutdown.clone()));
    let app = App::new(settings, neighbours, verifier, revocations);

    info!("bodega-gateway listens on {}", listener.local_addr()?);
    // Compressed answers go out in pieces: none of them should wait for the acknowledgement of the one before.
    let listener = listener.tap_io(|connection| {
        if let Err(cause) = connection.set_nodelay(true) {
            tracing::debug!("a connection will be slow: {cause}");
        }
    });
    let server =
        axum::serve(listener, router::router(app)).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        served = server => served.context("cannot serve")?,
        () = overdue => tracing::warn!("bodega-gateway left with requests still open"),
    }
    watch.await.context("the watch of revocations panicked")
}
