//! How long everything may take here, and who gives up first.
//!
//! A caller is answered within two seconds, whatever hangs; what was begun for it goes on for a while, in a task of its
//! own. Whoever works on something that others would take over has a lease for it, and stops before that ends: so what
//! hangs on a neighbour or a silent database costs time, and not for long. Nothing else depends on a lease. A process that
//! was frozen may go on after any of them: what it writes then is compared with what others have made of it.

use std::time::Duration;

use bodega_runtime::context::CallContext;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::Status;
use tracing::Instrument as _;

use crate::error::Error;

/// How long a caller is kept waiting who did not say how long it waits.
const ANSWER: Duration = Duration::from_millis(1_700);
/// What was begun for a caller goes on for so long, counted from its beginning: for a payment, until its provider has
/// answered.
const TASK: Duration = LOOK;

/// How long a neighbour is waited for: short of the caller's patience, to answer it and to leave the work to others.
pub(crate) const CALL: Duration = Duration::from_millis(1_500);
/// How long a caller is kept waiting for what could be done without it.
pub(crate) const INLINE: Duration = Duration::from_millis(800);
/// How long the loops leave what was just written to whoever wrote it, and may be doing it.
pub(crate) const INLINE_GRACE: Duration = Duration::from_secs(1);

/// How long a piece of work may take: to call a neighbour, and to write down what it said.
pub(crate) const WORK: Duration = Duration::from_millis(2_500);
/// How long nobody else begins the same; somebody else goes on soon after whoever worked on it is gone.
pub(crate) const LEASE: Duration = Duration::from_millis(3_500);

/// How long a payment provider is waited for. It is further away than a neighbour, and nobody waits that long with us.
pub(crate) const PROVIDER: Duration = Duration::from_millis(3_500);
/// How long a look at a payment may take: to ask its provider, and to write down what it said.
pub(crate) const LOOK: Duration = Duration::from_millis(4_500);
/// How long nobody else looks at the same.
pub(crate) const LOOK_LEASE: Duration = Duration::from_secs(5);

/// How often to look for what was left behind.
pub(crate) const INTERVAL: Duration = Duration::from_millis(500);
/// How many pieces of work are leased and worked on at once by one loop: no lease runs while its work waits for others.
pub(crate) const AT_ONCE: usize = 16;

const fn is_shorter(one: Duration, other: Duration) -> bool {
    one.as_millis() < other.as_millis()
}

const _: () = {
    assert!(is_shorter(CALL, ANSWER) && is_shorter(CALL, WORK) && is_shorter(PROVIDER, LOOK));
    assert!(is_shorter(WORK, LEASE) && is_shorter(LOOK, LOOK_LEASE));
    assert!(is_shorter(INLINE, INLINE_GRACE) && INLINE.as_millis() + WORK.as_millis() <= LEASE.as_millis());
};

/// How long the caller waits on whose behalf this task works.
pub(crate) fn patience() -> Instant {
    CallContext::current().deadline.unwrap_or_else(|| Instant::now() + ANSWER)
}

/// When the caller that is being served is to be answered, at the latest: while it is there to hear it.
fn answer_by() -> Instant {
    let now = Instant::now();
    let left = CallContext::current().deadline.map(|deadline| deadline.saturating_duration_since(now));
    now + left.map_or(ANSWER, |left| left.mul_f64(0.9))
}

/// Does `work` in a task of its own, and answers what comes of it, or `late`.
///
/// A caller that goes away does not stop it: nobody could go on with it before its lease has ended. What it leads to is
/// found by the next call for the same.
///
/// # Errors
/// The work's own; `late` when the caller has to be answered before.
pub(crate) async fn go_on<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
    late: Error,
) -> Result<T, Status> {
    let answer_by = answer_by();
    let context = CallContext { deadline: Some(answer_by), ..CallContext::current() };
    let task = tokio::spawn(timeout(TASK, context.scope(work)).in_current_span());
    match timeout_at(answer_by, task).await {
        Ok(Ok(Ok(outcome))) => Ok(outcome?),
        Ok(Ok(Err(_))) | Err(_) => Err(late.into()),
        Ok(Err(panicked)) => Err(bodega_runtime::status::internal(panicked)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_caller_is_answered_while_it_is_there_to_hear_it() {
        let now = Instant::now();
        assert!(answer_by() <= now + Duration::from_millis(1_900), "where nobody said anything");
        let deadline = now + Duration::from_secs(1);
        let context = CallContext { deadline: Some(deadline), ..CallContext::default() };
        let answer_by = context.scope(async { answer_by() }).await;
        assert!((now..deadline).contains(&answer_by));
        assert!(answer_by > now + Duration::from_millis(500), "and not long before");
        let gone = CallContext { deadline: Some(now), ..CallContext::default() };
        assert!(gone.scope(async { super::answer_by() }).await <= Instant::now());
    }

    #[tokio::test]
    async fn work_goes_on_when_its_caller_is_answered_or_has_left() {
        for stays in [true, false] {
            let (done, is_done) = tokio::sync::oneshot::channel();
            let (go, may_go) = tokio::sync::oneshot::channel();
            let work = async move {
                may_go.await.unwrap();
                done.send(()).unwrap();
                Ok(())
            };
            let deadline = Some(Instant::now() + Duration::from_millis(50));
            let context = CallContext { deadline, ..CallContext::default() };
            let call = context.scope(go_on(work, Error::StillPaying));
            if stays {
                assert_eq!(call.await.unwrap_err().code(), tonic::Code::Unavailable);
            } else {
                timeout(Duration::from_millis(10), call).await.unwrap_err();
            }
            go.send(()).unwrap();
            is_done.await.unwrap();
        }
    }
}
