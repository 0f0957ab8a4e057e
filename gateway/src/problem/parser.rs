//! Problem bodies for requests that are not valid HTTP: hyper responds to them itself, without a body.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Bytes;
use http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use uuid::Uuid;

use super::{PROBLEM_JSON, Problem};

/// hyper's own responses are shorter.
const MAX_RESPONSE: usize = 512;

/// A connection that adds a body to hyper's own responses.
pub(crate) struct ProblemWriter {
    stream: TcpStream,
    /// What is left to write of a replaced response.
    rest: Bytes,
}

impl ProblemWriter {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, rest: Bytes::new() }
    }
}

/// Returns the response to send instead of `response`, if it is one of hyper's own: those have no request id.
fn replacement(response: &[u8]) -> Option<Bytes> {
    if response.len() > MAX_RESPONSE || !response.starts_with(b"HTTP/1.1 4") {
        return None;
    }
    let head = std::str::from_utf8(response).ok()?.strip_suffix("\r\n\r\n")?;
    if !head.contains("\r\nconnection: close") || head.contains("\r\nx-request-id: ") {
        return None;
    }
    let (before, after) = head.split_once("\r\ncontent-length: 0")?;
    let mut problem = match head.get(9..12)? {
        "400" => Problem::new(StatusCode::BAD_REQUEST, "malformed_request", "the request is not valid HTTP"),
        "431" => Problem::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "header_too_large",
            "the head of the request is too large",
        ),
        _ => return None,
    };
    let id = Uuid::now_v7().to_string();
    problem.0.request_id = Some(id.clone());
    let body = serde_json::to_string(&problem).ok()?;
    let length = body.len();
    let response = format!(
        "{before}\r\ncontent-length: {length}{after}\r\ncontent-type: {PROBLEM_JSON}\r\nx-request-id: {id}\r\n\r\n{body}"
    );
    Some(response.into())
}

impl AsyncRead for ProblemWriter {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for ProblemWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // While a replacement is written, hyper offers the same response again.
        if self.rest.is_empty() {
            match replacement(bytes) {
                Some(replacement) => self.rest = replacement,
                None => return Pin::new(&mut self.stream).poll_write(context, bytes),
            }
        }
        while !self.rest.is_empty() {
            let Self { stream, rest } = &mut *self;
            match ready!(Pin::new(stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(rest.split_to(written)),
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices {
            [only] => self.poll_write(context, only),
            _ => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_responses_of_hyper_are_replaced() {
        let response = |status, header| {
            format!(
                "HTTP/1.1 {status} No\r\nconnection: close\r\ncontent-length: 0\r\n{header}date: now\r\n\r\n"
            )
        };
        let replaced = replacement(response(431, "").as_bytes()).unwrap();
        let replaced = std::str::from_utf8(&replaced).unwrap();
        let (head, body) = replaced.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\ndate: now", body.len())), "{head}");
        assert!(body.contains(r#""code":"header_too_large""#), "{body}");
        for other in [response(400, "x-request-id: 7\r\n"), response(200, ""), response(418, "")] {
            assert_eq!(replacement(other.as_bytes()), None, "{other}");
        }
        let with_body = response(400, "").replace("content-length: 0", "content-length: 2") + "{}";
        assert_eq!(replacement(with_body.as_bytes()), None);
    }
}
