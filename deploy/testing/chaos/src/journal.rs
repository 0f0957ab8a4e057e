//! All requests and responses of a run's clients.

use std::{
    fmt, fs, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::Value;

/// A request and its response. Times are since the start of the journal.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// The number of the client.
    pub(crate) client: usize,
    /// The client's user id; empty before it is known.
    pub(crate) user: String,
    pub(crate) started: Duration,
    /// When the response was complete, or the client gave up.
    pub(crate) ended: Duration,
    pub(crate) method: Method,
    /// Includes the query.
    pub(crate) path: String,
    pub(crate) idempotency_key: Option<String>,
    /// JSON without passwords and tokens; null without a body.
    pub(crate) request: Value,
    /// `None` without a response.
    pub(crate) status: Option<u16>,
    /// In seconds.
    pub(crate) retry_after: Option<u64>,
    /// JSON without tokens; null without a body.
    pub(crate) response: Value,
}

impl Exchange {
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether the request may have been processed although the client received no result: the response is missing or 5xx.
    pub(crate) fn has_unknown_outcome(&self) -> bool {
        self.status.is_none_or(|status| status >= 500)
    }
}

/// `12.345 s, 67 ms: client 3 as 0197… PUT /api/cart key None {…} -> 200 {…}`
impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, user, started, ended, method, path, idempotency_key, request, .. } = self;
        let latency = ended.saturating_sub(*started).as_millis();
        write!(
            f,
            "{:.3} s, {latency} ms: client {client} as {user} {method} {path} key {idempotency_key:?} {request} -> ",
            started.as_secs_f64()
        )?;
        match self.status {
            Some(status) => write!(f, "{status} {}", self.response),
            None => f.write_str("no response"),
        }
    }
}

/// The exchanges of all clients in the order in which they ended. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Journal {
    started: Instant,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Journal {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), exchanges: Arc::default() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn record(&self, exchange: Exchange) {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
    }

    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes one line for each exchange.
    pub(crate) fn save(&self, file: &Path) -> io::Result<()> {
        fs::write(file, self.exchanges().iter().map(|exchange| format!("{exchange}\n")).collect::<String>())
    }
}
