//! A neighbour at the other end of a socket that does what it is told, down to the frames.

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

/// What the neighbour does about a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Answers with an empty message.
    Answer,
    /// Begins an answer, and closes the connection amid it.
    BreakOff,
    /// Closes the connection.
    Close,
    /// Says that it is unavailable; and for how long.
    Busy(Option<Duration>),
    /// Says that it did not look at it.
    Refuse,
}

/// A neighbour, until it is dropped.
pub(crate) struct Neighbour {
    pub(crate) address: SocketAddr,
    /// The time each call came with.
    seen: Arc<Mutex<Vec<Duration>>>,
    stop: CancellationToken,
}

impl Neighbour {
    /// One that does this with one call after the other, and the last with all that follow.
    pub(crate) async fn start(script: impl IntoIterator<Item = Act>) -> Self {
        Self::start_at(TcpListener::bind("127.0.0.1:0").await.unwrap(), script)
    }

    /// The same, where it is to be found.
    pub(crate) fn start_at(listener: TcpListener, script: impl IntoIterator<Item = Act>) -> Self {
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let seen = Arc::<Mutex<Vec<Duration>>>::default();
        let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let (stopped, noted) = (stop.clone(), seen.clone());
        tokio::spawn(stopped.clone().run_until_cancelled_owned(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let serving = serve(connection, script.clone(), noted.clone());
                tokio::spawn(stopped.clone().run_until_cancelled_owned(serving));
            }
        }));
        Self { address, seen, stop }
    }

    /// How much time each call had that came here.
    pub(crate) fn seen(&self) -> Vec<Duration> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn transport(&self) -> Transport {
        to(self.address)
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The way to whoever listens there.
pub(crate) fn to(address: SocketAddr) -> Transport {
    Transport::remote(format!("http://{address}").parse().unwrap(), &ServiceToken::random())
}

/// A call that has this much time.
pub(crate) fn within(time: Duration) -> CallContext {
    CallContext { deadline: Some(Instant::now() + time), ..CallContext::default() }
}

/// An address that nobody listens at.
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn serve(connection: TcpStream, script: Arc<Mutex<VecDeque<Act>>>, seen: Arc<Mutex<Vec<Duration>>>) {
    let mut connection = h2::server::handshake(connection).await.unwrap();
    while let Some(Ok((request, answer))) = connection.accept().await {
        seen.lock().unwrap().push(time_of(&request));
        let act = {
            let mut script = script.lock().unwrap();
            if script.len() > 1 { script.pop_front().unwrap() } else { script[0] }
        };
        match act {
            Act::Close => return,
            Act::BreakOff => {
                let mut answer = answer;
                let mut body = answer.send_response(head(), false).unwrap();
                body.send_data(Bytes::from_static(&EMPTY_MESSAGE[..3]), false).unwrap();
                // Long enough to be sent.
                let _ = tokio::time::timeout(Duration::from_millis(50), connection.accept()).await;
                return;
            }
            other => act_on(other, answer),
        }
    }
}

fn act_on(act: Act, mut answer: SendResponse<Bytes>) {
    match act {
        Act::Answer => {
            let mut body = answer.send_response(head(), false).unwrap();
            body.send_data(Bytes::from_static(EMPTY_MESSAGE), false).unwrap();
            body.send_trailers(ok()).unwrap();
        }
        Act::Busy(pause) => {
            let busy = match pause {
                Some(pause) => status::unavailable("busy", pause),
                None => tonic::Status::unavailable("busy"),
            };
            answer.send_response(busy.into_http(), true).unwrap();
        }
        Act::Refuse => answer.send_reset(Reason::REFUSED_STREAM),
        Act::Close | Act::BreakOff => unreachable!("ends the connection"),
    }
}

fn head() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

/// What ends an answer that went well.
pub(crate) fn ok() -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))])
}

fn time_of(request: &Request<RecvStream>) -> Duration {
    let text = request.headers()["grpc-timeout"].to_str().unwrap();
    Duration::from_millis(text.strip_suffix('m').unwrap().parse().unwrap())
}
