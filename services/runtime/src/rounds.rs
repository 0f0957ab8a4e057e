//! Work that was left behind in a database, and is done by whichever replica leases it first.

use std::{fmt::Display, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::time::sleep;
use tracing::warn;

/// Claims what is due and works on it, `at_once` pieces at a time, for as long as it is polled. Looks again at once
/// after a round that found something, and otherwise after the `interval`, give or take a fifth, so that replicas look
/// at different times. Where nothing can be claimed, that is told as `what` cannot be looked for.
pub async fn run<T, E, C, W>(
    what: &str,
    interval: Duration,
    at_once: usize,
    claim: impl Fn() -> C,
    work: impl Fn(T) -> W,
) where
    E: Display,
    C: Future<Output = Result<Vec<T>, E>>,
    W: Future<Output = ()>,
{
    loop {
        match claim().await {
            Ok(due) if due.is_empty() => {}
            Ok(due) => {
                stream::iter(due).for_each_concurrent(at_once, &work).await;
                continue;
            }
            Err(cause) => warn!("Cannot look for {what}: {cause}"),
        }
        sleep(interval.mul_f64(rand::random_range(0.8..=1.2))).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::{Instant, timeout};

    use super::*;

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
        let interval = Duration::from_millis(300);
        timeout(interval * 3, run("work", interval, 8, claim, work)).await.unwrap_err();

        assert_eq!(*done.lock().unwrap(), [1, 2, 3]);
        let looked = looked.lock().unwrap();
        let pauses: Vec<_> = looked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let rested: Vec<_> = pauses.iter().map(|pause| *pause >= interval.mul_f64(0.8)).collect();
        assert_eq!(rested[..4], [false, true, false, true], "{pauses:?}");
    }
}
