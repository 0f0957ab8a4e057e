//! The stream of one watcher.

use std::sync::Arc;

use bodega_proto::catalog::v1::{WatchChangesRequest, WatchChangesResponse};
use bodega_runtime::{status, timeouts};
use futures_util::{
    FutureExt as _, Stream, StreamExt as _,
    stream::{self, FuturesUnordered},
};
use tokio::{
    sync::{
        broadcast::{
            self,
            error::{RecvError, TryRecvError},
        },
        mpsc,
    },
    time::{Instant, timeout},
};
use tonic::Status;

use super::{
    Changes,
    publish::{BUFFERED_BATCHES, Batch},
};

/// Responses that wait for a slow watcher. Further batches wait in the publisher's buffer.
const BUFFERED_RESPONSES: usize = 16;

type Response = Result<WatchChangesResponse, Status>;

impl Changes {
    /// Returns the responses to a stream of requests, which end with the requests.
    pub(crate) fn watch(
        self,
        requests: impl Stream<Item = Result<WatchChangesRequest, Status>> + Send + Unpin + 'static,
    ) -> impl Stream<Item = Response> + Send + 'static {
        let (responses, mut receiver) = mpsc::channel(BUFFERED_RESPONSES);
        let work = async move {
            if let Err(status) = self.serve(requests, &responses).await {
                // Fails if the watcher is gone.
                let _ = responses.send(Err(status)).await;
            }
        };
        // The work is done while the responses are polled, and ends when they are dropped.
        let work = work.into_stream().filter_map(|()| async { None });
        stream::select(stream::poll_fn(move |context| receiver.poll_recv(context)), Box::pin(work))
    }

    async fn serve(
        &self,
        mut requests: impl Stream<Item = Result<WatchChangesRequest, Status>> + Unpin,
        responses: &mpsc::Sender<Response>,
    ) -> Result<(), Status> {
        let mut batches = self.0.publisher.subscribe();
        let watcher = self.0.watchers.add(self.0.publisher.last_sequence());
        let mut polls = FuturesUnordered::new();
        let mut next_ping = 0;
        loop {
            if polls.is_empty() && next_ping > 0 {
                let ping = std::mem::take(&mut next_ping);
                polls.push(self.poll_for_ping().map(move |polled| polled.map(|()| ping)));
            }
            let response = tokio::select! {
                request = requests.next() => {
                    let Some(request) = request else { return Ok(()) };
                    let WatchChangesRequest { ping, applied } = request?;
                    watcher.set_applied(applied);
                    next_ping = next_ping.max(ping);
                    continue;
                }
                Some(ping) = polls.next() => merge_pending(Batch::default(), &mut batches)?.into_response(ping?),
                batch = batches.recv() => match batch {
                    Ok(batch) => merge_pending(Arc::unwrap_or_clone(batch), &mut batches)?.into_response(0),
                    Err(RecvError::Lagged(_)) => return Err(changes_lost()),
                    Err(RecvError::Closed) => return Ok(()),
                },
            };
            if responses.send(Ok(response)).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Publishes all changes that are committed now.
    async fn poll_for_ping(&self) -> Result<(), Status> {
        match timeout(timeouts::CHANGE_POLL, self.poll(Instant::now())).await {
            Ok(polled) => Ok(polled?),
            Err(_) => Err(status::unavailable("the database timed out", timeouts::CHANGE_RECONNECT)),
        }
    }
}

/// Adds the batches that were published in the meantime.
///
/// # Errors
/// When some of them were dropped from the buffer.
fn merge_pending(mut batch: Batch, batches: &mut broadcast::Receiver<Arc<Batch>>) -> Result<Batch, Status> {
    for _ in 0..BUFFERED_BATCHES {
        match batches.try_recv() {
            Ok(later) => batch.merge(&later),
            Err(TryRecvError::Lagged(_)) => return Err(changes_lost()),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    Ok(batch)
}

/// The stream ends, because the watcher has to forget everything in any case.
fn changes_lost() -> Status {
    status::unavailable("the watcher is too slow, changes were lost", timeouts::CHANGE_RECONNECT)
}
