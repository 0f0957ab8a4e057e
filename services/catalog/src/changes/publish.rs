//! Publication of changes to the watchers of this replica.

use std::sync::{Arc, Mutex, PoisonError};

use bodega_proto::catalog::v1::{ProductChange, WatchChangesResponse};
use tokio::sync::broadcast;

/// A watcher that lags behind by more batches has to forget everything.
pub(super) const BUFFERED_BATCHES: usize = 1_024;

/// A change of a product's stock by a committed transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StockChange {
    pub(crate) product_id: i32,
    /// The version after the change.
    pub(crate) version: i64,
    pub(crate) details_version: i64,
    /// The stock after the change.
    pub(crate) stock: i32,
    /// The difference to the stock before the transaction.
    pub(crate) delta: i32,
    /// Whether it is the only variant of its product, so that this is the version and the stock of the product.
    pub(crate) is_only_variant: bool,
}

/// Changes that are published together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Batch {
    pub(super) products: Vec<ProductChange>,
    pub(super) lists_changed: bool,
    pub(super) availability_changed: bool,
    pub(super) everything_changed: bool,
    /// Assigned by the publisher.
    pub(super) sequence: u64,
}

impl Batch {
    pub(super) fn everything() -> Self {
        Self { everything_changed: true, ..Self::default() }
    }

    /// Leaves changes of products with several variants to the next poll: their versions and stock are sums over rows that the
    /// transaction has not read.
    pub(super) fn of_stock(changes: &[StockChange]) -> Self {
        let changes: Vec<_> = changes.iter().filter(|change| change.is_only_variant).collect();
        let products = changes.iter().map(|change| ProductChange {
            product_id: change.product_id,
            version: change.version,
            details_version: change.details_version,
            stock: change.stock,
        });
        // In stock before, or after, but not both.
        let crossed = |change: &&StockChange| (change.stock == 0) != (change.stock == change.delta);
        Self {
            products: products.collect(),
            availability_changed: changes.iter().any(crossed),
            ..Self::default()
        }
    }

    fn is_empty(&self) -> bool {
        let Self { products, lists_changed, availability_changed, everything_changed, sequence: _ } = self;
        products.is_empty() && !lists_changed && !availability_changed && !everything_changed
    }

    /// Adds a later batch.
    pub(super) fn merge(&mut self, later: &Self) {
        self.products.extend_from_slice(&later.products);
        self.lists_changed |= later.lists_changed;
        self.availability_changed |= later.availability_changed;
        self.everything_changed |= later.everything_changed;
        self.sequence = later.sequence;
    }

    /// Returns the response that sends this batch, with the number of a ping, or 0.
    pub(super) fn into_response(self, pong: u64) -> WatchChangesResponse {
        WatchChangesResponse {
            products: self.products,
            lists_changed: self.lists_changed,
            availability_changed: self.availability_changed,
            everything_changed: self.everything_changed,
            pong,
            sequence: self.sequence,
        }
    }
}

/// Sends batches to the watchers, in one order for all.
pub(super) struct Publisher {
    batches: broadcast::Sender<Arc<Batch>>,
    last_sequence: Mutex<u64>,
}

impl Default for Publisher {
    fn default() -> Self {
        Self { batches: broadcast::Sender::new(BUFFERED_BATCHES), last_sequence: Mutex::default() }
    }
}

impl Publisher {
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<Batch>> {
        self.batches.subscribe()
    }

    /// Sends a batch, unless it is empty or there are no watchers.
    pub(super) fn publish(&self, mut batch: Batch) {
        if batch.is_empty() || self.batches.receiver_count() == 0 {
            return;
        }
        let mut last = self.last_sequence.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        batch.sequence = *last;
        // An error means that the last watcher has just left.
        let _ = self.batches.send(Arc::new(batch));
    }

    /// Returns the sequence number of the last batch.
    pub(super) fn last_sequence(&self) -> u64 {
        *self.last_sequence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(stock: i32, delta: i32) -> StockChange {
        StockChange { product_id: 1, version: 2, details_version: 1, stock, delta, is_only_variant: true }
    }

    #[test]
    fn availability_changes_when_the_stock_reaches_or_leaves_zero() {
        for (stock, delta, crossed) in [(0, -3, true), (3, 3, true), (1, -3, false), (4, 3, false)] {
            assert_eq!(Batch::of_stock(&[change(stock, delta)]).availability_changed, crossed, "{stock}");
        }
    }

    #[test]
    fn changes_of_one_of_several_variants_are_left_to_the_poll() {
        let change = StockChange { is_only_variant: false, ..change(0, -3) };
        assert_eq!(Batch::of_stock(&[change]), Batch::default());
    }

    #[test]
    fn a_merged_batch_has_the_changes_of_both_in_order() {
        let mut batch = Batch::of_stock(&[change(5, -1)]);
        batch.merge(&Batch { lists_changed: true, sequence: 7, ..Batch::of_stock(&[change(4, -1)]) });
        let response = batch.into_response(3);
        let stocks: Vec<_> = response.products.iter().map(|product| product.stock).collect();
        assert_eq!((stocks, response.lists_changed), (vec![5, 4], true));
        assert_eq!((response.sequence, response.pong), (7, 3));
    }
}
