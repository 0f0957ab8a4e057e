//! Uploads: the body of a request is streamed to a service as the messages of one call. At most one message is buffered, so
//! that a slow service slows its client down.

use std::{future, pin::pin};

use futures_util::{Stream, stream};
use tokio::sync::mpsc;
use tonic::{Code, Response, Status};

use crate::problem::Problem;

/// Sends the messages of a call. The stream ends only after [`finish`](Self::finish): an aborted upload must not look
/// complete, not even until the call is dropped.
pub(crate) struct Outgoing<T>(mpsc::Sender<Message<T>>);

enum Message<T> {
    Next(T),
    Last(T),
}

/// Creates the sender and the stream of a call's messages.
pub(crate) fn messages<T: Send + 'static>() -> (Outgoing<T>, impl Stream<Item = T> + Send + 'static) {
    let (sender, receiver) = mpsc::channel(1);
    let stream = stream::unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Message::Next(message)) => Some((message, Some(receiver))),
            Some(Message::Last(message)) => Some((message, None)),
            None => future::pending().await,
        }
    });
    (Outgoing(sender), stream)
}

impl<T> Outgoing<T> {
    /// Sends a message. Waits until the call has taken the previous one.
    pub(crate) async fn send(&self, message: T) {
        self.put(Message::Next(message)).await;
    }

    /// Sends the last message.
    pub(crate) async fn finish(self, message: T) {
        self.put(Message::Last(message)).await;
    }

    async fn put(&self, message: Message<T>) {
        if self.0.send(message).await.is_err() {
            // The call has ended, and `call` returns its response.
            future::pending::<()>().await;
        }
    }
}

/// Makes a call, and sends its messages concurrently.
///
/// # Errors
/// The call's error, at once, even if messages remain; the error of `sending`, which drops the call.
pub(crate) async fn call<T>(
    call: impl Future<Output = Result<Response<T>, Status>>,
    sending: impl Future<Output = Result<(), Problem>>,
) -> Result<T, Problem> {
    let (mut call, sending) = (pin!(call), pin!(sending));
    let response = tokio::select! {
        biased;
        result = &mut call => result.map_err(|status| match status.code() {
            Code::DeadlineExceeded => Problem::too_slow("the upload timed out"),
            _ => status.into(),
        })?,
        sent = sending => {
            sent?;
            call.await?
        }
    };
    Ok(response.into_inner())
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _, poll};
    use tonic::Status;

    use super::*;

    #[tokio::test]
    async fn the_stream_ends_after_the_last_message() {
        let (outgoing, stream) = messages();
        let sending = async {
            outgoing.send(1).await;
            outgoing.finish(2).await;
        };
        let (all, ()) = tokio::join!(stream.collect::<Vec<_>>(), sending);
        assert_eq!(all, [1, 2]);
    }

    #[tokio::test]
    async fn an_aborted_stream_never_ends() {
        let (outgoing, stream) = messages();
        let mut stream = pin!(stream);
        outgoing.send(1).await;
        drop(outgoing);
        assert_eq!(stream.next().await, Some(1));
        assert!(poll!(stream.next()).is_pending());
    }

    #[tokio::test]
    async fn buffers_one_message() {
        let (outgoing, _stream) = messages();
        outgoing.send(1).await;
        assert!(outgoing.send(2).now_or_never().is_none());
    }

    #[tokio::test]
    async fn returns_an_early_response_before_all_messages_are_sent() {
        let early = future::ready(Ok(Response::new("early")));
        assert_eq!(call(early, future::pending()).await.ok(), Some("early"));
        let error = future::ready(Err::<Response<()>, _>(Status::internal("no")));
        assert!(call(error, future::pending()).await.is_err());
    }

    #[tokio::test]
    async fn returns_the_response_of_a_call_that_takes_no_more_messages() {
        let (outgoing, stream) = messages();
        let upstream = async move {
            drop(stream);
            tokio::task::yield_now().await;
            Ok(Response::new("done"))
        };
        let sending = async move {
            tokio::task::yield_now().await;
            outgoing.finish(1).await;
            Ok(())
        };
        assert_eq!(call(upstream, sending).await.ok(), Some("done"));
    }
}
