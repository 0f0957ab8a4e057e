//! The gateway: REST outside, gRPC inside.
//!
//! A request comes in over a connection of [`server`] and passes the middleware of [`router`], which gives it an id, a
//! deadline and a trace, or sends it away where too many are here already ([`overload`]); a handler in [`api`] extracts
//! what it needs ([`extract`]), makes one call to a service, and answers in [`json`]. Files go on to their
//! service while they come in ([`upload`]). [`legacy`] is the same store in other words. Whatever is refused leaves as a
//! [`problem`].

mod answer;
mod api;
mod app;
mod config;
mod etag;
mod extract;
mod json;
mod legacy;
mod linger;
mod link;
mod middleware;
mod openapi;
mod overload;
mod problem;
mod revocations;
mod router;
mod server;
mod upload;

use anyhow::Context as _;
use bodega_runtime::{auth::Verifier, process::Process, timeouts, transport::Transport};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::{app::App, overload::Places, revocations::Revocations};
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

/// Serves until the shutdown, and for [`Settings::drain_delay`] beyond it, in which it says that it is not ready; then lets
/// open requests finish, for as long as a request may take, or an upload where there are any. What takes longer is broken
/// off: nothing of an upload is kept then.
///
/// # Errors
/// When the listener has no address.
pub async fn start(
    settings: Settings,
    neighbours: Neighbours,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    info!("bodega-gateway listens on {}", listener.local_addr().context("the listener has no address")?);
    let Settings { request_timeout, upload_timeout, drain_delay, max_connections, max_requests, .. } =
        settings;
    let closing = CancellationToken::new();
    let verifier = Verifier::new(neighbours.identity.clone());
    let revocations = Revocations::default();
    let watch = tokio::spawn(revocations.clone().watch(neighbours.identity.clone(), closing.clone()));
    let uploads = Places::new("uploads", max_requests);
    let app = App::new(settings, neighbours, verifier, revocations, shutdown.clone());
    let server =
        server::serve(listener, router::router(app, uploads.clone()), max_connections, closing.clone());
    let overdue = async {
        shutdown.cancelled().await;
        sleep(drain_delay).await;
        closing.cancel();
        sleep(server::LAST_CALL + request_timeout).await;
        // Fails where the uploads take too long, too.
        let _ = timeout(upload_timeout.saturating_sub(request_timeout), uploads.left()).await;
        sleep(timeouts::RESPONSE_MARGIN).await;
    };
    tokio::select! {
        () = server => {}
        () = overdue => warn!("bodega-gateway left with requests still open"),
    }
    watch.await.context("the watch of revocations panicked")
}
