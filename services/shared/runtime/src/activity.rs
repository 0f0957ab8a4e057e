//! Whether a service is in use. Workers of an idle service poll less often.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Notify;

/// The activity of a service: its calls, and the work that its workers find. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<State>);

#[derive(Debug, Default)]
struct State {
    count: AtomicU64,
    waiting: Notify,
}

tokio::task_local! {
    static CURRENT: Activity;
}

impl Activity {
    /// Returns the activity of the service whose task this is, or a new one outside of any service.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs a task of the service.
    pub(crate) async fn scope<F: Future>(self, task: F) -> F::Output {
        CURRENT.scope(self, task).await
    }

    /// Notifies the workers: there may be work soon.
    pub(crate) fn notify(&self) {
        self.0.count.fetch_add(1, Ordering::Release);
        self.0.waiting.notify_waiters();
    }

    /// Returns the number of notifications so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.count.load(Ordering::Acquire)
    }

    /// Waits until there are more than `seen` notifications.
    pub(crate) async fn exceeds(&self, seen: u64) {
        let notified = self.0.waiting.notified();
        if self.count() == seen {
            notified.await;
        }
    }
}
