//! Events of products for other systems: `product.changed`, with the state of the product.
//!
//! The events follow the record of changes in `catalog.changes`, `catalog.stock_movements` and the products themselves, which
//! changes write in any case. The publisher processes one window after the other: the changes between two snapshots, in the
//! order of the products' ids. A window that is too large, or whose changes are deleted already, becomes one of all
//! products; and so does the first one.

mod db;
mod payload;

use bodega_events::{Batch, Event, Nats, Outbox};
use bodega_runtime::database::Pool;
use time::OffsetDateTime;
use uuid::Uuid;

use self::db::{Chunk, Poll, Window};
use crate::products::product::Product;

/// Publishes events until the future is dropped.
pub(crate) async fn publish(db: Pool, nats: Nats) {
    bodega_events::publish("catalog", nats, ProductEvents { db, holder: Uuid::now_v7() }).await;
}

struct ProductEvents {
    db: Pool,
    /// Identifies this replica.
    holder: Uuid,
}

impl Outbox for ProductEvents {
    type Claim = Chunk;

    async fn claim(&self) -> sqlx::Result<Option<Batch<Chunk>>> {
        let poll = db::poll(&self.db, self.holder).await?;
        let Some(window) = next_window(&poll) else { return Ok(None) };
        if !db::open(&self.db, self.holder, &poll, &window).await? {
            return Ok(None); // another replica was faster
        }
        let products = match &window.published {
            Some(published) => db::changed_products(&self.db, published, &window).await?,
            None => db::all_products(&self.db, window.after_id).await?,
        };
        let is_last = products.len() < db::BATCH;
        let ids = products.iter().map(|product| product.id).collect();
        let events = products.into_iter().map(event).collect();
        Ok(Some(Batch { claim: Chunk { window, ids, is_last }, events, has_more: !is_last }))
    }

    async fn complete(&self, chunk: Chunk, published: &[bool]) -> sqlx::Result<()> {
        let done = published.iter().take_while(|published| **published).count();
        let after_id = done.checked_sub(1).and_then(|last| chunk.ids.get(last)).copied();
        let is_complete = chunk.is_last && done == chunk.ids.len();
        if after_id.is_none() && !is_complete {
            return Ok(());
        }
        let after_id = after_id.unwrap_or(chunk.window.after_id);
        db::advance(&self.db, self.holder, &chunk.window, after_id, is_complete).await
    }

    async fn oldest(&self) -> sqlx::Result<Option<OffsetDateTime>> {
        db::oldest(&self.db).await
    }
}

/// Returns the window to process, or `None` if there is nothing to publish or another replica does.
fn next_window(poll: &Poll) -> Option<Window> {
    if !poll.is_free {
        return None;
    }
    let is_everything = poll.published.is_none();
    if let Some(pending) = poll.pending.clone()
        && (is_everything || !poll.is_outdated)
    {
        return Some(Window { published: poll.published.clone(), pending, after_id: poll.after_id });
    }
    let needs_everything = is_everything || poll.is_outdated || poll.is_too_large();
    if !needs_everything && poll.changes == 0 && !poll.is_old {
        return None;
    }
    let published = poll.published.clone().filter(|_| !needs_everything);
    Some(Window { published, pending: poll.snapshot.clone(), after_id: 0 })
}

/// Returns the event with the state of a product. The version of a product grows with each change.
fn event(product: Product) -> Event {
    Event {
        id: format!("{}-{}", product.id, product.version),
        source: "catalog",
        kind: "product.changed",
        version: 1,
        aggregate: product.id.to_string(),
        sequence: product.version,
        time: OffsetDateTime::now_utc(),
        traceparent: None,
        data: payload::data(product),
    }
}
