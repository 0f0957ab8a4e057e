//! Work that is completed although its client has disconnected.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::runtime::Handle;

/// A future that runs to its end in a task of its own if it is dropped before.
///
/// Services complete some of the work of a call that was dropped, such as an order that is being placed, and a statement runs in
/// the database until its end. The permit of the request must stay in use meanwhile: otherwise a client that disconnects early
/// could start more work than the limit allows.
pub(crate) struct Completed<T: 'static>(Option<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T: 'static> Completed<T> {
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl<T: 'static> Future for Completed<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &mut self.0 else { return Poll::Pending };
        let output = work.as_mut().poll(context);
        if output.is_ready() {
            self.0 = None;
        }
        output
    }
}

impl<T: 'static> Drop for Completed<T> {
    fn drop(&mut self) {
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move {
                work.await;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn returns_the_output_of_the_work() {
        assert_eq!(Completed::new(async { 7 }).await, 7);
    }

    #[tokio::test]
    async fn completes_the_work_after_it_was_dropped() {
        let (start, started) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        let mut work = Completed::new(async move {
            started.await.unwrap();
            end.send(()).unwrap();
        });
        assert!((&mut work).now_or_never().is_none(), "waits");
        drop(work);
        start.send(()).unwrap();
        ended.await.unwrap();
    }
}
