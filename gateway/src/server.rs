//! Connections: accepting, limits, timeouts and graceful shutdown.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, response::Response};
use bodega_runtime::log_throttle::LogThrottle;
use http::{HeaderValue, Request, Version, header::CONNECTION};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::{client_address::TrustedProxies, compression::CompressedRouter};

/// Time limit for the first request on a connection: a client that sends its head byte by byte must not occupy the
/// connection.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit for the head of each later request, from the response before it: the time that an idle connection is kept.
/// Longer than the 60 s of common load balancers, which would otherwise send requests on a connection that is closing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Interval of the pings on an HTTP/2 connection, and time limit for each response.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of buffered bytes of a connection, and so of a request's head.
pub(crate) const MAX_BUFFER: usize = 128 * 1024;
/// Time between the shutdown and the close of idle connections. Responses meanwhile say `connection: close`; closing at
/// once would cut off requests that are on their way.
pub(crate) const CLOSE_DELAY: Duration = Duration::from_millis(250);
/// Pause after a failed accept: without free file descriptors, an immediate retry fails too.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The connection limit is logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Serves HTTP/1 and HTTP/2 until `shutdown`, then waits for open requests.
///
/// There are at most `max_connections` connections, or as many as the process may open; further ones wait in the
/// listener's queue.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    max_connections: u32,
    trusted_proxies: TrustedProxies,
    shutdown: CancellationToken,
) {
    let trusted_proxies = Arc::new(trusted_proxies);
    let max_connections = limit_to_descriptors(max_connections);
    let permits = Arc::new(Semaphore::new(max_connections as usize));
    let (graceful, log) = (GracefulShutdown::new(), LogThrottle::new(LOG_INTERVAL));
    // With the state applied once, the router does not apply it to every request.
    let router = CompressedRouter::new(router.with_state::<()>(()));
    loop {
        let accepted = async {
            if permits.available_permits() == 0
                && let Some(times) = log.count()
            {
                warn!("connection limit reached {times} times, new connections wait");
            }
            let permit = permits.clone().acquire_owned().await;
            (permit, accept(&listener).await)
        };
        let (permit, (stream, peer)) = tokio::select! {
            accepted = accepted => accepted,
            () = shutdown.cancelled() => break,
        };
        let (router, proxies, shutdown) = (router.clone(), trusted_proxies.clone(), shutdown.clone());
        let connection = serve_connection(stream, graceful.watcher(), move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            let client = proxies.client(peer.ip(), request.headers());
            request.extensions_mut().insert(client);
            respond(router.clone(), request, shutdown.clone())
        });
        tokio::spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    drop(listener);
    let _ = timeout(CLOSE_DELAY, permits.acquire_many(max_connections)).await;
    graceful.shutdown().await;
}

/// Limits `max_connections` to three quarters of the process's file descriptors: the rest is for the services and the
/// database. Raises the number of descriptors first, if the process may: by default it is often 1,024.
fn limit_to_descriptors(max_connections: u32) -> u32 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = u64::from(max_connections).saturating_mul(2).min(maximum.unwrap_or(u64::MAX));
    if current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
    {
        warn!("cannot raise the limit of file descriptors to {wanted}: {error}");
    }
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let limit = u64::from(max_connections).min(descriptors / 4 * 3).max(1);
    u32::try_from(limit).unwrap_or(max_connections)
}

/// Accepts the next connection.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // A compressed response is sent in pieces, which must not wait for the acknowledgement of the one before.
                if let Err(error) = stream.set_nodelay(true) {
                    debug!("cannot set TCP_NODELAY: {error}");
                }
                return (stream, peer);
            }
            // The client has already closed the connection.
            Err(error) if [ConnectionAborted, ConnectionRefused, ConnectionReset].contains(&error.kind()) => {
            }
            Err(error) => {
                error!("cannot accept a connection, retrying in {ACCEPT_PAUSE:?}: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves a connection until its client closes it, a timeout fires, or the gateway shuts down.
async fn serve_connection<F>(
    stream: TcpStream,
    watcher: Watcher,
    respond: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
) where
    F: Future<Output = Result<Response, Infallible>> + Send + 'static,
{
    let has_request = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let has_request = has_request.clone();
        move |request: Request<Incoming>| {
            has_request.store(true, Ordering::Relaxed);
            respond(request)
        }
    });
    let http = http();
    let mut connection = pin!(watcher.watch(http.serve_connection(TokioIo::new(stream), service)));
    tokio::select! {
        // Errors are ignored: clients disconnect or time out.
        _ = connection.as_mut() => return,
        () = sleep(FIRST_REQUEST_TIMEOUT) => {}
    }
    if has_request.load(Ordering::Relaxed) {
        let _ = connection.await;
    }
}

/// The settings of all connections.
fn http() -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(IDLE_TIMEOUT).max_buf_size(MAX_BUFFER);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .enable_connect_protocol();
    http
}

async fn respond(
    router: CompressedRouter,
    request: Request<Body>,
    shutdown: CancellationToken,
) -> Result<Response, Infallible> {
    // HTTP/2 has frames for this instead of a header.
    let is_http1 = request.version() <= Version::HTTP_11;
    let mut response = router.respond(request).await?;
    if is_http1 && shutdown.is_cancelled() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_limit_stays_below_the_descriptor_limit() {
        assert_eq!(limit_to_descriptors(7), 7);
        let descriptors = getrlimit(Resource::Nofile).current;
        if let Some(descriptors) = descriptors {
            assert!(u64::from(limit_to_descriptors(u32::MAX)) < descriptors);
        }
    }
}
