//! A connection to a gateway, as a client keeps one.
//!
//! The load shares its cores with the store: a request is to cost as little as it can, so nothing is pooled, redirected,
//! decoded or parsed here.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, header::RETRY_AFTER};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// The longest that an answer is waited for. The store promises one within 2 s: who waits longer sees that it is late.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is sent.
pub(super) type Question = Request<Full<Bytes>>;

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status, of a whole answer.
    pub(super) status: Result<u16, Failure>,
    /// Whether it says when to come back.
    pub(super) retry_after: bool,
    /// Whether it is that of a second try.
    pub(super) retried: bool,
}

/// A connection that is opened when it is needed, and kept.
pub(super) struct Connection {
    /// Host and port.
    authority: Arc<str>,
    open: Option<SendRequest<Full<Bytes>>>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(super) enum Failure {
    /// The connection was refused, or it was closed before anything was sent.
    #[error("not let in")]
    Unsent,
    /// It was closed, and not a byte came back.
    #[error("closed unanswered")]
    Closed,
    /// It broke off, or was no HTTP.
    #[error("broken off")]
    Broken,
    /// Nobody waits that long.
    #[error("no answer in 5 s")]
    Late,
}

impl Connection {
    /// One that is yet to be opened.
    pub(super) fn new(authority: &Arc<str>) -> Self {
        Self { authority: Arc::clone(authority), open: None }
    }

    /// Asks once, and once more where that cannot do harm: where the connection was refused, or, of a request that may
    /// be repeated, was closed before any answer. Never waits for long.
    pub(super) async fn ask(&mut self, question: &Question) -> Answer {
        let answered = timeout(PATIENCE, self.insist(question)).await;
        if answered.is_err() {
            self.open = None;
        }
        answered.unwrap_or(Answer::from(Failure::Late))
    }

    async fn insist(&mut self, question: &Question) -> Answer {
        match self.try_once(question).await {
            Ok(answer) => answer,
            Err(Failure::Unsent) => self.try_again(question).await,
            Err(Failure::Closed) if may_be_repeated(question) => self.try_again(question).await,
            Err(failure) => failure.into(),
        }
    }

    async fn try_again(&mut self, question: &Question) -> Answer {
        let answer = self.try_once(question).await.unwrap_or_else(Answer::from);
        Answer { retried: true, ..answer }
    }

    async fn try_once(&mut self, question: &Question) -> Result<Answer, Failure> {
        // It stays away unless all goes well.
        let mut open = match self.open.take() {
            Some(open) if !open.is_closed() => open,
            _ => self.connect().await.map_err(|_| Failure::Unsent)?,
        };
        open.ready().await.map_err(|_| Failure::Unsent)?;
        let response = open.send_request(question.clone()).await.map_err(|cause| Failure::of(&cause))?;
        let (head, mut body) = response.into_parts();
        while let Some(frame) = body.frame().await {
            frame.map_err(|_| Failure::Broken)?;
        }
        self.open = Some(open);
        Ok(Answer {
            status: Ok(head.status.as_u16()),
            retry_after: head.headers.contains_key(RETRY_AFTER),
            retried: false,
        })
    }

    async fn connect(&self) -> io::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&*self.authority).await?;
        stream.set_nodelay(true)?;
        let (open, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // Ends with the connection; an error is told to whoever waits for the answer.
        tokio::spawn(connection);
        Ok(open)
    }
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        Self { status: Err(failure), retry_after: false, retried: false }
    }
}

impl Failure {
    fn of(cause: &hyper::Error) -> Self {
        let source = std::error::Error::source(cause).and_then(|source| source.downcast_ref::<io::Error>());
        let was_reset = source.is_some_and(|source| source.kind() == io::ErrorKind::ConnectionReset);
        if cause.is_canceled() {
            Self::Unsent
        } else if cause.is_incomplete_message() || was_reset {
            Self::Closed
        } else {
            Self::Broken
        }
    }
}

/// Whether it does no more when it is done twice.
fn may_be_repeated(question: &Question) -> bool {
    question.method().is_idempotent() || question.headers().contains_key("idempotency-key")
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// Serves one connection after the other: each answers the first request with what is said for it, and is closed.
    async fn serve(answers: &'static [&'static str]) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority: Arc<str> = listener.local_addr().unwrap().to_string().into();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Connection::new(&authority)
    }

    fn question(method: &str, key: Option<&str>) -> Question {
        let question = Request::builder().method(method).uri("/").header("host", "shop");
        let question =
            key.into_iter().fold(question, |question, key| question.header("idempotency-key", key));
        question.body(Full::default()).unwrap()
    }

    const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\nno";
    const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nhal";

    #[tokio::test]
    async fn an_answer_is_told_with_whether_it_says_when_to_come_back() {
        let mut connection = serve(&[BUSY, FINE]).await;
        let busy = Answer { status: Ok(503), retry_after: true, retried: false };
        assert_eq!(connection.ask(&question("GET", None)).await, busy);
        let fine = connection.ask(&question("GET", None)).await;
        assert_eq!((fine.status, fine.retry_after), (Ok(200), false));
    }

    #[tokio::test]
    async fn what_may_be_repeated_is_when_its_connection_is_closed() {
        let again = Answer { status: Ok(200), retry_after: false, retried: true };
        for question in [question("GET", None), question("PUT", None), question("POST", Some("key"))] {
            assert_eq!(serve(&["", FINE]).await.ask(&question).await, again, "{question:?}");
        }
        assert_eq!(serve(&["", FINE]).await.ask(&question("POST", None)).await, Failure::Closed.into());
    }

    #[tokio::test]
    async fn it_is_repeated_once() {
        let answer = serve(&["", "", FINE]).await.ask(&question("GET", None)).await;
        assert_eq!((answer.status, answer.retried), (Err(Failure::Closed), true));
    }

    #[tokio::test]
    async fn half_an_answer_is_none() {
        assert_eq!(serve(&[HALF, FINE]).await.ask(&question("GET", None)).await, Failure::Broken.into());
    }

    #[tokio::test]
    async fn a_refused_connection_is_tried_again() {
        let mut connection = Connection::new(&"127.0.0.1:1".into());
        let answer = connection.ask(&question("POST", None)).await;
        assert_eq!((answer.status, answer.retried), (Err(Failure::Unsent), true));
    }
}
