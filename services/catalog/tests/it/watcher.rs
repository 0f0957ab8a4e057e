//! A watcher of changes.

use std::{collections::HashMap, time::Duration};

use bodega_proto::catalog::v1::{WatchChangesRequest, WatchChangesResponse};
use futures_util::stream;
use tokio::sync::mpsc;
use tonic::Streaming;

use crate::test_app::TestApp;

/// A watcher that collects what it receives.
pub(crate) struct Watcher {
    pub(crate) requests: mpsc::UnboundedSender<WatchChangesRequest>,
    pub(crate) responses: Streaming<WatchChangesResponse>,
    last_ping: u64,
}

/// The changes that arrived before a pong.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Version, version of the details and stock by product id.
    pub(crate) products: HashMap<i32, (i64, i64, i32)>,
    pub(crate) lists_changed: bool,
    pub(crate) availability_changed: bool,
    pub(crate) everything_changed: bool,
}

impl Watcher {
    /// Starts to watch. The response to the first ping is left out.
    pub(crate) async fn start(app: &TestApp) -> Self {
        let (requests, mut receiver) = mpsc::unbounded_channel();
        let receiver = stream::poll_fn(move |context| receiver.poll_recv(context));
        let responses = app.change_service().watch_changes(receiver).await.unwrap().into_inner();
        let mut watcher = Self { requests, responses, last_ping: 0 };
        watcher.ping().await;
        watcher
    }

    /// Sends a ping, and returns what arrives up to its pong.
    pub(crate) async fn ping(&mut self) -> Received {
        self.last_ping += 1;
        self.send(self.last_ping, 0);
        let mut received = Received::default();
        loop {
            let response = self.next().await;
            received.add(&response);
            if response.pong == self.last_ping {
                return received;
            }
        }
    }

    /// Returns the next response, and does not confirm it.
    pub(crate) async fn next(&mut self) -> WatchChangesResponse {
        let response = tokio::time::timeout(Duration::from_secs(30), self.responses.message());
        response.await.expect("a response in time").unwrap().unwrap()
    }

    pub(crate) fn send(&self, ping: u64, applied: u64) {
        self.requests.send(WatchChangesRequest { ping, applied }).unwrap();
    }
}

impl Received {
    fn add(&mut self, response: &WatchChangesResponse) {
        for change in &response.products {
            let state = (change.version, change.details_version, change.stock);
            let known = self.products.entry(change.product_id).or_insert(state);
            *known = state.max(*known);
        }
        self.lists_changed |= response.lists_changed;
        self.availability_changed |= response.availability_changed;
        self.everything_changed |= response.everything_changed;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.products.is_empty()
            && !self.lists_changed
            && !self.availability_changed
            && !self.everything_changed
    }
}
