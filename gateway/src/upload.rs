//! Uploads: what comes in as the body of a request goes out as the messages of one call, while it comes. At most one
//! message waits to be taken, so a service that is slow slows its client down, and fills no memory.

use std::{future, pin::pin};

use futures_util::{Stream, stream};
use tokio::sync::mpsc;
use tonic::{Code, Response, Status};

use crate::problem::Problem;

/// Where the messages of a call are put. A call is whole once it is [finished](Self::finish), and never ends otherwise:
/// one that broke off must not look as if it were whole, not even for the moment until it is dropped.
pub(crate) struct Outgoing<T>(mpsc::Sender<Message<T>>);

enum Message<T> {
    More(T),
    Last(T),
}

/// The two ends of the messages of a call.
pub(crate) fn messages<T: Send + 'static>() -> (Outgoing<T>, impl Stream<Item = T> + Send + 'static) {
    let (sender, receiver) = mpsc::channel(1);
    let stream = stream::unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Message::More(message)) => Some((message, Some(receiver))),
            Some(Message::Last(message)) => Some((message, None)),
            None => future::pending().await,
        }
    });
    (Outgoing(sender), stream)
}

impl<T> Outgoing<T> {
    /// Sends a message once there is room for it.
    pub(crate) async fn send(&self, message: T) {
        self.put(Message::More(message)).await;
    }

    /// Sends the last message.
    pub(crate) async fn finish(self, message: T) {
        self.put(Message::Last(message)).await;
    }

    async fn put(&self, message: Message<T>) {
        if self.0.send(message).await.is_err() {
            // Nobody takes it: the call is over, and its answer on its way. There is nothing more to do here.
            future::pending::<()>().await;
        }
    }
}

/// What a call answers whose messages `sending` puts out meanwhile.
///
/// # Errors
/// That of the call, at once, however much there is still to send; that of `sending`, and then the call is dropped.
pub(crate) async fn answer<T>(
    call: impl Future<Output = Result<Response<T>, Status>>,
    sending: impl Future<Output = Result<(), Problem>>,
) -> Result<T, Problem> {
    let (mut call, sending) = (pin!(call), pin!(sending));
    let answer = tokio::select! {
        biased;
        early = &mut call => early.map_err(|status| match status.code() {
            Code::DeadlineExceeded => Problem::too_slow("the upload takes too long"),
            _ => status.into(),
        })?,
        sent = sending => {
            sent?;
            call.await?
        }
    };
    Ok(answer.into_inner())
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _, poll};
    use tonic::Status;

    use super::*;

    #[tokio::test]
    async fn a_call_ends_behind_its_last_message() {
        let (outgoing, stream) = messages();
        let sending = async {
            outgoing.send(1).await;
            outgoing.finish(2).await;
        };
        let (all, ()) = tokio::join!(stream.collect::<Vec<_>>(), sending);
        assert_eq!(all, [1, 2]);
    }

    #[tokio::test]
    async fn a_call_that_broke_off_never_looks_whole() {
        let (outgoing, stream) = messages();
        let mut stream = pin!(stream);
        outgoing.send(1).await;
        drop(outgoing);
        assert_eq!(stream.next().await, Some(1));
        assert!(poll!(stream.next()).is_pending());
    }

    #[tokio::test]
    async fn no_more_than_a_message_waits() {
        let (outgoing, _stream) = messages();
        outgoing.send(1).await;
        assert!(outgoing.send(2).now_or_never().is_none());
    }

    #[tokio::test]
    async fn an_answer_is_not_kept_waiting_by_what_is_still_to_send() {
        let early = future::ready(Ok(Response::new("early")));
        assert_eq!(answer(early, future::pending()).await.ok(), Some("early"));
        let refusal = future::ready(Err::<Response<()>, _>(Status::internal("no")));
        assert!(answer(refusal, future::pending()).await.is_err());
    }

    #[tokio::test]
    async fn a_call_that_is_over_takes_nothing_and_its_answer_counts() {
        let (outgoing, stream) = messages();
        let call = async move {
            drop(stream);
            tokio::task::yield_now().await;
            Ok(Response::new("done"))
        };
        let sending = async move {
            tokio::task::yield_now().await;
            outgoing.finish(1).await;
            Ok(())
        };
        assert_eq!(answer(call, sending).await.ok(), Some("done"));
    }
}
