//! Background work that any replica of a service may do.

use std::{fmt::Display, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::activity::Activity;

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
    /// While the service is idle, that is without calls and work, the pause doubles up to this limit. The next call ends it
    /// after `interval`. It is the time after which work of another replica, which has crashed, is found.
    pub idle_interval: Duration,
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
        let mut pauses = Pauses::new(self);
        loop {
            match self.with_timeout(claim()).await {
                Some(claimed) if !claimed.is_empty() => {
                    pauses.end();
                    stream::iter(claimed).for_each_concurrent(self.concurrency, &work).await;
                }
                Some(_) => pauses.idle().await,
                None => pauses.failed().await,
            }
        }
    }

    /// Runs `step` at each interval. Runs it again at once if it returns `true`, which means that there is more work.
    pub async fn repeat<E, S>(self, step: impl Fn() -> S)
    where
        E: Display,
        S: Future<Output = Result<bool, E>>,
    {
        let mut pauses = Pauses::new(self);
        loop {
            match self.with_timeout(step()).await {
                Some(true) => pauses.end(),
                Some(false) => pauses.idle().await,
                None => pauses.failed().await,
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
}

/// The pauses of a worker.
struct Pauses {
    worker: Worker,
    activity: Activity,
    /// The activity before the last run.
    seen: u64,
    next: Duration,
}

impl Pauses {
    fn new(worker: Worker) -> Self {
        let activity = Activity::current();
        Self { worker, seen: activity.count(), activity, next: worker.interval }
    }

    /// There was work, which may cause work of other workers.
    fn end(&mut self) {
        self.activity.notify();
        self.seen = self.activity.count();
        self.next = self.worker.interval;
    }

    /// Pauses after a run that failed.
    async fn failed(&mut self) {
        self.next = self.worker.interval;
        sleep(varied(self.next)).await;
    }

    /// Pauses after a run that found nothing.
    async fn idle(&mut self) {
        let pause = varied(self.next);
        self.next = (self.next * 2).min(self.worker.idle_interval).max(self.worker.interval);
        let was_active = async {
            self.activity.exceeds(self.seen).await;
            sleep(varied(self.worker.interval)).await;
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = was_active => self.next = self.worker.interval,
        }
        self.seen = self.activity.count();
    }
}

fn varied(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.8..=1.2))
}

#[cfg(test)]
mod tests {
    use std::{future, sync::Mutex};

    use tokio::time::Instant;

    use super::*;

    const WORKER: Worker = Worker {
        name: "work",
        interval: Duration::from_millis(300),
        idle_interval: Duration::from_millis(300),
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
    async fn an_idle_worker_pauses_longer_until_there_is_a_call() {
        let worker = Worker {
            interval: Duration::from_millis(100),
            idle_interval: Duration::from_millis(1_500),
            ..WORKER
        };
        let activity = Activity::default();
        let started = Instant::now();
        let claims = Mutex::new(Vec::new());
        let claim = async || {
            claims.lock().unwrap().push(started.elapsed());
            Ok::<_, &str>(Vec::<i32>::new())
        };
        let calls = async {
            sleep(Duration::from_millis(2_000)).await;
            assert!((3..=6).contains(&claims.lock().unwrap().len()), "{claims:?}");
            claims.lock().unwrap().clear();
            activity.notify();
            sleep(Duration::from_millis(500)).await;
            assert!((1..=4).contains(&claims.lock().unwrap().len()), "{claims:?}");
        };
        tokio::select! {
            () = activity.clone().scope(worker.run(claim, async |_| {})) => unreachable!(),
            () = calls => {}
        }
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
