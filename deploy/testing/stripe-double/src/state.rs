//! The state that the server, the API, the webhooks and the handles share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
};
use tokio_util::sync::CancellationToken;

use crate::{
    call::Call, endpoint::Endpoint, faults::Faults, idempotency::IdempotencyKeys, ledger::Ledger,
    options::Options,
};

/// Shared by all handles and tasks of one double.
pub(crate) struct Shared {
    pub(crate) options: Options,
    /// The base URL of the API, without `/v1`.
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    pub(crate) runtime: Handle,
    /// Cancelled when the last handle is dropped.
    pub(crate) stop: CancellationToken,
    /// The number of deliveries that are in progress or waiting.
    pub(crate) pending_deliveries: watch::Sender<usize>,
    /// Limits concurrent deliveries.
    pub(crate) delivery_permits: Semaphore,
    pub(crate) state: Mutex<State>,
}

/// Everything that requests change.
pub(crate) struct State {
    pub(crate) ledger: Ledger,
    pub(crate) idempotency_keys: IdempotencyKeys,
    pub(crate) faults: Faults,
    pub(crate) calls: Vec<Call>,
    pub(crate) events: Vec<Value>,
    pub(crate) endpoint: Endpoint,
}

impl Shared {
    /// Locks the state. No update under this lock is partial, so a poisoned lock is usable.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a task until it completes or the double is stopped.
    pub(crate) fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<Option<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.runtime.spawn(self.stop.clone().run_until_cancelled_owned(task))
    }
}
