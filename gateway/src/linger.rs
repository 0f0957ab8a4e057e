//! Bodies that nobody reads to their end.

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

/// How long a body is read on that nobody wants.
const PATIENCE: Duration = Duration::from_secs(5);

/// A body that is read on in the background, and thrown away, when it is dropped before its end.
///
/// A connection that is closed while its client still sends is reset, and with it goes the answer that the client has not
/// read yet: it would never learn why its body was refused.
pub(crate) struct Lingering {
    body: Body,
    /// Whether the client sends without being asked to, or has been.
    comes: bool,
}

impl Lingering {
    /// The request, with its body wrapped if it has one.
    pub(crate) fn wrap(request: Request) -> Request {
        if request.body().is_end_stream() {
            return request;
        }
        // Who expects to be asked for the body and gets an answer instead need not send it.
        let comes = !request.headers().contains_key(EXPECT);
        request.map(|body| Body::new(Self { body, comes }))
    }
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.comes = true;
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if !self.comes || self.body.is_end_stream() {
            return;
        }
        let mut rest = std::mem::take(&mut self.body).into_data_stream();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(PATIENCE, async move { while let Some(Ok(_)) = rest.next().await {} }));
        }
    }
}
