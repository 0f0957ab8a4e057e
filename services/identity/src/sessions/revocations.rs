//! The stream of revoked sessions: ended sessions whose access tokens may still be valid.
//!
//! A session that this process ends is sent to its watchers at once. Those that other replicas end are found by polling, while
//! there are watchers: a trigger records the transaction that ended a session, and a poll selects the sessions that were
//! not ended in the last snapshot, so that none is missed, whatever the order of commits. When some may have been missed
//! after all, watchers receive all sessions that ended within the lifetime of an access token.

use std::{io, sync::Arc, time::Duration};

use bodega_runtime::{
    database::Pool,
    timeouts::{REVOCATION_POLL, REVOCATION_QUERY},
};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::{
    sync::{Mutex, Notify, broadcast},
    time::{Instant, sleep, timeout},
};
use tracing::{info, warn};
use uuid::Uuid;

use super::db::{self, revocations::Position};
use crate::error::Error;

/// A watcher that lags behind by more events receives all recent sessions again.
const BUFFERED_EVENTS: usize = 1024;
/// `ended_at` is the start of the transaction, and clocks differ.
const ENDED_AT_TOLERANCE: Duration = Duration::from_secs(60);
/// After a longer pause without watchers, polling starts again at the current snapshot.
const MAX_POSITION_AGE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
enum Event {
    Ended(Arc<[Uuid]>),
    /// Ended sessions may have been missed.
    Lost,
}

pub(crate) struct Revocations {
    db: Pool,
    access_ttl: Duration,
    events: broadcast::Sender<Event>,
    /// Notifies the poll that there is a watcher.
    watched: Notify,
    poll: Mutex<Option<Poll>>,
}

/// A successful poll.
struct Poll {
    /// All sessions that ended up to here were sent.
    position: Position,
    at: Instant,
}

impl Revocations {
    pub(crate) fn new(db: Pool, access_ttl: Duration) -> Self {
        let events = broadcast::Sender::new(BUFFERED_EVENTS);
        Self { db, access_ttl, events, watched: Notify::new(), poll: Mutex::default() }
    }

    /// Sends sessions that this process has just ended. The next poll finds them again.
    pub(crate) fn publish(&self, ended: &[Uuid]) {
        if !ended.is_empty() {
            self.send(Event::Ended(ended.into()));
        }
    }

    /// Returns a stream of the sessions that ended within the lifetime of an access token, then of each one that ends.
    ///
    /// # Errors
    /// When the database fails. The stream yields an error when missed sessions cannot be replaced.
    pub(crate) async fn watch(
        self: Arc<Self>,
    ) -> Result<impl Stream<Item = Result<Vec<Uuid>, Error>> + Send, Error> {
        // In this order a session may be sent twice, but never missed: what ends after the poll is found by the next one, and
        // what was published before the subscription is found by the query.
        with_timeout(self.poll()).await?;
        let events = self.events.subscribe();
        self.watched.notify_one();
        let first = self.recently_ended().await?;
        let rest = stream::unfold((self, events), |(revocations, mut events)| async move {
            let ended = revocations.next(&mut events).await?;
            Some((ended, (revocations, events)))
        });
        Ok(stream::once(std::future::ready(Ok(first))).chain(rest))
    }

    async fn next(&self, events: &mut broadcast::Receiver<Event>) -> Option<Result<Vec<Uuid>, Error>> {
        match events.recv().await {
            Ok(Event::Ended(ids)) => Some(Ok(ids.to_vec())),
            Ok(Event::Lost) | Err(broadcast::error::RecvError::Lagged(_)) => {
                Some(self.recently_ended().await)
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    async fn recently_ended(&self) -> Result<Vec<Uuid>, Error> {
        let ended_within = self.access_ttl + ENDED_AT_TOLERANCE;
        Ok(with_timeout(db::sessions::list_ended(&self.db, ended_within)).await?)
    }

    /// Polls for the sessions that other replicas end while there are watchers, until the future is dropped.
    pub(crate) async fn follow_replicas(self: Arc<Self>) {
        let mut has_failed = false;
        loop {
            if self.events.receiver_count() == 0 {
                self.watched.notified().await;
                continue;
            }
            sleep(REVOCATION_POLL).await;
            match with_timeout(self.poll()).await {
                Ok(()) if std::mem::take(&mut has_failed) => info!("ended sessions are polled again"),
                Ok(()) => {}
                // Logged once, not at each attempt.
                Err(_) if has_failed => {}
                Err(error) => {
                    has_failed = true;
                    warn!("cannot poll for ended sessions, retrying every {REVOCATION_POLL:?}: {error}");
                }
            }
        }
    }

    /// Sends the sessions that ended since the last poll.
    async fn poll(&self) -> sqlx::Result<()> {
        let mut poll = self.poll.lock().await;
        // Kept if this future is dropped: the next poll finds the same sessions again.
        let last = poll.as_ref().filter(|poll| poll.at.elapsed() < MAX_POSITION_AGE);
        let at = Instant::now();
        let (position, event) = match last {
            Some(last) => match db::revocations::ended_since(&self.db, &last.position).await? {
                (position, ended) if position.is_on_same_server(&last.position) => {
                    (position, (!ended.is_empty()).then(|| Event::Ended(ended.into())))
                }
                (position, _) => (position, Some(Event::Lost)),
            },
            None => (db::revocations::position(&self.db).await?, Some(Event::Lost)),
        };
        // Without an await between the event and the new position.
        if let Some(event) = event {
            self.send(event);
        }
        *poll = Some(Poll { position, at });
        Ok(())
    }

    fn send(&self, event: Event) {
        // An error means that there are no watchers.
        let _ = self.events.send(event);
    }
}

/// Limits the time of a query: unlike calls, streams and polls have no deadline.
async fn with_timeout<T>(query: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let timed_out = || io::Error::from(io::ErrorKind::TimedOut).into();
    timeout(REVOCATION_QUERY, query).await.unwrap_or_else(|_| Err(timed_out()))
}
