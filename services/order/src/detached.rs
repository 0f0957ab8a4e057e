//! Work that continues after its call has ended.

use bodega_runtime::{
    context::CallContext,
    timeouts::{CALL, PAYMENT_POLL},
};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::Status;
use tracing::Instrument as _;

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

/// Runs `work` in a task of its own, and returns its result, or `late` if the caller's deadline is near.
///
/// The work continues if the caller disconnects or gets the `late` error: no other process could continue it before its
/// lease ends. The next call for the same order finds its result.
///
/// # Errors
/// Errors of `work`; `late`.
pub(crate) async fn spawn_detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
    late: Error,
) -> Result<T, Status> {
    let deadline = response_deadline();
    let context = CallContext { deadline: Some(deadline), ..CallContext::current() };
    // No work takes longer than a call to the payment provider.
    let task = tokio::spawn(timeout(PAYMENT_POLL, context.scope(work)).in_current_span());
    match timeout_at(deadline, task).await {
        Ok(Ok(Ok(result))) => Ok(result?),
        Ok(Ok(Err(_))) | Err(_) => Err(late.into()),
        Ok(Err(panic)) => Err(bodega_runtime::status::internal(panic)),
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
            let call = context.scope(spawn_detached(work, Error::PaymentPending));
            if client_stays {
                assert_eq!(call.await.unwrap_err().code(), tonic::Code::Unavailable);
            } else {
                timeout(Duration::from_millis(10), call).await.unwrap_err();
            }
            release.send(()).unwrap();
            is_done.await.unwrap();
        }
    }
}
