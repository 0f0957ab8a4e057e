//! Events of orders for other systems.
//!
//! A trigger on the history of orders records them (`migrations/0003_events.sql`). They are published if NATS is configured,
//! and deleted after [`cleanup::RETENTION`] in any case: a store that configures NATS later starts with the events of that time.

mod cleanup;
mod db;
mod payload;

use bodega_events::{Batch, Nats, Outbox};
use bodega_runtime::database::Pool;
use time::OffsetDateTime;
use uuid::Uuid;

pub(crate) use self::cleanup::clean_up;

/// Publishes events until the future is dropped.
pub(crate) async fn publish(db: Pool, nats: Nats) {
    bodega_events::publish("order", nats, OrderEvents { db, holder: Uuid::now_v7() }).await;
}

/// The recorded events.
struct OrderEvents {
    db: Pool,
    /// Identifies this replica.
    holder: Uuid,
}

impl Outbox for OrderEvents {
    /// The positions of the events.
    type Claim = Vec<i64>;

    async fn claim(&self) -> sqlx::Result<Option<Batch<Vec<i64>>>> {
        let rows = db::claim(&self.db, self.holder).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let has_more = rows.len() == db::BATCH;
        let claim = rows.iter().map(|row| row.position).collect();
        let events = rows.into_iter().map(db::Row::into_event).collect();
        Ok(Some(Batch { claim, events, has_more }))
    }

    async fn complete(&self, positions: Vec<i64>, published: &[bool]) -> sqlx::Result<()> {
        let published = positions.iter().zip(published).filter(|(_, published)| **published);
        let published: Vec<_> = published.map(|(position, _)| *position).collect();
        if published.is_empty() {
            return Ok(());
        }
        db::complete(&self.db, &published).await
    }

    async fn oldest(&self) -> sqlx::Result<Option<OffsetDateTime>> {
        db::oldest(&self.db).await
    }
}
