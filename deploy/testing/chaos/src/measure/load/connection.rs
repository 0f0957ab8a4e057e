//! One HTTP/1.1 connection to a gateway.
//!
//! The load generator shares its cores with the store, so a request costs as little as possible: no pool, no
//! redirects, no decoding of bodies.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// The store promises a response within 2 s; the longer timeout shows by how much it is late.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) type Request = http::Request<Full<Bytes>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    /// The status of a complete response.
    pub(crate) status: Result<u16, Failure>,
    pub(crate) has_retry_after: bool,
    /// Whether the request was sent a second time.
    pub(crate) is_retry: bool,
}

impl Response {
    /// Whether a retry would not change the response: 2xx, or a rejection for a reason in the request.
    pub(super) fn is_final(&self) -> bool {
        self.status.is_ok_and(|status| status < 500 && status != 429)
    }
}

/// Why there is no complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum Failure {
    /// The connection was refused, or closed before the request was sent.
    #[error("not sent")]
    Unsent,
    /// The connection was closed before the first byte of a response.
    #[error("closed without a response")]
    Closed,
    /// The response is incomplete or not HTTP.
    #[error("broken response")]
    Broken,
    #[error("no response within 5 s")]
    Timeout,
}

impl Failure {
    fn of(error: &hyper::Error) -> Self {
        let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
        let is_reset = source.is_some_and(|source| source.kind() == io::ErrorKind::ConnectionReset);
        if error.is_canceled() {
            Self::Unsent
        } else if error.is_incomplete_message() || is_reset {
            Self::Closed
        } else {
            Self::Broken
        }
    }
}

impl From<Failure> for Response {
    fn from(failure: Failure) -> Self {
        Self { status: Err(failure), has_retry_after: false, is_retry: false }
    }
}

/// A connection that is opened on demand and kept alive.
pub(super) struct Connection {
    /// Host and port.
    authority: Arc<str>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    pub(super) fn new(authority: &Arc<str>) -> Self {
        Self { authority: Arc::clone(authority), sender: None }
    }

    /// Sends a request, and once more if the connection was refused or, for a repeatable request, closed without a
    /// response.
    pub(super) async fn send(&mut self, request: &Request) -> Response {
        let response = timeout(TIMEOUT, self.send_with_retry(request)).await;
        if response.is_err() {
            self.sender = None;
        }
        response.unwrap_or(Response::from(Failure::Timeout))
    }

    async fn send_with_retry(&mut self, request: &Request) -> Response {
        match self.send_once(request).await {
            Ok(response) => response,
            Err(Failure::Closed) if !is_repeatable(request) => Failure::Closed.into(),
            Err(Failure::Unsent | Failure::Closed) => {
                let response = self.send_once(request).await.unwrap_or_else(Response::from);
                Response { is_retry: true, ..response }
            }
            Err(failure) => failure.into(),
        }
    }

    async fn send_once(&mut self, request: &Request) -> Result<Response, Failure> {
        // The sender is put back only after a complete response.
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.connect().await.map_err(|_| Failure::Unsent)?,
        };
        sender.ready().await.map_err(|_| Failure::Unsent)?;
        let response = sender.send_request(request.clone()).await.map_err(|error| Failure::of(&error))?;
        let (head, mut body) = response.into_parts();
        while let Some(frame) = body.frame().await {
            frame.map_err(|_| Failure::Broken)?;
        }
        self.sender = Some(sender);
        let has_retry_after = head.headers.contains_key(RETRY_AFTER);
        Ok(Response { status: Ok(head.status.as_u16()), has_retry_after, is_retry: false })
    }

    async fn connect(&self) -> io::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&*self.authority).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // Its errors reach the sender as well.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// Whether sending the request twice has the same effect as sending it once.
fn is_repeatable(request: &Request) -> bool {
    request.method().is_idempotent() || request.headers().contains_key("idempotency-key")
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// Serves one connection after the other: reads a request, sends the next response and closes the connection.
    async fn serve(responses: &'static [&'static str]) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority: Arc<str> = listener.local_addr().unwrap().to_string().into();
        tokio::spawn(async move {
            for response in responses {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await.unwrap();
                stream.write_all(response.as_bytes()).await.unwrap();
            }
        });
        Connection::new(&authority)
    }

    fn request(method: &str, key: Option<&str>) -> Request {
        let request = http::Request::builder().method(method).uri("/").header("host", "shop");
        let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
        request.body(Full::default()).unwrap()
    }

    const UNAVAILABLE: &str =
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\nno";
    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    const INCOMPLETE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nhal";

    #[tokio::test]
    async fn reads_the_status_and_whether_there_is_a_retry_after() {
        let mut connection = serve(&[UNAVAILABLE, OK]).await;
        let unavailable = Response { status: Ok(503), has_retry_after: true, is_retry: false };
        assert_eq!(connection.send(&request("GET", None)).await, unavailable);
        let ok = connection.send(&request("GET", None)).await;
        assert_eq!((ok.status, ok.has_retry_after), (Ok(200), false));
    }

    #[tokio::test]
    async fn retries_repeatable_requests_when_the_connection_is_closed() {
        let retried = Response { status: Ok(200), has_retry_after: false, is_retry: true };
        for request in [request("GET", None), request("PUT", None), request("POST", Some("key"))] {
            assert_eq!(serve(&["", OK]).await.send(&request).await, retried, "{request:?}");
        }
        assert_eq!(serve(&["", OK]).await.send(&request("POST", None)).await, Failure::Closed.into());
    }

    #[tokio::test]
    async fn retries_only_once() {
        let response = serve(&["", "", OK]).await.send(&request("GET", None)).await;
        assert_eq!((response.status, response.is_retry), (Err(Failure::Closed), true));
    }

    #[tokio::test]
    async fn an_incomplete_response_is_a_failure() {
        let response = serve(&[INCOMPLETE, OK]).await.send(&request("GET", None)).await;
        assert_eq!(response, Failure::Broken.into());
    }

    #[tokio::test]
    async fn retries_a_refused_connection() {
        let mut connection = Connection::new(&"127.0.0.1:1".into());
        let response = connection.send(&request("POST", None)).await;
        assert_eq!((response.status, response.is_retry), (Err(Failure::Unsent), true));
    }
}
