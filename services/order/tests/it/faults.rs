//! The ways in which a neighbour can fail a call.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
    time::Duration,
};

use bodega_runtime::status;
use tonic::{Code, Status};

/// What becomes of one call.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing arrives.
    Down,
    /// It has its effect, and nobody hears of it.
    ReplyLost,
    /// It has its effect after this time, long after the caller was told that it failed.
    Late(Duration),
    /// It takes this long.
    Slow(Duration),
    /// It has its effect at once, and is answered after this time.
    SlowReply(Duration),
    /// It is refused with this code, without effect.
    Refused(Code),
}

/// What the calls of a neighbour will meet, by RPC.
#[derive(Default)]
pub(crate) struct Faults {
    next: Mutex<HashMap<&'static str, VecDeque<Fault>>>,
    always: Mutex<HashMap<&'static str, Fault>>,
}

impl Faults {
    /// The next call of `rpc` that meets none yet meets `fault`.
    pub(crate) fn once(&self, rpc: &'static str, fault: Fault) {
        self.next.lock().unwrap().entry(rpc).or_default().push_back(fault);
    }

    /// All calls of `rpc` meet `fault`, until it is mended.
    pub(crate) fn always(&self, rpc: &'static str, fault: Fault) {
        self.always.lock().unwrap().insert(rpc, fault);
    }

    /// No call meets anything any more.
    pub(crate) fn mend(&self) {
        self.next.lock().unwrap().clear();
        self.always.lock().unwrap().clear();
    }

    /// Waits until every fault that was to be met once by `rpc` was.
    pub(crate) async fn all_met(&self, rpc: &'static str) {
        while self.next.lock().unwrap().get(rpc).is_some_and(|next| !next.is_empty()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn meet(&self, rpc: &'static str) -> Option<Fault> {
        let next = self.next.lock().unwrap().get_mut(rpc).and_then(VecDeque::pop_front);
        next.or_else(|| self.always.lock().unwrap().get(rpc).cloned())
    }

    /// Lets `effect` happen as the fault that the call meets has it.
    pub(crate) async fn around<T: Send + 'static>(
        &self,
        rpc: &'static str,
        effect: impl FnOnce() -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        match self.meet(rpc) {
            None => {
                // A call over a network is never answered at once.
                tokio::task::yield_now().await;
                let answer = effect();
                tokio::task::yield_now().await;
                answer
            }
            Some(Fault::Down) => Err(unavailable()),
            Some(Fault::ReplyLost) => {
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
            Some(Fault::SlowReply(delay)) => {
                let answer = effect();
                tokio::time::sleep(delay).await;
                answer
            }
            Some(Fault::Refused(code)) => Err(Status::new(code, "refused")),
        }
    }
}

fn unavailable() -> Status {
    status::unavailable("a service is unavailable", Duration::from_secs(1))
}
