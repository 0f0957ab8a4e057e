//! The service at the other end of a transport, by name: its failures in the log and in statuses.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Response, Uri};
use tokio::time::Instant;
use tonic::{Code, Status, body::Body};

use super::{deadline_exceeded, error::CallError};
use crate::{
    log_throttle::LogThrottle,
    metrics::{self, InFlight, RpcInFlight},
    status::{self, UPSTREAM},
    telemetry::ClientSpan,
};

/// Failures of one upstream are logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct Upstream {
    name: &'static str,
    throttle: Arc<LogThrottle>,
    in_flight: RpcInFlight,
}

/// A call to an upstream, from its start to its response.
pub(super) struct UpstreamCall {
    upstream: Upstream,
    uri: Uri,
    started: Instant,
    span: Option<ClientSpan>,
    _in_flight: InFlight,
}

impl UpstreamCall {
    /// Records the call, and returns its response.
    pub(super) fn end(self, outcome: Result<Response<Body>, CallError>) -> Response<Body> {
        let Self { upstream, uri, started, span, .. } = self;
        let response = upstream.response(outcome);
        // An error is in the headers: a status in the trailers belongs to a call that has succeeded so far.
        let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
        metrics::rpc_client(upstream.name, uri.path(), code, started.elapsed());
        if let Some(span) = span {
            span.end(code);
        }
        response
    }
}

impl Upstream {
    pub(super) fn new(name: &'static str) -> Self {
        let throttle = Arc::new(LogThrottle::new(LOG_INTERVAL));
        Self { name, throttle, in_flight: RpcInFlight::client(name) }
    }

    /// Begins a call, with its span if it is exported.
    pub(super) fn begin(&self, uri: &Uri, span: Option<ClientSpan>) -> UpstreamCall {
        let (upstream, uri, started) = (self.clone(), uri.clone(), Instant::now());
        UpstreamCall { upstream, uri, started, span, _in_flight: self.in_flight.enter() }
    }

    /// Returns the response to a call. When the upstream is unavailable or too slow, logs the failure and names the upstream
    /// in the response.
    fn response(&self, outcome: Result<Response<Body>, CallError>) -> Response<Body> {
        let mut response = match outcome {
            Ok(response) => {
                let Some(status) = failure(&response) else { return response };
                self.log(&format_args!("{:?}: {}", status.code(), status.message()));
                response
            }
            Err(error) => {
                self.log(&error);
                self.status(&error).into_http()
            }
        };
        response.headers_mut().insert(UPSTREAM, HeaderValue::from_static(self.name));
        response
    }

    fn status(&self, error: &CallError) -> Status {
        match error {
            CallError::DeadlineExceeded => deadline_exceeded(format_args!("{} timed out", self.name)),
            CallError::NotSent(_) | CallError::Unprocessed(_) | CallError::ConnectionLost(_) => {
                let message = format_args!("{} is unavailable", self.name);
                status::unavailable(message, Duration::from_secs(1))
            }
        }
    }

    fn log(&self, error: &dyn std::fmt::Display) {
        if let Some(failures) = self.throttle.count() {
            tracing::warn!(upstream = self.name, failures, "{} failed: {error}", self.name);
        }
    }
}

/// Returns the status of a response if it is that of an unavailable or slow service.
fn failure(response: &Response<Body>) -> Option<Status> {
    let status = Status::from_header_map(response.headers())?;
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded).then_some(status)
}
