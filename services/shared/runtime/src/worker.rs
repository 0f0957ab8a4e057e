//! Background work that any replica of a service may do.

use std::{fmt::Display, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::time::{sleep, timeout};
use tracing::warn;

/// A loop that processes work as it becomes due.
///
/// Its two methods run until they are dropped: see [`Service::spawn`](crate::server::Service::spawn). A failure is
/// logged and retried after the interval.
#[derive(Clone, Copy, Debug)]
pub struct Worker {
    /// Name in the log: `order recovery`.
    pub name: &'static str,
    /// Pause after a run that found nothing to do. It varies by a fifth, so that replicas do not run at the same time.
    pub interval: Duration,
    /// Pieces of claimed work that are processed at the same time.
    pub concurrency: usize,
    /// Time limit of each claim, piece of work or step, which is dropped then. Work must time out before its lease ends.
    pub timeout: Duration,
}

impl Worker {
    /// Claims work and processes it. Claims again at once if there was any work, and after the interval otherwise.
    pub async fn run<T, E, C, W>(self, claim: impl Fn() -> C, work: impl Fn(T) -> W)
    where
        E: Display,
        C: Future<Output = Result<Vec<T>, E>>,
        W: Future<Output = ()>,
    {
        let work = async |piece| {
            if timeout(self.timeout, work(piece)).await.is_err() {
                warn!(worker = self.name, "work timed out after {:?}, will be claimed again", self.timeout);
            }
        };
        loop {
            match self.with_timeout(claim()).await {
                Some(claimed) if !claimed.is_empty() => {
                    stream::iter(claimed).for_each_concurrent(self.concurrency, &work).await;
                }
                _ => self.pause().await,
            }
        }
    }

    /// Runs `step` at each interval. Runs it again at once if it returns `true`, which means that there is more work.
    pub async fn repeat<E, S>(self, step: impl Fn() -> S)
    where
        E: Display,
        S: Future<Output = Result<bool, E>>,
    {
        loop {
            if self.with_timeout(step()).await != Some(true) {
                self.pause().await;
            }
        }
    }

    async fn with_timeout<T, E: Display>(self, step: impl Future<Output = Result<T, E>>) -> Option<T> {
        let Self { name, interval, .. } = self;
        match timeout(self.timeout, step).await {
            Ok(Ok(done)) => return Some(done),
            Ok(Err(error)) => warn!(worker = name, "{name} failed, retrying in {interval:?}: {error:#}"),
            Err(_) => {
                warn!(worker = name, "{name} timed out after {:?}, retrying in {interval:?}", self.timeout);
            }
        }
        None
    }

    async fn pause(self) {
        sleep(self.interval.mul_f64(rand::random_range(0.8..=1.2))).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{future, sync::Mutex};

    use tokio::time::Instant;

    use super::*;

    const WORKER: Worker = Worker {
        name: "work",
        interval: Duration::from_millis(300),
        concurrency: 8,
        timeout: Duration::from_millis(200),
    };

    /// Returns for each pair of consecutive times whether the worker paused for its interval between them.
    fn paused(times: &[Duration]) -> Vec<bool> {
        times.windows(2).map(|pair| pair[1] - pair[0] >= WORKER.interval.mul_f64(0.8)).collect()
    }

    #[tokio::test]
    async fn claims_again_at_once_after_work_and_after_the_interval_otherwise() {
        let started = Instant::now();
        let results = Mutex::new(vec![Ok(vec![3]), Err("down"), Ok(vec![1, 2])]);
        let claims = Mutex::new(Vec::new());
        let done = Mutex::new(Vec::new());
        let claim = || {
            claims.lock().unwrap().push(started.elapsed());
            let result = results.lock().unwrap().pop().unwrap_or(Ok(Vec::new()));
            async move { result }
        };
        let work = |piece| {
            done.lock().unwrap().push(piece);
            async {}
        };
        timeout(WORKER.interval * 3, WORKER.run(claim, work)).await.unwrap_err();

        assert_eq!(*done.lock().unwrap(), [1, 2, 3]);
        let claims = claims.lock().unwrap();
        assert_eq!(paused(&claims)[..4], [false, true, false, true], "{claims:?}");
    }

    #[tokio::test]
    async fn drops_a_claim_and_work_that_hang() {
        let results = Mutex::new(vec![Some(vec![2]), None, Some(vec![1])]);
        let done = Mutex::new(Vec::new());
        let claim = || {
            let result = results.lock().unwrap().pop();
            async move {
                match result {
                    Some(Some(claimed)) => Ok::<_, &str>(claimed),
                    Some(None) => future::pending().await,
                    None => Ok(Vec::new()),
                }
            }
        };
        let work = async |piece: i32| {
            if piece == 1 {
                future::pending::<()>().await;
            }
            done.lock().unwrap().push(piece);
        };
        let limit = WORKER.timeout * 3 + WORKER.interval * 2;
        timeout(limit, WORKER.run(claim, work)).await.unwrap_err();
        assert_eq!(*done.lock().unwrap(), [2], "the work that hangs is dropped, and the worker continues");
    }

    #[tokio::test]
    async fn repeats_a_step_at_once_while_there_is_more() {
        let started = Instant::now();
        let results = Mutex::new(vec![Some(Ok(true)), None, Some(Err("down")), Some(Ok(true))]);
        let steps = Mutex::new(Vec::new());
        let step = || {
            steps.lock().unwrap().push(started.elapsed());
            let result = results.lock().unwrap().pop().unwrap_or(Some(Ok(false)));
            async move {
                match result {
                    Some(result) => result,
                    None => future::pending().await,
                }
            }
        };
        timeout(WORKER.interval * 5, WORKER.repeat(step)).await.unwrap_err();
        let steps = steps.lock().unwrap();
        assert_eq!(paused(&steps)[..4], [false, true, true, false], "{steps:?}");
    }
}
