//! Telling every gateway which sessions have ended, whichever replica ended them.
//!
//! A trigger announces each end when it is committed. Each process listens once and passes the news on to its watchers.
//! Whenever news may have been missed, watchers are told again of all that matter: those that ended so lately that an
//! access token may outlive them.

use std::{io, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt as _, stream};
use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::{
    sync::broadcast,
    time::{sleep, timeout},
};
use tracing::warn;
use uuid::Uuid;

use crate::{error::Error, store};

/// What the trigger notifies.
const CHANNEL: &str = "identity.session_ended";
/// Sessions that may end before a slow watcher has to be told again of all.
const BACKLOG: usize = 1024;
/// Ends are dated by the start of their transaction, and clocks differ.
const SLACK: Duration = Duration::from_secs(60);
/// How long the database may be silent before it is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(10);
/// How long the database has for an answer. A stream has no deadline of a caller's, and a listener no caller: one that
/// waited for ever would tell nobody anything any more, and nobody that.
const BOUND: Duration = Duration::from_secs(2);
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

#[derive(Clone, Debug)]
enum News {
    Ended(Uuid),
    /// There may have been news that nobody heard.
    Missed,
}

/// The sessions that ended, as they end.
pub(crate) struct Revocations {
    db: PgPool,
    access_ttl: Duration,
    news: broadcast::Sender<News>,
}

impl Revocations {
    /// Knows of none until it listens.
    pub(crate) fn new(db: PgPool, access_ttl: Duration) -> Self {
        Self { db, access_ttl, news: broadcast::Sender::new(BACKLOG) }
    }

    /// First all sessions that ended within the lifetime of an access token, then each as it ends.
    ///
    /// # Errors
    /// When the database does not answer; the stream ends with one, too, when it cannot tell what it missed.
    pub(crate) async fn watch(
        self: Arc<Self>,
    ) -> Result<impl Stream<Item = Result<Vec<Uuid>, Error>> + Send, Error> {
        // Subscribed first: what ends in between is told twice rather than never.
        let news = self.news.subscribe();
        let first = self.recent().await?;
        let rest = stream::unfold((self, news), |(revocations, mut news)| async move {
            let ended = revocations.next(&mut news).await?;
            Some((ended, (revocations, news)))
        });
        Ok(stream::once(std::future::ready(Ok(first))).chain(rest))
    }

    async fn next(&self, news: &mut broadcast::Receiver<News>) -> Option<Result<Vec<Uuid>, Error>> {
        match news.recv().await {
            Ok(News::Ended(id)) => Some(Ok(vec![id])),
            Ok(News::Missed) | Err(broadcast::error::RecvError::Lagged(_)) => Some(self.recent().await),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    async fn recent(&self) -> Result<Vec<Uuid>, Error> {
        Ok(in_time(store::sessions::ended_within(&self.db, self.access_ttl + SLACK)).await?)
    }

    /// Listens for as long as it is polled, on one connection after the other.
    pub(crate) async fn listen(self: Arc<Self>) {
        loop {
            if let Err(cause) = self.listen_on_one_connection().await {
                warn!("not hearing which sessions end: {cause}");
            }
            sleep(RECONNECT_PAUSE).await;
        }
    }

    /// Listens until the connection is lost.
    async fn listen_on_one_connection(&self) -> sqlx::Result<()> {
        // One of its own: it is kept for good, and must not be missing from those that serve calls.
        let connection = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(BOUND)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with((*self.db.connect_options()).clone());
        let mut listener = in_time(PgListener::connect_with(&connection)).await?;
        listener.eager_reconnect(false);
        in_time(listener.listen(CHANNEL)).await?;
        self.tell(News::Missed);
        loop {
            match timeout(SILENCE, listener.try_recv()).await {
                Ok(Ok(Some(notification))) => self.tell(match notification.payload().parse() {
                    Ok(id) => News::Ended(id),
                    Err(_) => News::Missed,
                }),
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(cause)) => return Err(cause),
                // A network that has gone away does not say so.
                Err(_) => in_time(sqlx::query("select 1").execute(&mut listener)).await.map(drop)?,
            }
        }
    }

    fn tell(&self, news: News) {
        // Fails where nobody watches: then nobody misses anything.
        let _ = self.news.send(news);
    }
}

/// What the database answers, or that it does not.
async fn in_time<T>(asked: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(BOUND, asked).await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}
