//! The access log: one line per request.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::response::Response;
use http::{HeaderValue, StatusCode};
use tracing::info;
use uuid::Uuid;

use crate::problem::ProblemCode;

/// Requests that take longer are logged like errors.
const SLOW: Duration = Duration::from_secs(1);

/// Requests that the access log contains. Health checks are never logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum AccessLog {
    /// Responses with status 4xx or 5xx, and requests that take longer than 1 s.
    #[default]
    Errors,
    /// All requests.
    All,
    /// No requests.
    Off,
}

/// The user of a request, once the access token is verified.
#[derive(Clone, Default)]
pub(crate) struct UserId(Arc<OnceLock<Uuid>>);

impl UserId {
    pub(crate) fn set(&self, id: Uuid) {
        let _ = self.0.set(id);
    }
}

impl AccessLog {
    pub(crate) fn record(
        self,
        method: &str,
        route: &str,
        response: &Response,
        duration: Duration,
        request_id: &HeaderValue,
        user_id: &UserId,
    ) {
        let status = response.status();
        if !self.contains(route, status, duration) {
            return;
        }
        info!(
            method,
            route,
            status = status.as_u16(),
            code = response.extensions().get::<ProblemCode>().map(|code| code.0.as_str()),
            duration_ms = duration.as_secs_f64() * 1_000.0,
            request.id = request_id.to_str().unwrap_or_default(),
            user.id = user_id.0.get().map(tracing::field::display),
            "request completed"
        );
    }

    fn contains(self, route: &str, status: StatusCode, duration: Duration) -> bool {
        let is_error = status.is_client_error() || status.is_server_error();
        !matches!(route, "/healthz" | "/readyz")
            && match self {
                Self::Errors => is_error || duration > SLOW,
                Self::All => true,
                Self::Off => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_errors_and_slow_requests_by_default() {
        let fast = Duration::from_millis(10);
        for (status, duration, is_logged) in [
            (StatusCode::OK, fast, false),
            (StatusCode::FOUND, fast, false),
            (StatusCode::NOT_FOUND, fast, true),
            (StatusCode::SERVICE_UNAVAILABLE, fast, true),
            (StatusCode::OK, Duration::from_millis(1_001), true),
        ] {
            assert_eq!(AccessLog::default().contains("/api/cart", status, duration), is_logged, "{status}");
            assert!(AccessLog::All.contains("/api/cart", status, duration));
            assert!(!AccessLog::Off.contains("/api/cart", status, duration));
        }
    }

    #[test]
    fn never_contains_health_checks() {
        for route in ["/healthz", "/readyz"] {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            assert!(!AccessLog::All.contains(route, status, Duration::from_secs(2)), "{route}");
        }
    }
}
