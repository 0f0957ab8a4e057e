//! Retries of a call.
//!
//! - A call that has not been sent is retried until its deadline: an upstream that restarts is unavailable for a few hundred
//!   milliseconds. Such retries are no load for the upstream: connections are opened one after the other.
//! - A call that the upstream did not process is retried, idempotent or not.
//! - A call that may have been served, or whose response is UNAVAILABLE, is retried only where the contract allows it:
//!   [`Idempotency::may_retry`](bodega_proto::Idempotency::may_retry).
//!
//! - Such a call is also sent to another replica while the first one is silent: see [`replicas`](super::replicas).
//!
//! The last three are additional load for an upstream that may be overloaded, so they are limited per call, and by a budget
//! over all calls. A retry goes to another replica than the failed one, if there is one.

use std::{sync::Arc, time::Duration};

use bodega_proto::Method;
use bytes::Bytes;
use http::{Response, request::Parts};
use tokio::time::Instant;
use tonic::{Code, Status, body::Body};
use tonic_types::StatusExt as _;
use tower::retry::budget::{Budget as _, TpsBudget};

use super::error::CallError;
use crate::{backoff::Backoff, metrics, timeouts};

/// The minimum is about the time that a handover to another process takes, the maximum about that of a process start.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(25), Duration::from_millis(250));
/// Retries of a call that has reached the upstream.
const MAX_RETRIES: u32 = 3;

/// A call that can be sent any number of times.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) head: Parts,
    pub(super) message: Bytes,
}

/// Decides whether one call is retried.
pub(super) struct RetryPolicy {
    method: &'static Method,
    deadline: Instant,
    budget: Arc<TpsBudget>,
    /// Failed attempts of this call.
    failures: i32,
    /// Failed attempts that may have reached the upstream.
    sent_failures: u32,
}

enum Decision {
    Retry(Duration),
    GiveUp(&'static str),
}

impl RetryPolicy {
    /// Creates the policy of a call that has time until `deadline`, within the budget of all calls to its upstream.
    pub(super) fn new(method: &'static Method, deadline: Instant, budget: Arc<TpsBudget>) -> Self {
        budget.deposit();
        Self { method, deadline, budget, failures: 0, sent_failures: 0 }
    }

    /// Returns the minimum pause before a retry, or `None` when the call must not be retried.
    fn min_pause(&self, outcome: &Result<Response<Body>, CallError>) -> Option<Duration> {
        match outcome {
            Err(CallError::NotSent(_) | CallError::Unprocessed(_)) => Some(Duration::ZERO),
            Err(CallError::ConnectionLost(_)) if self.method.idempotency.may_retry() => Some(Duration::ZERO),
            Ok(response) if self.method.idempotency.may_retry() => retry_delay(response),
            Ok(_) | Err(CallError::ConnectionLost(_) | CallError::DeadlineExceeded) => None,
        }
    }

    fn decide(&self, min_pause: Duration, was_unsent: bool, has_alternative: bool) -> Decision {
        // The first retry on another replica need not wait.
        let backoff =
            if has_alternative && self.failures == 0 { Duration::ZERO } else { BACKOFF.pause(self.failures) };
        let pause = min_pause + backoff;
        if Instant::now() + pause + timeouts::RETRY_RESERVE > self.deadline {
            Decision::GiveUp("out_of_time")
        } else if was_unsent {
            Decision::Retry(pause)
        } else if self.sent_failures == MAX_RETRIES {
            Decision::GiveUp("too_many_retries")
        } else if !self.budget.withdraw() {
            Decision::GiveUp("over_budget")
        } else {
            Decision::Retry(pause)
        }
    }

    /// Returns the pause before the next attempt, or `None` when the call is not retried.
    pub(super) fn retry(
        &mut self,
        outcome: &Result<Response<Body>, CallError>,
        has_alternative: bool,
    ) -> Option<Duration> {
        let min_pause = self.min_pause(outcome)?;
        let was_unsent = matches!(outcome, Err(CallError::NotSent(_)));
        let service = &self.method.service;
        match self.decide(min_pause, was_unsent, has_alternative) {
            Decision::Retry(pause) => {
                metrics::retry(service, "retried");
                self.failures = self.failures.saturating_add(1);
                self.sent_failures += u32::from(!was_unsent);
                Some(pause)
            }
            Decision::GiveUp(reason) => {
                metrics::retry(service, reason);
                None
            }
        }
    }

    /// Returns whether the call may be sent to a second replica while the first one is silent.
    pub(super) fn hedge(&mut self) -> bool {
        let is_allowed = self.method.idempotency.may_retry()
            && self.sent_failures < MAX_RETRIES
            && Instant::now() + timeouts::RETRY_RESERVE <= self.deadline
            && self.budget.withdraw();
        if is_allowed {
            self.sent_failures += 1;
            metrics::retry(&self.method.service, "hedged");
        }
        is_allowed
    }

    /// Whether the replica has failed the call, rather than rejected it.
    pub(super) fn is_failure(outcome: &Result<Response<Body>, CallError>) -> bool {
        match outcome {
            Ok(response) => retry_delay(response).is_some(),
            Err(_) => true,
        }
    }
}

/// Returns the pause that an unavailable upstream asks for, or `None` for any other response.
fn retry_delay(response: &Response<Body>) -> Option<Duration> {
    let status = Status::from_header_map(response.headers())?;
    if status.code() != Code::Unavailable {
        return None;
    }
    Some(status.get_details_retry_info().and_then(|info| info.retry_delay).unwrap_or_default())
}
