//! The part of limits that a replica grants from memory.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hashlink::LruCache;
use tokio::time::Instant;

use super::{Key, Limit, RateLimited, Use};

/// Maximum number of subjects, which use about 2 MiB.
const CAPACITY: usize = 20_000;
/// One of so many uses is granted from memory.
const PARTS: u32 = 4;

/// The recent uses of subjects.
#[derive(Debug)]
pub(super) struct Memory(Mutex<LruCache<Key, Uses>>);

#[derive(Clone, Copy, Debug)]
struct Uses {
    /// Time at which the last use is restored.
    restored_at: Instant,
    /// Until then, the part in the database is exhausted.
    rejected_until: Option<Instant>,
}

impl Default for Memory {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }
}

impl Memory {
    /// Takes a use from memory. Returns whether there was one; otherwise it must be taken from the [`shared_part`].
    pub(super) fn take(&self, taken: Use) -> Result<bool, RateLimited> {
        let now = Instant::now();
        let part =
            Limit { burst: taken.limit.burst / PARTS, interval: taken.limit.interval * PARTS, ..taken.limit };
        self.with(taken.key, |uses| {
            let restored_at = uses.restored_at.max(now) + part.interval;
            if restored_at <= now + part.period() {
                uses.restored_at = restored_at;
                return Ok(true);
            }
            let rejected_until = uses.rejected_until.filter(|until| *until > now);
            match rejected_until.map(|until| until.min(restored_at - part.period()) - now) {
                Some(wait) => {
                    let retry_after = Duration::from_secs_f64(wait.as_secs_f64().ceil().max(1.0));
                    Err(RateLimited { limit: taken.limit, retry_after })
                }
                None => Ok(false),
            }
        })
    }

    /// Remembers that the shared part is exhausted.
    pub(super) fn reject(&self, taken: Use, retry_after: Duration) {
        self.with(taken.key, |uses| uses.rejected_until = Some(Instant::now() + retry_after));
    }

    fn with<T>(&self, key: Key, change: impl FnOnce(&mut Uses) -> T) -> T {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Uses { restored_at: Instant::now(), rejected_until: None };
        change(memory.entry(key).or_insert_with(new))
    }
}

/// Returns the use of the part that all replicas share.
pub(super) fn shared_part(taken: Use) -> Use {
    let burst = taken.limit.burst - taken.limit.burst / PARTS;
    Use {
        limit: Limit { burst, interval: taken.limit.interval * PARTS / (PARTS - 1), ..taken.limit },
        ..taken
    }
}
