//! The stream of revoked sessions: ended sessions whose access tokens may still be valid.
//!
//! A trigger notifies of each ended session when its transaction commits. Each process listens on one connection and
//! forwards the notifications to its watchers. When notifications may have been lost, watchers receive all sessions
//! that ended within the lifetime of an access token.

use std::{io, sync::Arc, time::Duration};

use bodega_runtime::{database::Pool, timeouts::REVOCATION_QUERY};
use futures_util::{Stream, StreamExt as _, stream};
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::{
    sync::broadcast,
    time::{sleep, timeout},
};
use tracing::warn;
use uuid::Uuid;

use super::db;
use crate::error::Error;

/// The channel that the trigger notifies.
const CHANNEL: &str = "identity.session_ended";
/// A watcher that lags behind by more events receives all recent sessions again.
const BUFFERED_EVENTS: usize = 1024;
/// `ended_at` is the start of the transaction, and clocks differ.
const ENDED_AT_TOLERANCE: Duration = Duration::from_secs(60);
/// Interval without notifications after which the connection is checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// Constant, because a revocation has to arrive within a second after the database is available again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

#[derive(Clone, Debug)]
enum Event {
    Ended(Uuid),
    /// Notifications may have been lost.
    Lost,
}

pub(crate) struct Revocations {
    db: Pool,
    access_ttl: Duration,
    events: broadcast::Sender<Event>,
}

impl Revocations {
    pub(crate) fn new(db: Pool, access_ttl: Duration) -> Self {
        Self { db, access_ttl, events: broadcast::Sender::new(BUFFERED_EVENTS) }
    }

    /// Returns a stream of the sessions that ended within the lifetime of an access token, then of each one that ends.
    ///
    /// # Errors
    /// When the database fails. The stream yields an error when lost notifications cannot be replaced.
    pub(crate) async fn watch(
        self: Arc<Self>,
    ) -> Result<impl Stream<Item = Result<Vec<Uuid>, Error>> + Send, Error> {
        // Subscribes before the query: a session that ends in between is sent twice rather than never.
        let events = self.events.subscribe();
        let first = self.recently_ended().await?;
        let rest = stream::unfold((self, events), |(revocations, mut events)| async move {
            let ended = revocations.next(&mut events).await?;
            Some((ended, (revocations, events)))
        });
        Ok(stream::once(std::future::ready(Ok(first))).chain(rest))
    }

    async fn next(&self, events: &mut broadcast::Receiver<Event>) -> Option<Result<Vec<Uuid>, Error>> {
        match events.recv().await {
            Ok(Event::Ended(id)) => Some(Ok(vec![id])),
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

    /// Listens for notifications until the future is dropped, and reconnects when the connection is lost.
    pub(crate) async fn listen(self: Arc<Self>) {
        loop {
            if let Err(error) = self.listen_on_one_connection().await {
                warn!(
                    "connection that listens for ended sessions lost, reconnecting in {RECONNECT_PAUSE:?}: {error}"
                );
            }
            sleep(RECONNECT_PAUSE).await;
        }
    }

    async fn listen_on_one_connection(&self) -> sqlx::Result<()> {
        // A separate connection: it is held permanently and must not reduce the number that calls can use.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(REVOCATION_QUERY)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(self.db.connect_options().clone());
        let mut listener = with_timeout(PgListener::connect_with(&pool)).await?;
        listener.eager_reconnect(false);
        with_timeout(listener.listen(CHANNEL)).await?;
        self.send(Event::Lost);
        loop {
            match timeout(CHECK_INTERVAL, listener.try_recv()).await {
                Ok(Ok(Some(notification))) => self.send(match notification.payload().parse() {
                    Ok(id) => Event::Ended(id),
                    Err(_) => Event::Lost,
                }),
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                // A broken network does not close the connection.
                Err(_) => with_timeout(sqlx::query("select 1").execute(&mut listener)).await.map(drop)?,
            }
        }
    }

    fn send(&self, event: Event) {
        // An error means that there are no watchers.
        let _ = self.events.send(event);
    }
}

/// Limits the time of a query: unlike calls, streams and listeners have no deadline.
async fn with_timeout<T>(query: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let timed_out = || io::Error::from(io::ErrorKind::TimedOut).into();
    timeout(REVOCATION_QUERY, query).await.unwrap_or_else(|_| Err(timed_out()))
}
