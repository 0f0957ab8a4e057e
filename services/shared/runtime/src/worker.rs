//! Work that was left behind in a database, and is done by whichever replica leases it first.

use std::{fmt::Display, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::time::{sleep, timeout};
use tracing::warn;

/// Worker of claiming what is due, and working on it.
#[derive(Clone, Copy, Debug)]
pub struct Worker {
    /// What is looked for, as the log calls it: `orders left behind`.
    pub name: &'static str,
    /// How long to rest after a round that found nothing, give or take a fifth: replicas look at different times.
    pub interval: Duration,
    /// How many pieces are worked on at once.
    pub concurrency: usize,
    /// How long claiming may take, and each piece of work: a connection may hang for ever. Work that takes longer is
    /// dropped; it must end before its lease does.
    pub timeout: Duration,
}

impl Worker {
    /// Claims and works for as long as it is polled; again at once after a round that found something.
    pub async fn run<T, E, C, W>(self, claim: impl Fn() -> C, work: impl Fn(T) -> W)
    where
        E: Display,
        C: Future<Output = Result<Vec<T>, E>>,
        W: Future<Output = ()>,
    {
        let Self { name, interval, concurrency, timeout: limit } = self;
        let work = async |piece| {
            if timeout(limit, work(piece)).await.is_err() {
                warn!("Left some {name} for later: it took too long");
            }
        };
        loop {
            match timeout(limit, claim()).await {
                Ok(Ok(due)) if due.is_empty() => {}
                Ok(Ok(due)) => {
                    stream::iter(due).for_each_concurrent(concurrency, &work).await;
                    continue;
                }
                Ok(Err(cause)) => warn!("Cannot look for {name}: {cause}"),
                Err(_) => warn!("Cannot look for {name}: it took too long"),
            }
            sleep(interval.mul_f64(rand::random_range(0.8..=1.2))).await;
        }
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

    #[tokio::test]
    async fn what_is_due_is_done_at_once_and_looked_for_again_after_the_interval() {
        let started = Instant::now();
        let rounds = Mutex::new(vec![Ok(vec![3]), Err("down"), Ok(vec![1, 2])]);
        let looked = Mutex::new(Vec::new());
        let done = Mutex::new(Vec::new());
        let claim = || {
            looked.lock().unwrap().push(started.elapsed());
            let round = rounds.lock().unwrap().pop().unwrap_or(Ok(Vec::new()));
            async move { round }
        };
        let work = |piece| {
            done.lock().unwrap().push(piece);
            async {}
        };
        timeout(WORKER.interval * 3, WORKER.run(claim, work)).await.unwrap_err();

        assert_eq!(*done.lock().unwrap(), [1, 2, 3]);
        let looked = looked.lock().unwrap();
        let pauses: Vec<_> = looked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let rested: Vec<_> = pauses.iter().map(|pause| *pause >= WORKER.interval.mul_f64(0.8)).collect();
        assert_eq!(rested[..4], [false, true, false, true], "{pauses:?}");
    }

    #[tokio::test]
    async fn what_hangs_is_given_up() {
        let rounds = Mutex::new(vec![Some(vec![2]), None, Some(vec![1])]);
        let done = Mutex::new(Vec::new());
        let claim = || {
            let round = rounds.lock().unwrap().pop();
            async move {
                match round {
                    Some(Some(due)) => Ok::<_, &str>(due),
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
        let patience = WORKER.timeout * 3 + WORKER.interval * 2;
        timeout(patience, WORKER.run(claim, work)).await.unwrap_err();
        assert_eq!(*done.lock().unwrap(), [2], "the work that hangs was dropped, and the rounds went on");
    }
}
