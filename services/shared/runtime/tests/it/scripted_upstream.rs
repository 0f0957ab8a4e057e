//! An HTTP/2 server that follows a script, down to the frames.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bodega_runtime::{auth::ServiceToken, context::CallContext, status, transport::Transport};
use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::{
    net::{TcpListener, TcpStream},
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
    /// Resets the stream with REFUSED_STREAM.
    ResetStream,
}

/// The server. Stops when it is dropped.
pub(crate) struct ScriptedUpstream {
    pub(crate) address: SocketAddr,
    /// The `grpc-timeout` of each call.
    timeouts: Arc<Mutex<Vec<Duration>>>,
    stop: CancellationToken,
}

impl ScriptedUpstream {
    /// Follows the script call by call, and repeats its last action.
    pub(crate) async fn start(script: impl IntoIterator<Item = Action>) -> Self {
        Self::start_at(TcpListener::bind("127.0.0.1:0").await.unwrap(), script)
    }

    /// The same, on an existing listener.
    pub(crate) fn start_at(listener: TcpListener, script: impl IntoIterator<Item = Action>) -> Self {
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let timeouts = Arc::<Mutex<Vec<Duration>>>::default();
        let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let (stopped, recorded) = (stop.clone(), timeouts.clone());
        tokio::spawn(stopped.clone().run_until_cancelled_owned(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let serving = serve(connection, script.clone(), recorded.clone());
                tokio::spawn(stopped.clone().run_until_cancelled_owned(serving));
            }
        }));
        Self { address, timeouts, stop }
    }

    /// The `grpc-timeout` of each call so far.
    pub(crate) fn timeouts(&self) -> Vec<Duration> {
        self.timeouts.lock().unwrap().clone()
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
    timeouts: Arc<Mutex<Vec<Duration>>>,
) {
    let mut connection = h2::server::handshake(connection).await.unwrap();
    while let Some(Ok((request, response))) = connection.accept().await {
        timeouts.lock().unwrap().push(timeout_of(&request));
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
            other => respond(other, response),
        }
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
        Action::ResetStream => response.send_reset(Reason::REFUSED_STREAM),
        Action::Close | Action::CloseWithinResponse => unreachable!("handled by the caller"),
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
    let text = request.headers()["grpc-timeout"].to_str().unwrap();
    Duration::from_millis(text.strip_suffix('m').unwrap().parse().unwrap())
}
