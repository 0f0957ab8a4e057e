//! Takes calls off the wire, over HTTP/1.1.

use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use crate::{api, double::Shared};

/// Serves connections; they are closed when this is dropped.
pub(crate) async fn run(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
                // Out of file descriptors: others may be closed soon.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| answer(Arc::clone(&shared), request));
    // It ends with an error when we hang up or the client does. Neither is one.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// # Errors
/// When the connection is to be closed without an answer.
async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<String>, HungUp> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| HungUp)?.to_bytes();
    let request = Request::from_parts(head, body);
    // A task of its own: what was asked for is done though the client goes away.
    let task = shared.spawn(api::answer(Arc::clone(&shared), request));
    task.await.ok().flatten().flatten().ok_or(HungUp)
}

/// There is no answer.
#[derive(Debug)]
struct HungUp;

impl fmt::Display for HungUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no answer")
    }
}

impl std::error::Error for HungUp {}
