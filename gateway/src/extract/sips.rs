//! A body in small pieces, no faster than it is wanted.

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

/// Bytes of a piece; no service takes more in one message.
pub(super) const SIP: usize = 64 * 1024;

/// A body, given out in pieces of at most [`SIP`] bytes, one each time somebody asks.
///
/// The parser of multipart takes all that is there into its memory before it looks at any of it, and looks for the head
/// of a part however long it takes. This bounds both: what the parser holds is a few pieces, however fast they come.
pub(super) struct Sips {
    body: BodyDataStream,
    rest: Bytes,
    /// Whether a piece was given out since somebody was last told to come again.
    given: bool,
    allowance: Allowance,
}

impl Sips {
    pub(super) fn new(body: Body, allowance: Allowance) -> Self {
        Self { body: body.into_data_stream(), rest: Bytes::new(), given: false, allowance }
    }
}

impl Stream for Sips {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.given) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(cx)) {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(cause)) => return Poll::Ready(Some(Err(cause.into()))),
                None => return Poll::Ready(None),
            }
        }
        let sip = self.rest.len().min(SIP);
        if !self.allowance.take(sip) {
            return Poll::Ready(Some(Err("the head of a part does not end".into())));
        }
        self.given = true;
        Poll::Ready(Some(Ok(self.rest.split_to(sip))))
    }
}

/// How many bytes may still be given out, or one piece more than that.
#[derive(Clone)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    pub(super) fn unlimited() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }

    /// So many from now on.
    pub(super) fn set(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// Whether there was anything left.
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

    fn sips(frames: &[usize], allowance: &Allowance) -> Sips {
        let frames = frames.iter().map(|&len| Ok::<_, BoxError>(Bytes::from(vec![b'x'; len])));
        let body = Body::from_stream(futures_util::stream::iter(frames.collect::<Vec<_>>()));
        Sips::new(body, allowance.clone())
    }

    #[tokio::test]
    async fn what_comes_at_once_is_given_out_piece_by_piece() {
        let sips = sips(&[10, 0, 2 * SIP + 1, 5], &Allowance::unlimited());
        let pieces: Vec<_> = sips.map(|piece| piece.unwrap().len()).collect().await;
        assert_eq!(pieces, [10, SIP, SIP, 1, 5]);
    }

    #[tokio::test]
    async fn whoever_takes_all_there_is_gets_one_piece_at_a_time() {
        let mut sips = sips(&[SIP, SIP], &Allowance::unlimited());
        for _ in 0..2 {
            assert!(poll!(sips.next()).is_ready());
            assert!(poll!(sips.next()).is_pending());
        }
        let end = poll_fn(|cx| Pin::new(&mut sips).poll_next(cx)).await;
        assert!(end.is_none());
    }

    #[tokio::test]
    async fn an_allowance_ends_what_does_not_end_by_itself() {
        let allowance = Allowance::unlimited();
        let mut sips = sips(&[SIP; 6], &allowance);
        assert!(sips.next().await.unwrap().is_ok());
        allowance.set(SIP + 1);
        assert!(sips.next().await.unwrap().is_ok());
        assert!(sips.next().await.unwrap().is_ok());
        assert!(sips.next().await.unwrap().is_err());
        allowance.set(usize::MAX);
        assert!(sips.next().await.unwrap().is_ok());
    }
}
