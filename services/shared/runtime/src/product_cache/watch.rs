//! Follows the catalog's stream of changes.

use std::sync::atomic::Ordering;

use bodega_proto::catalog::v1::{
    WatchChangesRequest, WatchChangesResponse, change_service_client::ChangeServiceClient,
};
use futures_util::stream;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::{debug, info, warn};

use super::ProductCache;
use crate::{
    status,
    timeouts::{CHANGE_PING, CHANGE_PONG, CHANGE_RECONNECT, FRESHNESS},
};

/// Requests that wait for a frozen catalog. Further confirmations are left out.
const BUFFERED_REQUESTS: usize = 64;

/// A ping without a pong yet.
struct Ping {
    number: u64,
    sent: Instant,
}

impl<R, P> ProductCache<R, P>
where
    R: Send + Sync + 'static,
    P: Send + Sync + 'static,
{
    /// Follows the stream of changes until the shutdown.
    pub async fn watch(self, shutdown: CancellationToken) {
        let follow = async {
            let mut is_disconnected = false;
            loop {
                let Err(error) = self.follow(&mut is_disconnected).await;
                self.stop_following();
                // Logged once, not at each attempt.
                if std::mem::replace(&mut is_disconnected, true) {
                    debug!("stream of catalog changes is unavailable: {}", error.message());
                } else {
                    warn!(
                        "stream of catalog changes disconnected, reading from the catalog and reconnecting every \
                         {CHANGE_RECONNECT:?}: {}",
                        error.message()
                    );
                }
                sleep(CHANGE_RECONNECT).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = follow => {}
        }
        self.stop_following();
    }

    /// Follows one stream until it fails.
    async fn follow(&self, is_disconnected: &mut bool) -> Result<std::convert::Infallible, Status> {
        let (requests, mut receiver) = mpsc::channel(BUFFERED_REQUESTS);
        let mut client = ChangeServiceClient::new(self.0.transport.clone().streaming());
        let stream = stream::poll_fn(move |context| receiver.poll_recv(context));
        let mut last_ping = Instant::now();
        let mut number = 1;
        let send = |request| requests.try_send(request).is_ok();
        send(WatchChangesRequest { ping: number, applied: 0 });
        let mut pending = Some(Ping { number, sent: last_ping });
        let opened = timeout(CHANGE_PONG, client.watch_changes(stream)).await.map_err(|_| unpong())?;
        let mut responses = opened?.into_inner();
        let mut is_following = false;
        loop {
            tokio::select! {
                response = responses.message() => {
                    let response = response?.ok_or_else(|| Status::unavailable("the stream ended"))?;
                    let confirmed = pending.take_if(|ping| ping.number <= response.pong);
                    let is_first = confirmed.is_some() && !is_following;
                    is_following |= is_first;
                    self.apply(&response, is_first, confirmed.as_ref());
                    if response.sequence > 0 {
                        send(WatchChangesRequest { ping: 0, applied: response.sequence });
                    }
                    if confirmed.is_some() && std::mem::take(is_disconnected) {
                        info!("stream of catalog changes reconnected");
                    }
                }
                () = self.read_since(last_ping), if pending.is_none() => {
                    self.0.was_read.store(false, Ordering::Relaxed);
                    number += 1;
                    last_ping = Instant::now();
                    if send(WatchChangesRequest { ping: number, applied: 0 }) {
                        pending = Some(Ping { number, sent: last_ping });
                    }
                }
                () = sleep_until(last_ping + CHANGE_PONG), if pending.is_some() => {
                    return Err(unpong());
                }
            }
        }
    }

    /// Waits until the cache is read, and the last ping is old enough for another one.
    async fn read_since(&self, last_ping: Instant) {
        sleep_until(last_ping + CHANGE_PING).await;
        while !self.0.was_read.load(Ordering::Relaxed) {
            self.0.read.notified().await;
        }
    }

    fn apply(&self, response: &WatchChangesResponse, is_first: bool, confirmed: Option<&Ping>) {
        let mut state = self.lock();
        if is_first {
            state.start_following();
        }
        state.apply(response);
        if let Some(ping) = confirmed {
            state.set_fresh_until(ping.sent + FRESHNESS);
            drop(state);
            self.0.confirmed.notify_waiters();
        }
    }

    fn stop_following(&self) {
        self.lock().stop_following();
        self.0.confirmed.notify_waiters();
    }
}

fn unpong() -> Status {
    status::unavailable("a pong did not arrive in time", CHANGE_RECONNECT)
}
