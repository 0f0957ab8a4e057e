//! Injected faults of the fake upstreams.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
    time::{Duration, Instant},
};

use bodega_runtime::status;
use tonic::{Code, Status};

/// The fault of one call.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The call does not arrive.
    Down,
    /// The call has its effect, but the response is lost.
    ResponseLost,
    /// The call fails at once and has its effect after this time.
    Late(Duration),
    /// The call has its effect after this time, followed by the response.
    Slow(Duration),
    /// The call has its effect at once, and the response follows after this time.
    SlowResponse(Duration),
    /// The call is rejected with this code, without effect.
    Rejected(Code),
}

/// The faults of an upstream's next calls, by RPC.
#[derive(Default)]
pub(crate) struct Faults {
    next: Mutex<HashMap<&'static str, VecDeque<Fault>>>,
    always: Mutex<HashMap<&'static str, Fault>>,
}

impl Faults {
    /// Injects `fault` into the next call of `rpc` that has no fault yet.
    pub(crate) fn once(&self, rpc: &'static str, fault: Fault) {
        self.next.lock().unwrap().entry(rpc).or_default().push_back(fault);
    }

    /// Injects `fault` into all calls of `rpc`, until the faults are cleared.
    pub(crate) fn always(&self, rpc: &'static str, fault: Fault) {
        self.always.lock().unwrap().insert(rpc, fault);
    }

    /// Removes all faults.
    pub(crate) fn clear(&self) {
        self.next.lock().unwrap().clear();
        self.always.lock().unwrap().clear();
    }

    /// Waits up to a minute until all faults from [`Faults::once`] for `rpc` have occurred.
    pub(crate) async fn all_triggered(&self, rpc: &'static str) {
        let started = Instant::now();
        while self.next.lock().unwrap().get(rpc).is_some_and(|next| !next.is_empty()) {
            assert!(started.elapsed() < Duration::from_secs(60), "no call of {rpc}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn next_fault(&self, rpc: &'static str) -> Option<Fault> {
        let next = self.next.lock().unwrap().get_mut(rpc).and_then(VecDeque::pop_front);
        next.or_else(|| self.always.lock().unwrap().get(rpc).cloned())
    }

    /// Runs `effect` with the next fault of `rpc`.
    pub(crate) async fn apply_next<T: Send + 'static>(
        &self,
        rpc: &'static str,
        effect: impl FnOnce() -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        match self.next_fault(rpc) {
            None => {
                // A call over a network never completes at once.
                tokio::task::yield_now().await;
                let result = effect();
                tokio::task::yield_now().await;
                result
            }
            Some(Fault::Down) => Err(unavailable()),
            Some(Fault::ResponseLost) => {
                let _ = effect();
                Err(unavailable())
            }
            Some(Fault::Late(delay)) => {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let _ = effect();
                });
                Err(unavailable())
            }
            Some(Fault::Slow(delay)) => {
                tokio::time::sleep(delay).await;
                effect()
            }
            Some(Fault::SlowResponse(delay)) => {
                let result = effect();
                tokio::time::sleep(delay).await;
                result
            }
            Some(Fault::Rejected(code)) => Err(Status::new(code, "rejected")),
        }
    }
}

fn unavailable() -> Status {
    status::unavailable("upstream is unavailable", Duration::from_secs(1))
}
