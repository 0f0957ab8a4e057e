//! Work that continues after its call has ended.

use std::{num::NonZero, thread::available_parallelism};

use bodega_runtime::{
    context::CallContext,
    fair_semaphore::{Client, FairSemaphore},
    timeouts::{CALL, PAYMENT_POLL},
};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::Status;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::error::Error;

/// Returns the deadline of the call that this task serves.
pub(crate) fn call_deadline() -> Instant {
    CallContext::current().deadline.unwrap_or_else(|| Instant::now() + CALL)
}

/// Returns the time by which the current call must have its response, so that it arrives before the caller's deadline.
fn response_deadline() -> Instant {
    let now = Instant::now();
    let left = CallContext::current().deadline.map(|deadline| deadline.saturating_duration_since(now));
    now + left.map_or(CALL, |left| left.mul_f64(0.9))
}

/// The work of one kind. The limits apply to the work, not to its calls: clients may disconnect early, and start more. Users
/// share the permits fairly. Cheap to clone; clones share the limits.
#[derive(Clone)]
pub(crate) struct DetachedWork {
    permits: FairSemaphore,
}

/// Waiting calls of one kind.
const MAX_WAITING: usize = 4096;

impl DetachedWork {
    /// As much work at a time as the gateway allows requests, by default.
    pub(crate) fn new() -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let permits = u32::try_from(cores).unwrap_or(u32::MAX).saturating_mul(64);
        Self { permits: FairSemaphore::new(permits, MAX_WAITING, usize::MAX) }
    }

    /// Runs `work` for a user, or a guest if `None`, in a task of its own, and returns its result, or `late` if the caller's deadline is near.
    ///
    /// The work continues if the caller disconnects or gets the `late` error: no other process could continue it before its
    /// lease ends. The next call for the same order finds its result.
    ///
    /// # Errors
    /// Errors of `work`; `late`.
    pub(crate) async fn spawn<T: Send + 'static>(
        &self,
        user_id: Option<Uuid>,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
        late: Error,
    ) -> Result<T, Status> {
        let deadline = response_deadline();
        let client = Client { account: user_id, ..Client::current() };
        let Ok(Some(permit)) = timeout_at(deadline, self.permits.acquire(client)).await else {
            return Err(late.into());
        };
        let context = CallContext { deadline: Some(deadline), ..CallContext::current() };
        let work = async move {
            // No work takes longer than a call to the payment provider.
            let result = timeout(PAYMENT_POLL, context.scope(work)).await;
            drop(permit);
            result
        };
        match timeout_at(deadline, tokio::spawn(work.in_current_span())).await {
            Ok(Ok(Ok(result))) => Ok(result?),
            Ok(Ok(Err(_))) | Err(_) => Err(late.into()),
            Ok(Err(panic)) => Err(bodega_runtime::status::internal(panic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_response_deadline_is_shortly_before_the_callers_deadline() {
        let now = Instant::now();
        assert!(response_deadline() <= now + Duration::from_millis(1_900), "without a deadline");
        let deadline = now + Duration::from_secs(1);
        let context = CallContext { deadline: Some(deadline), ..CallContext::default() };
        let response_deadline = context.scope(async { response_deadline() }).await;
        assert!((now..deadline).contains(&response_deadline));
        assert!(response_deadline > now + Duration::from_millis(500), "not long before");
        let expired = CallContext { deadline: Some(now), ..CallContext::default() };
        assert!(expired.scope(async { super::response_deadline() }).await <= Instant::now());
    }

    #[tokio::test]
    async fn work_continues_after_the_response_and_after_a_disconnect() {
        for client_stays in [true, false] {
            let (done, is_done) = tokio::sync::oneshot::channel();
            let (release, released) = tokio::sync::oneshot::channel();
            let work = async move {
                released.await.unwrap();
                done.send(()).unwrap();
                Ok(())
            };
            let deadline = Some(Instant::now() + Duration::from_millis(50));
            let context = CallContext { deadline, ..CallContext::default() };
            let detached = DetachedWork::new();
            let call = context.scope(detached.spawn(Some(Uuid::nil()), work, Error::PaymentPending));
            if client_stays {
                assert_eq!(call.await.unwrap_err().code(), tonic::Code::Unavailable);
            } else {
                timeout(Duration::from_millis(10), call).await.unwrap_err();
            }
            release.send(()).unwrap();
            is_done.await.unwrap();
        }
    }

    /// Starts work that ends when the result is dropped, for a call that gives up at once.
    async fn start(detached: &DetachedWork, user_id: Uuid) -> tokio::sync::oneshot::Sender<()> {
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let work = async move {
            let _ = ended.await;
            Ok(())
        };
        let call = detached.spawn(Some(user_id), work, Error::StillPlacing);
        timeout(Duration::from_millis(10), call).await.unwrap_err();
        end
    }

    /// Waits until this much work is in progress.
    async fn in_use(detached: &DetachedWork, expected: u32) {
        let waiting = async {
            while detached.permits.in_use() != expected {
                tokio::task::yield_now().await;
            }
        };
        let ended = timeout(Duration::from_secs(5), waiting).await;
        ended.unwrap_or_else(|_| panic!("{} of {expected}", detached.permits.in_use()));
    }

    #[tokio::test]
    async fn work_keeps_its_permit_after_its_call_has_ended() {
        let detached = DetachedWork::new();
        let work = [start(&detached, Uuid::from_u128(1)).await, start(&detached, Uuid::from_u128(1)).await];
        in_use(&detached, 2).await;
        drop(work);
        in_use(&detached, 0).await;
    }
}
