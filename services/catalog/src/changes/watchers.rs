//! The watchers of this replica, and what they have applied.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// The last sequence number that each watcher has applied.
#[derive(Default)]
pub(super) struct Watchers {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    last_id: u64,
    applied: HashMap<u64, u64>,
}

/// A connected watcher, until it is dropped.
pub(super) struct Watcher<'a> {
    watchers: &'a Watchers,
    id: u64,
}

impl Watchers {
    pub(super) fn is_empty(&self) -> bool {
        self.lock().applied.is_empty()
    }

    /// Adds a watcher that needs no change up to this sequence number.
    pub(super) fn add(&self, applied: u64) -> Watcher<'_> {
        let mut state = self.lock();
        state.last_id += 1;
        let id = state.last_id;
        state.applied.insert(id, applied);
        Watcher { watchers: self, id }
    }

    /// Waits until all watchers have applied this sequence number, or are gone.
    pub(super) async fn applied(&self, sequence: u64) {
        loop {
            // Enabled before the check: a change in between must not be missed.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.lock().applied.values().all(|applied| *applied >= sequence) {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher<'_> {
    /// Records what the watcher has applied.
    pub(super) fn set_applied(&self, sequence: u64) {
        if let Some(applied) = self.watchers.lock().applied.get_mut(&self.id) {
            *applied = (*applied).max(sequence);
        }
        self.watchers.changed.notify_waiters();
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        self.watchers.lock().applied.remove(&self.id);
        self.watchers.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn waits_for_every_connected_watcher() {
        let watchers = Watchers::default();
        let (one, other) = (watchers.add(0), watchers.add(0));
        let mut applied = Box::pin(watchers.applied(2));
        assert!(applied.as_mut().now_or_never().is_none());
        one.set_applied(3);
        assert!(applied.as_mut().now_or_never().is_none());
        drop(other);
        assert!(applied.as_mut().now_or_never().is_some());
    }
}
