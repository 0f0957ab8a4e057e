//! Connections: how many there are, how long a silent one is kept, and how they end.

use std::{
    convert::Infallible,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, response::Response};
use http::{HeaderValue, Request, Version, header::CONNECTION};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use rustix::process::{Resource, getrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;
use tracing::{debug, error, warn};

use crate::overload::Log;

/// How long a new connection has to make its first request: clients connect in order to ask, and one that dribbles the
/// head of a request must not hold a place.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// How long a connection has for the head of each later request, from the answer before it: so long is it kept idle, too.
/// Longer than the 60 s of usual load balancers, who would else ask on a connection that is just being closed.
const NEXT_REQUEST: Duration = Duration::from_secs(75);
/// How often an HTTP/2 client is asked whether it is still there, and how long it has to say so.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes that are kept of a connection that are not read yet, and so the most a head may have.
const MAX_BUFFER: usize = 128 * 1024;
/// From the announcement that connections close to their end. Whoever asks meanwhile is answered, and told not to ask here
/// again; to close at once would break off requests that are on their way.
pub(crate) const LAST_CALL: Duration = Duration::from_millis(250);
/// Pause after a connection could not be accepted: there are no descriptors, and to try again at once is of no use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves HTTP/1 and HTTP/2 until `closing`, then lets open requests finish. There are at most `max_connections` at once,
/// or as many as the process may have: the next ones wait in the listener's queue.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    max_connections: u32,
    closing: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(bounded_by_descriptors(max_connections)));
    let (connections, full) = (TaskTracker::new(), Log::default());
    // With its state in place it need not be put there at each request.
    let router = router.with_state::<()>(());
    loop {
        let accepted = async {
            if places.available_permits() == 0
                && let Some(times) = full.due()
            {
                warn!("No place for another connection, {times} times now");
            }
            let place = places.clone().acquire_owned().await;
            (place, accept(&listener).await)
        };
        let (place, stream) = tokio::select! {
            accepted = accepted => accepted,
            () = closing.cancelled() => break,
        };
        let connection = converse(stream, router.clone(), closing.clone());
        connections.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// At most three quarters of the descriptors that the process may have: the rest is for the services and the database.
fn bounded_by_descriptors(max_connections: u32) -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = u64::from(max_connections).min(descriptors / 4 * 3).max(1);
    usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS)
}

/// The next connection.
async fn accept(listener: &TcpListener) -> TcpStream {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Compressed answers go out in pieces: none should wait for the acknowledgement of the one before.
                if let Err(cause) = stream.set_nodelay(true) {
                    debug!("a connection will be slow: {cause}");
                }
                return stream;
            }
            // Gone before it was here.
            Err(cause) if [ConnectionAborted, ConnectionRefused, ConnectionReset].contains(&cause.kind()) => {
            }
            Err(cause) => {
                error!("cannot accept a connection: {cause}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection until its client hangs up, is silent for too long, or the gateway closes.
async fn converse(stream: TcpStream, router: Router, closing: CancellationToken) {
    let asked = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let (asked, closing) = (asked.clone(), closing.clone());
        move |request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            answer(router.clone(), request.map(Body::new), closing.clone())
        }
    });
    let http = http();
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let mut silent = pin!(sleep(FIRST_REQUEST));
    let mut last_call = pin!(async {
        closing.cancelled().await;
        sleep(LAST_CALL).await;
    });
    let (mut is_new, mut is_ending) = (true, false);
    loop {
        tokio::select! {
            // Fails where a client breaks off, or is silent: nothing that we could mend.
            _ = connection.as_mut() => return,
            () = silent.as_mut(), if is_new => {
                if !asked.load(Ordering::Relaxed) {
                    return;
                }
                is_new = false;
            }
            () = last_call.as_mut(), if !is_ending => {
                connection.as_mut().graceful_shutdown();
                is_ending = true;
            }
        }
    }
}

/// What every connection is served with.
fn http() -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(NEXT_REQUEST).max_buf_size(MAX_BUFFER);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .enable_connect_protocol();
    http
}

async fn answer(
    router: Router,
    request: Request<Body>,
    closing: CancellationToken,
) -> Result<Response, Infallible> {
    // HTTP/2 says it in frames of its own.
    let says_close = request.version() <= Version::HTTP_11;
    let mut response = router.oneshot(request).await?;
    if says_close && closing.is_cancelled() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_connections_than_descriptors() {
        assert_eq!(bounded_by_descriptors(7), 7);
        let descriptors = getrlimit(Resource::Nofile).current;
        if let Some(descriptors) = descriptors {
            assert!(u64::try_from(bounded_by_descriptors(u32::MAX)).unwrap() < descriptors);
        }
    }
}
