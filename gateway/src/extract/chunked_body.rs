//! Reads a request body in chunks of limited size, one per poll.
//!
//! `multer::Constraints` limit the size of fields and of the whole body, but neither the head of a part nor what the parser
//! buffers.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    BoxError,
    body::{Body, BodyDataStream, Bytes},
};
use futures_util::Stream;

/// Maximum size of a chunk in bytes; services accept no larger message.
pub(super) const CHUNK_SIZE: usize = 64 * 1024;

/// A body in chunks of at most [`CHUNK_SIZE`] bytes.
///
/// The multipart parser buffers all data that is available before it parses any, and reads the head of a part however long
/// it is. One chunk per poll limits the first, and the [`Allowance`] the second.
pub(super) struct ChunkedBody {
    body: BodyDataStream,
    rest: Bytes,
    /// Whether the last poll has returned a chunk: then the next one returns pending.
    has_returned: bool,
    allowance: Allowance,
}

impl ChunkedBody {
    pub(super) fn new(body: Body, allowance: Allowance) -> Self {
        Self { body: body.into_data_stream(), rest: Bytes::new(), has_returned: false, allowance }
    }
}

impl Stream for ChunkedBody {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.has_returned) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(cx)) {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            }
        }
        let size = self.rest.len().min(CHUNK_SIZE);
        if !self.allowance.take(size) {
            return Poll::Ready(Some(Err("the head of a part is too large".into())));
        }
        self.has_returned = true;
        Poll::Ready(Some(Ok(self.rest.split_to(size))))
    }
}

/// The number of bytes that may still be read, rounded up to a chunk.
#[derive(Clone)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    pub(super) fn unlimited() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }

    /// Sets the number of bytes from now on.
    pub(super) fn set(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// Takes `bytes`. Returns whether any were left before.
    fn take(&self, bytes: usize) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        self.set(left.saturating_sub(bytes));
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, future::poll_fn, poll};

    use super::*;

    fn chunked(frames: &[usize], allowance: &Allowance) -> ChunkedBody {
        let frames = frames.iter().map(|&len| Ok::<_, BoxError>(Bytes::from(vec![b'x'; len])));
        let body = Body::from_stream(futures_util::stream::iter(frames.collect::<Vec<_>>()));
        ChunkedBody::new(body, allowance.clone())
    }

    #[tokio::test]
    async fn splits_large_frames() {
        let body = chunked(&[10, 0, 2 * CHUNK_SIZE + 1, 5], &Allowance::unlimited());
        let sizes: Vec<_> = body.map(|chunk| chunk.unwrap().len()).collect().await;
        assert_eq!(sizes, [10, CHUNK_SIZE, CHUNK_SIZE, 1, 5]);
    }

    #[tokio::test]
    async fn returns_one_chunk_per_wakeup() {
        let mut body = chunked(&[CHUNK_SIZE, CHUNK_SIZE], &Allowance::unlimited());
        for _ in 0..2 {
            assert!(poll!(body.next()).is_ready());
            assert!(poll!(body.next()).is_pending());
        }
        let end = poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await;
        assert!(end.is_none());
    }

    #[tokio::test]
    async fn fails_beyond_the_allowance() {
        let allowance = Allowance::unlimited();
        let mut body = chunked(&[CHUNK_SIZE; 6], &allowance);
        assert!(body.next().await.unwrap().is_ok());
        allowance.set(CHUNK_SIZE + 1);
        assert!(body.next().await.unwrap().is_ok());
        assert!(body.next().await.unwrap().is_ok());
        assert!(body.next().await.unwrap().is_err());
        allowance.set(usize::MAX);
        assert!(body.next().await.unwrap().is_ok());
    }
}
