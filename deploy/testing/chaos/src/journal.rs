//! What shoppers asked for, and what they were told.

use std::{
    fmt, fs, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::Value;

/// One request, from when it was sent to when its answer was read, or given up.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// Who asked: a number from 0.
    pub(crate) shopper: usize,
    /// The id of the account it asked as; empty before it has one.
    pub(crate) user: String,
    /// When it was sent, since the journal was begun.
    pub(crate) started: Duration,
    /// When the answer was read or given up.
    pub(crate) ended: Duration,
    /// The method.
    pub(crate) method: Method,
    /// The path, with the query: `/api/orders/0197…`.
    pub(crate) path: String,
    /// The `Idempotency-Key` it was sent with.
    pub(crate) key: Option<String>,
    /// The JSON body it was sent with; null for none. Passwords and tokens left out.
    pub(crate) sent: Value,
    /// The status of the answer; `None` where there was none: then it may have been carried out, or may yet be.
    pub(crate) status: Option<u16>,
    /// The seconds of its `Retry-After`; `None` where it had none.
    pub(crate) retry_after: Option<u64>,
    /// The JSON body of the answer; null for none. Tokens left out.
    pub(crate) told: Value,
}

impl Exchange {
    /// Whether it was answered with 2xx.
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether it may have been carried out though nobody was told: no answer, or a 5xx.
    pub(crate) fn is_open(&self) -> bool {
        self.status.is_none_or(|status| status >= 500)
    }
}

/// A line for a person to read: `12.345 s, 67 ms: 3 as 0197… PUT /api/cart key None {…} -> 200 {…}`.
impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shopper, user, started, ended, method, path, key, sent, status, told, .. } = self;
        let took = ended.saturating_sub(*started).as_millis();
        write!(
            f,
            "{:.3} s, {took} ms: {shopper} as {user} {method} {path} key {key:?} {sent} -> ",
            started.as_secs_f64()
        )?;
        match status {
            Some(status) => write!(f, "{status} {told}"),
            None => f.write_str("no answer"),
        }
    }
}

/// What all shoppers of a run were told, in the order it ended. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Journal {
    begun: Instant,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Journal {
    /// An empty one, begun now.
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), exchanges: Arc::default() }
    }

    /// The time since it was begun.
    pub(crate) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Writes an exchange down.
    pub(crate) fn write(&self, exchange: Exchange) {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
    }

    /// What was written down so far.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes everything into a file, a line for each exchange.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(crate) fn save(&self, file: &Path) -> io::Result<()> {
        fs::write(file, self.exchanges().iter().map(|exchange| format!("{exchange}\n")).collect::<String>())
    }
}
