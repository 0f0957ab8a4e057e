//! Turns: a bounded number of passwords is hashed at once, and no more wait for it than will have their turn in time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bodega_runtime::context::CallContext;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// So many hashes make what one usually takes: few enough to notice that others want the cores, too.
const MEMORY: u64 = 8;

/// Who may hash, and when.
#[derive(Clone)]
pub(super) struct Turns(Arc<Inner>);

struct Inner {
    at_once: u32,
    wait: Duration,
    free: Arc<Semaphore>,
    /// How many hash, or wait for it.
    here: AtomicU32,
    /// What a hash takes lately, in microseconds.
    cost: AtomicU64,
}

/// Somebody's turn: over when it is dropped.
pub(super) struct Turn {
    place: Place,
    began: Instant,
    _permit: OwnedSemaphorePermit,
}

/// That somebody is here: gone when it is dropped.
struct Place(Turns);

impl Turns {
    /// So many at once, for which nobody waits longer than `wait`. A hash takes about `cost`, as far as is known.
    pub(super) fn new(at_once: u32, wait: Duration, cost: Duration) -> Self {
        let permits = usize::try_from(at_once).unwrap_or(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            at_once,
            wait,
            free: Arc::new(Semaphore::new(permits)),
            here: AtomicU32::new(0),
            cost: AtomicU64::new(micros(cost)),
        }))
    }

    /// A turn, once it comes; nobody has it who does not wait for it any more. `None` where it does not come in time, and
    /// at once where that can be foreseen: neither longer than anybody waits, nor than the caller's deadline leaves.
    pub(super) async fn take(&self) -> Option<Turn> {
        let ahead = self.0.here.fetch_add(1, Ordering::Relaxed);
        let place = Place(self.clone());
        let cost = Duration::from_micros(self.0.cost.load(Ordering::Relaxed));
        let wait = CallContext::current().deadline.map_or(self.0.wait, |deadline| {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            left.saturating_sub(cost).min(self.0.wait)
        });
        // Where a turn is free nobody is sent away, whatever a hash may have cost lately.
        let in_front = (ahead + 1).saturating_sub(self.0.at_once);
        if cost * in_front > wait * self.0.at_once {
            return None;
        }
        let permit = timeout(wait, self.0.free.clone().acquire_owned()).await.ok()?.ok()?;
        Some(Turn { place, began: Instant::now(), _permit: permit })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Place(turns) = &self.place;
        let (took, cost) = (micros(self.began.elapsed()), turns.0.cost.load(Ordering::Relaxed));
        // Two that end together may count as one: it is an estimate.
        turns.0.cost.store((cost * (MEMORY - 1) + took) / MEMORY, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.here.fetch_sub(1, Ordering::Relaxed);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::from(u32::MAX)).min(u64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, future::join_all};
    use tokio::time::sleep;

    use super::*;

    const COST: Duration = Duration::from_millis(100);

    fn turns(at_once: u32, wait: Duration) -> Turns {
        Turns::new(at_once, wait, COST)
    }

    #[tokio::test]
    async fn no_more_wait_than_have_their_turn_in_time() {
        let turns = turns(2, 3 * COST);
        let _taken = [turns.take().await.unwrap(), turns.take().await.unwrap()];
        let began = Instant::now();
        let waited = join_all((0..20).map(async |_| {
            assert!(turns.take().await.is_none());
            began.elapsed() >= 3 * COST
        }));
        assert_eq!(waited.await.into_iter().filter(|waited| *waited).count(), 6, "two at once, three rounds");
        assert_eq!(turns.0.here.load(Ordering::Relaxed), 2, "the others have gone");
    }

    #[tokio::test]
    async fn nobody_waits_for_what_the_deadline_leaves_no_time_for() {
        let turns = turns(1, 100 * COST);
        let taken = turns.take().await.unwrap();
        let within = |time| CallContext {
            deadline: Some(tokio::time::Instant::now() + time),
            ..CallContext::default()
        };
        assert!(
            within(3 * COST / 2).scope(turns.take()).now_or_never().unwrap().is_none(),
            "sent away at once"
        );
        let began = Instant::now();
        assert!(within(3 * COST).scope(turns.take()).await.is_none());
        assert!(began.elapsed() < 3 * COST, "there is still time to hash then");
        drop(taken);
        assert!(within(Duration::ZERO).scope(turns.take()).await.is_some(), "a free turn is taken");
    }

    #[tokio::test]
    async fn who_has_gone_takes_no_turn() {
        let turns = turns(1, 100 * COST);
        let taken = turns.take().await.unwrap();
        let gone = Box::pin(turns.take());
        let waits = timeout(COST, gone).await;
        assert!(waits.is_err());
        drop(taken);
        assert!(turns.take().now_or_never().flatten().is_some());
        assert_eq!(turns.0.here.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn what_a_hash_takes_is_learned() {
        let turns = turns(1, 4 * COST);
        let cost = || Duration::from_micros(turns.0.cost.load(Ordering::Relaxed));
        for _ in 0..40 {
            drop(turns.take().await);
        }
        assert!(cost() < COST / 10, "{:?}", cost());
        let slow = turns.take().await;
        sleep(COST).await;
        drop(slow);
        assert!(cost() >= COST / 8, "{:?}", cost());
    }
}
