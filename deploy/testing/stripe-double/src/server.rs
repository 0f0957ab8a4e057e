//! The HTTP/1.1 server.

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

use crate::{api, state::Shared};

/// Serves connections; dropping the future closes them.
pub(crate) async fn run(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
                // No file descriptor is free: retry, since other connections may be closed by then.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| respond(Arc::clone(&shared), request));
    // Fails when either side closes the connection, which is expected.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Responds to one request.
///
/// # Errors
/// When the connection must be closed without a response.
async fn respond(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<String>, NoResponse> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| NoResponse)?.to_bytes();
    let request = Request::from_parts(head, body);
    // A task of its own, so that the request completes even if the client disconnects.
    let task = shared.spawn(api::respond(Arc::clone(&shared), request));
    task.await.ok().flatten().flatten().ok_or(NoResponse)
}

#[derive(Debug)]
struct NoResponse;

impl fmt::Display for NoResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no response")
    }
}

impl std::error::Error for NoResponse {}
