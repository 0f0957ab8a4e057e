//! Load shedding: requests beyond the concurrency limit of their service wait in a queue, as long as they are expected to
//! finish before their deadline. Other requests are rejected at once, before any work is done for them: starting more
//! requests than can finish in time would waste the work of all of them.
//!
//! tower's `ConcurrencyLimit` with `LoadShed` either waits without a limit or does not wait at all.

mod estimate;
mod limit;

use std::time::Duration;

use axum::extract::Request;
use bodega_runtime::fair_semaphore::Client;
use http::{HeaderMap, Method};
use http_body::Body as _;
use tokio::time::Instant;

pub(crate) use self::limit::{ConcurrencyLimit, Permit};

/// Concurrency limits of one service, so that a slow service affects its own routes only. Reads and writes have separate
/// limits: writes wait for other services and for password hashing, and must not block reads.
#[derive(Clone)]
pub(crate) struct ConcurrencyLimits {
    reads: ConcurrencyLimit,
    writes: ConcurrencyLimit,
}

impl ConcurrencyLimits {
    /// `max` concurrent reads, and as many writes, for which requests wait at most `max_wait`.
    pub(crate) fn new(name: &str, max: u32, max_wait: Duration) -> Self {
        let limit = |kind| ConcurrencyLimit::new(&format!("{name} {kind}"), max, max_wait);
        Self { reads: limit("reads"), writes: limit("writes") }
    }

    /// Returns a permit for a request if one is free.
    pub(crate) fn try_acquire(&self, request: &Request) -> Option<Permit> {
        self.of(request.method()).try_acquire()
    }

    /// Waits for a permit for a request of this client; returns `None` if the request is not expected to finish before
    /// `deadline`.
    pub(crate) fn wait<'a>(
        &'a self,
        request: &Request,
        client: Client,
        deadline: Instant,
    ) -> impl Future<Output = Option<Permit>> + use<'a> {
        let (limit, bytes) = (self.of(request.method()), buffered_bytes(request));
        async move {
            let permit = limit.wait(client, deadline, bytes).await;
            if permit.is_none() {
                limit.record_rejection();
            }
            permit
        }
    }

    fn of(&self, method: &Method) -> &ConcurrencyLimit {
        if method.is_safe() { &self.reads } else { &self.writes }
    }
}

/// One limit for reads and writes together.
impl From<ConcurrencyLimit> for ConcurrencyLimits {
    fn from(limit: ConcurrencyLimit) -> Self {
        Self { reads: limit.clone(), writes: limit }
    }
}

/// Maximum number of bytes that the body of a waiting request occupies. That of an upload has not been read.
const MAX_BODY: usize = 1024 * 1024;

/// Returns the number of bytes that a waiting request occupies: its head and its body.
fn buffered_bytes(request: &Request) -> usize {
    let headers = |headers: &HeaderMap| -> usize {
        headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
    };
    let body = request.body().size_hint().upper().and_then(|size| usize::try_from(size).ok());
    let body = body.unwrap_or(usize::MAX).min(MAX_BODY);
    request.uri().path().len() + request.uri().query().map_or(0, str::len) + headers(request.headers()) + body
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn reads_and_writes_have_separate_permits() {
        let limits = ConcurrencyLimits::new("tests", 1, Duration::from_secs(2));
        let _reading = limits.of(&Method::GET).try_acquire().unwrap();
        assert!(limits.of(&Method::HEAD).try_acquire().is_none());
        let _writing = limits.of(&Method::POST).try_acquire().unwrap();
        assert!(limits.of(&Method::DELETE).try_acquire().is_none());
    }

    #[test]
    fn a_waiting_request_occupies_its_head_and_its_body() {
        let request =
            |body| Request::builder().uri("/a?b=1").header("accept", "text/css").body(body).unwrap();
        let head = "/ab=1accepttext/css".len();
        assert_eq!(buffered_bytes(&request(Body::empty())), head);
        assert_eq!(buffered_bytes(&request(Body::from("{}"))), head + 2);
        let unknown = Body::from_stream(futures_util::stream::empty::<Result<&[u8], std::io::Error>>());
        assert_eq!(buffered_bytes(&request(unknown)), head + MAX_BODY);
        let large = Body::from(vec![0; 2 * MAX_BODY]);
        assert_eq!(buffered_bytes(&request(large)), head + MAX_BODY);
    }
}
