//! Limits how many rejections of password routes are sent in a second.
//!
//! A rejected login costs little, but a client that sends the next one at once, over hundreds of connections, occupies the
//! processors that other requests need. Its connections wait instead. A rejection alone is sent at once, and accepted requests
//! never wait.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::StatusCode;
use tokio::time::{Instant, sleep_until};

/// Time between two rejections.
const INTERVAL: Duration = Duration::from_millis(5);

/// Maximum delay of a rejection, well below the timeouts of clients.
const MAX_DELAY: Duration = Duration::from_secs(2);

/// When the next rejection may be sent.
#[derive(Clone)]
pub(crate) struct RejectionPace(Arc<Mutex<Instant>>);

impl RejectionPace {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// Returns when a rejection of this moment is sent.
    fn reserve(&self) -> Instant {
        let now = Instant::now();
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = (*next).clamp(now, now + MAX_DELAY);
        *next = sent + INTERVAL;
        sent
    }
}

/// Delays rejections (429 and 503), when the permit of the request is free again.
pub(crate) async fn delay_rejections(
    State(pace): State<RejectionPace>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    if matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        sleep_until(pace.reserve()).await;
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_single_rejection_is_not_delayed() {
        let pace = RejectionPace::new();
        for _ in 0..3 {
            assert_eq!(pace.reserve(), Instant::now());
            tokio::time::advance(INTERVAL).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rejections_at_the_same_time_are_sent_one_after_the_other() {
        let (pace, now) = (RejectionPace::new(), Instant::now());
        for index in 0..10 {
            assert_eq!(pace.reserve(), now + index * INTERVAL);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_is_bounded_and_does_not_outlast_the_flood() {
        let pace = RejectionPace::new();
        for _ in 0..10_000 {
            pace.reserve();
        }
        assert_eq!(pace.reserve(), Instant::now() + MAX_DELAY);
        tokio::time::advance(MAX_DELAY + INTERVAL).await;
        assert_eq!(pace.reserve(), Instant::now());
    }
}
