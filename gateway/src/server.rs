//! Connections: accepting, limits, timeouts and graceful shutdown.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, response::Response};
use bodega_runtime::log_throttle::LogThrottle;
use http::{HeaderValue, Request, Version, header::CONNECTION};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::{
    client_address::TrustedProxies,
    compression::CompressedRouter,
    connections::{Activity, Connection, Connections},
    problem::ProblemWriter,
};

/// Time limit for the first request on a connection: a client that sends its head byte by byte must not occupy the
/// connection.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit for the head of each later request, from the response before it: the time that an idle connection is kept.
/// Longer than the 60 s of common load balancers, which would otherwise send requests on a connection that is closing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Interval of the pings on an HTTP/2 connection, and time limit for each response.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit for the responses of a connection that is closing.
const CLOSING_TIMEOUT: Duration = IDLE_TIMEOUT;
/// Maximum number of buffered bytes of an HTTP/1 connection, and so of a request's head.
const MAX_BUFFER: usize = 32 * 1024;
/// The same for HTTP/2: bytes of a request's head; received bytes of a stream and of all streams that nothing has read yet; bytes
/// of a response that the client has not read.
const MAX_HEAD: u32 = 32 * 1024;
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
const SEND_BUFFER: usize = 64 * 1024;
/// Concurrent streams of an HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// Time between the shutdown and the close of idle connections. Responses meanwhile say `connection: close`; closing at
/// once would cut off requests that are on their way.
pub(crate) const CLOSE_DELAY: Duration = Duration::from_millis(250);
/// Pause after a failed accept: without free file descriptors, an immediate retry fails too.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The connection limit is logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Serves HTTP/1 and HTTP/2 until `shutdown`, then waits for open requests.
///
/// There are at most `max_connections` connections, or as many as the process may open. A further one replaces another one, or is
/// closed: see [`Connections`].
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    max_connections: u32,
    trusted_proxies: TrustedProxies,
    shutdown: CancellationToken,
) {
    let trusted_proxies = Arc::new(trusted_proxies);
    let max_connections = limit_to_descriptors(max_connections);
    let connections = Connections::new(usize::try_from(max_connections).unwrap_or(usize::MAX));
    let (closing, log) = (CancellationToken::new(), LogThrottle::new(LOG_INTERVAL));
    // With the state applied once, the router does not apply it to every request.
    let router = CompressedRouter::new(router.with_state::<()>(()));
    loop {
        let (stream, peer) = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = shutdown.cancelled() => break,
        };
        let address = peer.ip().to_canonical();
        let Some(connection) = connections.open(address, trusted_proxies.contains(address)) else {
            if let Some(times) = log.count() {
                warn!("connection limit reached, closed {times} new connections");
            }
            continue;
        };
        let (router, proxies, shutdown) = (router.clone(), trusted_proxies.clone(), shutdown.clone());
        let activity = connection.activity().clone();
        let respond = move |request: Request<Incoming>| {
            let active = activity.request();
            let mut request = request.map(Body::new);
            let client = proxies.client(address, request.headers());
            request.extensions_mut().insert(client);
            let response = respond(router.clone(), request, shutdown.clone());
            async move {
                let response = response.await;
                drop(active);
                response
            }
        };
        tokio::spawn(serve_connection(stream, connection, closing.clone(), respond));
    }
    drop(listener);
    let _ = timeout(CLOSE_DELAY, connections.all_closed()).await;
    closing.cancel();
    connections.all_closed().await;
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

/// Serves a connection until its client closes it, another client needs its place, it is idle for too long, or the gateway shuts
/// down.
async fn serve_connection<F>(
    stream: TcpStream,
    connection: Connection,
    closing: CancellationToken,
    respond: impl Fn(Request<Incoming>) -> F + Send + 'static,
) where
    F: Future<Output = Result<Response, Infallible>> + Send + 'static,
{
    let (http, activity) = (http(), connection.activity());
    let mut served =
        pin!(http.serve_connection(TokioIo::new(ProblemWriter::new(stream)), service_fn(respond)));
    tokio::select! {
        // Errors are ignored: clients disconnect or time out.
        _ = served.as_mut() => return,
        () = activity.displaced() => return,
        () = idle_for_too_long(activity) => {}
        () = closing.cancelled() => {}
    }
    if !activity.has_request() && !closing.is_cancelled() {
        return;
    }
    served.as_mut().graceful_shutdown();
    tokio::select! {
        _ = timeout(CLOSING_TIMEOUT, served) => {}
        () = activity.displaced() => {}
    }
}

/// Waits until a connection has been without a request for too long. Timers of hyper do not cover HTTP/2.
async fn idle_for_too_long(activity: &Activity) {
    loop {
        let limit = if activity.has_request() { IDLE_TIMEOUT } else { FIRST_REQUEST_TIMEOUT };
        let left = limit.saturating_sub(activity.idle_time().unwrap_or_default());
        if left.is_zero() {
            return;
        }
        sleep(left).await;
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
        .max_header_list_size(MAX_HEAD)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_concurrent_streams(MAX_STREAMS)
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
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn the_connection_limit_stays_below_the_descriptor_limit() {
        assert_eq!(limit_to_descriptors(7), 7);
        let descriptors = getrlimit(Resource::Nofile).current;
        if let Some(descriptors) = descriptors {
            assert!(u64::from(limit_to_descriptors(u32::MAX)) < descriptors);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_closed_when_it_is_idle_for_too_long() {
        let connections = Connections::new(1);
        let connection = connections.open(std::net::Ipv4Addr::LOCALHOST.into(), false).unwrap();
        let (activity, started) = (connection.activity(), Instant::now());
        let margin = Duration::from_secs(1);
        idle_for_too_long(activity).await;
        assert!(started.elapsed() < FIRST_REQUEST_TIMEOUT + margin, "without a request");

        let request = activity.request();
        let working = timeout(2 * IDLE_TIMEOUT, idle_for_too_long(activity)).await;
        assert!(working.is_err(), "a connection with a request is not idle");
        drop(request);
        let started = Instant::now();
        idle_for_too_long(activity).await;
        assert!(
            (IDLE_TIMEOUT..IDLE_TIMEOUT + margin).contains(&started.elapsed()),
            "{:?}",
            started.elapsed()
        );
    }
}
