//! Changes of products, for the caches of other services.
//!
//! Triggers and the ledger of stock record each change in the transaction that makes it. [`Changes`] finds committed
//! changes of all replicas by polling, but only when a watcher has sent a ping; this replica's changes of stock are also
//! published in the process, without a query. [`watch`](Changes::watch) serves one watcher.

mod cleanup;
mod db;
mod publish;
mod watch;
mod watchers;

use std::{sync::Arc, time::Duration};

use bodega_runtime::{database::Pool, timeouts};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use tracing::warn;

pub(crate) use self::publish::StockChange;
use self::{
    db::Position,
    publish::{Batch, Publisher},
    watchers::Watchers,
};
use crate::error::Error;

/// If the last poll was longer ago, changes may have been deleted before they were read.
const MAX_POSITION_AGE: Duration = Duration::from_secs(3600);

/// The committed changes of products. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Changes(Arc<Inner>);

struct Inner {
    db: Pool,
    publisher: Publisher,
    watchers: Watchers,
    poll: Mutex<Poll>,
}

/// The state of polling.
#[derive(Default)]
struct Poll {
    /// All changes up to here are published. `None` if changes may have been lost.
    position: Option<Position>,
    /// When the last successful poll was started.
    started: Option<Instant>,
}

impl Changes {
    pub(crate) fn new(db: Pool) -> Self {
        let inner = Inner {
            db,
            publisher: Publisher::default(),
            watchers: Watchers::default(),
            poll: Mutex::default(),
        };
        Self(Arc::new(inner))
    }

    /// Publishes changes of stock that were committed by this process. They are found by the next poll again, so a call
    /// that is missed delays them at most.
    pub(crate) fn publish_stock(&self, changes: &[StockChange]) {
        self.0.publisher.publish(Batch::of_stock(changes));
    }

    /// Publishes the committed changes, and waits until the watchers of this replica have applied them: for a short time,
    /// because a watcher may be frozen. To be called after a write that an admin expects to be visible at once.
    pub(crate) async fn deliver(&self) {
        if self.0.watchers.is_empty() {
            return;
        }
        let applied = async {
            self.poll(Instant::now()).await?;
            self.0.watchers.applied(self.0.publisher.last_sequence()).await;
            Ok::<_, Error>(())
        };
        if let Ok(Err(error)) = timeout(timeouts::CHANGE_CONFIRMATION, applied).await {
            warn!("cannot publish a change at once, watchers find it later: {error}");
        }
    }

    /// Publishes all changes that were committed before `since`. Concurrent calls share a query.
    async fn poll(&self, since: Instant) -> Result<(), Error> {
        let mut poll = self.0.poll.lock().await;
        if poll.started.is_some_and(|started| started >= since) {
            return Ok(());
        }
        let started = Instant::now();
        if poll.started.is_some_and(|last| started - last > MAX_POSITION_AGE) {
            poll.position = None;
        }
        let polled = match &poll.position {
            Some(position) => db::changes_since(&self.0.db, position).await,
            None => db::position(&self.0.db).await.map(|position| (position, Batch::everything())),
        };
        // After a failure, another server may have replaced this one.
        let (position, batch) = polled.inspect_err(|_| poll.position = None)?;
        // Without an await between the publication and the new position.
        self.0.publisher.publish(batch);
        *poll = Poll { position: Some(position), started: Some(started) };
        Ok(())
    }
}
