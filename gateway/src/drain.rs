//! Draining of request bodies that the handler does not read to their end.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
};
use futures_util::StreamExt as _;
use http::header::EXPECT;
use http_body::{Frame, SizeHint};
use tokio::{runtime::Handle, time::timeout};

/// Time limit for reading the rest of a body.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A body that is read to its end in the background, and discarded, when it is dropped before.
///
/// A connection that is closed while its client still sends is reset. The reset also discards the response that the client
/// has not read yet, so it would not learn why its request was rejected.
pub(crate) struct DrainedBody {
    body: Body,
    /// Whether the client sends the body: always, unless it waits for `100 Continue`.
    is_sent: bool,
}

impl DrainedBody {
    /// Wraps the body of a request, if it has one.
    pub(crate) fn wrap(request: Request) -> Request {
        if request.body().is_end_stream() {
            return request;
        }
        // A client that expects `100 Continue` does not send the body if it gets a final response instead.
        let is_sent = !request.headers().contains_key(EXPECT);
        request.map(|body| Body::new(Self { body, is_sent }))
    }
}

impl HttpBody for DrainedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_sent = true;
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for DrainedBody {
    fn drop(&mut self) {
        if !self.is_sent || self.body.is_end_stream() {
            return;
        }
        let mut rest = std::mem::take(&mut self.body).into_data_stream();
        if let Ok(runtime) = Handle::try_current() {
            runtime
                .spawn(timeout(DRAIN_TIMEOUT, async move { while let Some(Ok(_)) = rest.next().await {} }));
        }
    }
}
