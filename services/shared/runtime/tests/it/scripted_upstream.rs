//! An HTTP/2 server that follows a script, down to the frames.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bodega_runtime::{auth::ServiceToken, context::CallContext, status, transport::Transport};
use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// A message without fields, as gRPC frames it.
pub(crate) const EMPTY_MESSAGE: &[u8] = &[0; 5];

/// What the server does when it receives a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    /// Responds with an empty message.
    Respond,
    /// Closes the connection in the middle of its response.
    CloseWithinResponse,
    /// Closes the connection.
    Close,
    /// Responds with UNAVAILABLE, and with the time after which to retry.
    Unavailable(Option<Duration>),
    /// Responds with CANCELLED.
    Cancelled,
    /// Resets the stream with REFUSED_STREAM.
    ResetStream,
    /// Responds with an empty message after this time.
    RespondAfter(Duration),
    /// Responds with an empty message, and keeps the stream open.
    Stream,
}

/// The server. Stops when it is dropped.
pub(crate) struct ScriptedUpstream {
    pub(crate) address: SocketAddr,
    recorded: Arc<Recorded>,
    is_frozen: watch::Sender<bool>,
    stop: CancellationToken,
}

/// What has arrived.
#[derive(Default)]
struct Recorded {
    /// The `grpc-timeout` of each call; zero for one without a deadline.
    timeouts: Mutex<Vec<Duration>>,
    connections: AtomicUsize,
    health_checks: AtomicUsize,
}

impl ScriptedUpstream {
    /// Follows the script call by call, and repeats its last action.
    pub(crate) async fn start(script: impl IntoIterator<Item = Action>) -> Self {
        Self::start_at(TcpListener::bind("127.0.0.1:0").await.unwrap(), script)
    }

    /// The same, on an existing listener.
    pub(crate) fn start_at(listener: TcpListener, script: impl IntoIterator<Item = Action>) -> Self {
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let recorded = Arc::<Recorded>::default();
        let is_frozen = watch::Sender::new(false);
        let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let (stopped, records, frozen) = (stop.clone(), recorded.clone(), is_frozen.clone());
        tokio::spawn(stopped.clone().run_until_cancelled_owned(async move {
            while let Ok((connection, _)) = listener.accept().await {
                records.connections.fetch_add(1, Ordering::Relaxed);
                let serving = serve(connection, script.clone(), records.clone(), frozen.subscribe());
                tokio::spawn(stopped.clone().run_until_cancelled_owned(serving));
            }
        }));
        Self { address, recorded, is_frozen, stop }
    }

    /// The `grpc-timeout` of each call so far.
    pub(crate) fn timeouts(&self) -> Vec<Duration> {
        self.recorded.timeouts.lock().unwrap().clone()
    }

    /// The number of calls so far, without health checks.
    pub(crate) fn calls(&self) -> usize {
        self.recorded.timeouts.lock().unwrap().len()
    }

    /// The number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.recorded.connections.load(Ordering::Relaxed)
    }

    /// The number of health checks so far.
    pub(crate) fn health_checks(&self) -> usize {
        self.recorded.health_checks.load(Ordering::Relaxed)
    }

    /// Stops reading and writing, as a process does that gets SIGSTOP. Connections are still accepted, as by its kernel.
    pub(crate) fn freeze(&self, is_frozen: bool) {
        self.is_frozen.send_replace(is_frozen);
    }

    pub(crate) fn transport(&self) -> Transport {
        transport_to(self.address)
    }
}

impl Drop for ScriptedUpstream {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A transport to this address.
pub(crate) fn transport_to(address: SocketAddr) -> Transport {
    Transport::remote("scripted", format!("http://{address}").parse().unwrap(), &ServiceToken::random())
}

/// Returns a context whose deadline is after `time`.
pub(crate) fn with_deadline_in(time: Duration) -> CallContext {
    CallContext { deadline: Some(Instant::now() + time), ..CallContext::default() }
}

/// An address without a listener.
pub(crate) async fn unused_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn serve(
    connection: TcpStream,
    script: Arc<Mutex<VecDeque<Action>>>,
    recorded: Arc<Recorded>,
    mut is_frozen: watch::Receiver<bool>,
) {
    wait_until(&mut is_frozen, false).await;
    let mut connection = h2::server::handshake(connection).await.unwrap();
    loop {
        let accepted = tokio::select! {
            biased;
            () = wait_until(&mut is_frozen, true) => None,
            accepted = connection.accept() => Some(accepted),
        };
        let Some(accepted) = accepted else {
            wait_until(&mut is_frozen, false).await;
            continue;
        };
        let Some(Ok((request, response))) = accepted else { return };
        if request.uri().path().starts_with("/grpc.health.") {
            recorded.health_checks.fetch_add(1, Ordering::Relaxed);
            respond(Action::Respond, response);
            continue;
        }
        recorded.timeouts.lock().unwrap().push(timeout_of(&request));
        let action = {
            let mut script = script.lock().unwrap();
            if script.len() > 1 { script.pop_front().unwrap() } else { script[0] }
        };
        match action {
            Action::Close => return,
            Action::CloseWithinResponse => {
                let mut response = response;
                let mut body = response.send_response(head(), false).unwrap();
                body.send_data(Bytes::from_static(&EMPTY_MESSAGE[..3]), false).unwrap();
                // Enough time to send it.
                let _ = tokio::time::timeout(Duration::from_millis(50), connection.accept()).await;
                return;
            }
            Action::RespondAfter(time) => {
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    respond(Action::Respond, response);
                });
            }
            Action::Stream => {
                let mut response = response;
                let mut body = response.send_response(head(), false).unwrap();
                body.send_data(Bytes::from_static(EMPTY_MESSAGE), false).unwrap();
                tokio::spawn(async move {
                    let _ = std::future::poll_fn(|context| body.poll_reset(context)).await;
                });
            }
            other => respond(other, response),
        }
    }
}

/// Waits until the server is frozen, or is not.
async fn wait_until(frozen: &mut watch::Receiver<bool>, expected: bool) {
    if frozen.wait_for(|is_frozen| *is_frozen == expected).await.is_err() {
        // The server is being dropped.
        std::future::pending().await
    }
}

fn respond(action: Action, mut response: SendResponse<Bytes>) {
    match action {
        Action::Respond => {
            let mut body = response.send_response(head(), false).unwrap();
            body.send_data(Bytes::from_static(EMPTY_MESSAGE), false).unwrap();
            body.send_trailers(ok_trailers()).unwrap();
        }
        Action::Unavailable(retry_after) => {
            let status = match retry_after {
                Some(pause) => status::unavailable("busy", pause),
                None => tonic::Status::unavailable("busy"),
            };
            response.send_response(status.into_http(), true).unwrap();
        }
        Action::Cancelled => {
            response.send_response(tonic::Status::cancelled("Timeout expired").into_http(), true).unwrap();
        }
        Action::ResetStream => response.send_reset(Reason::REFUSED_STREAM),
        Action::Close | Action::CloseWithinResponse | Action::RespondAfter(_) | Action::Stream => {
            unreachable!("handled by the caller")
        }
    }
}

fn head() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

/// The trailers of a successful response.
pub(crate) fn ok_trailers() -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))])
}

fn timeout_of(request: &Request<RecvStream>) -> Duration {
    let Some(timeout) = request.headers().get("grpc-timeout") else { return Duration::ZERO };
    Duration::from_millis(timeout.to_str().unwrap().strip_suffix('m').unwrap().parse().unwrap())
}
