//! Making a call again.
//!
//! - What has not been sent is sent again for as long as there is time: a neighbour that restarts is away for some
//!   hundred milliseconds. It costs the neighbour nothing: connections are made one after the other.
//! - What the neighbour refused to look at is sent again, whatever it is.
//! - What may have been served, and what was answered with UNAVAILABLE, only where the contract says that it may be:
//!   [`Idempotency::may_retry`](bodega_proto::Idempotency::may_retry).
//!
//! The last two are more work for a neighbour that may have too much already: they are few for each call, and few
//! of all calls.

use std::{sync::Arc, time::Duration};

use bodega_proto::Method;
use http::Response;
use tokio::time::{Instant, Sleep};
use tonic::{Code, Status, body::Body};
use tonic_types::StatusExt as _;
use tower::retry::{
    Policy,
    budget::{Budget as _, TpsBudget},
};

use super::{error::CallError, remote::Call};
use crate::{backoff::Backoff, metrics, timeouts};

/// From the time in which a neighbour hands over to its successor to that in which it starts.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(25), Duration::from_millis(250));
/// How often a call that has reached the neighbour is made again.
const MAX_RETRIES: u32 = 3;

/// Decides whether one call is made again.
#[derive(Clone)]
pub(super) struct RetryPolicy {
    method: &'static Method,
    deadline: Instant,
    budget: Arc<TpsBudget>,
    /// Of this call, in a row.
    failures: i32,
    /// Of those failures, the ones of which the neighbour may know.
    taken: u32,
}

/// What is to be done about a call that failed.
enum Decision {
    Retry(Duration),
    /// It is left at that; why.
    GiveUp(&'static str),
}

impl RetryPolicy {
    /// For a call that has until `deadline`, within the budget of all calls to its neighbour.
    pub(super) fn new(method: &'static Method, deadline: Instant, budget: Arc<TpsBudget>) -> Self {
        budget.deposit();
        Self { method, deadline, budget, failures: 0, taken: 0 }
    }

    /// How long to leave the neighbour alone at least; `None` when the call must not be made again.
    fn pause_after(&self, answer: &Result<Response<Body>, CallError>) -> Option<Duration> {
        match answer {
            Err(CallError::NotSent | CallError::Unprocessed) => Some(Duration::ZERO),
            Err(CallError::ConnectionLost) if self.method.idempotency.may_retry() => Some(Duration::ZERO),
            Ok(response) if self.method.idempotency.may_retry() => asked_pause(response),
            Ok(_) | Err(CallError::ConnectionLost | CallError::DeadlineExceeded) => None,
        }
    }

    fn decide(&self, pause: Duration, was_unsent: bool) -> Decision {
        let pause = pause + BACKOFF.pause(self.failures);
        if Instant::now() + pause + timeouts::RETRY_RESERVE > self.deadline {
            Decision::GiveUp("out_of_time")
        } else if was_unsent {
            Decision::Retry(pause)
        } else if self.taken == MAX_RETRIES {
            Decision::GiveUp("too_many_retries")
        } else if !self.budget.withdraw() {
            Decision::GiveUp("over_budget")
        } else {
            Decision::Retry(pause)
        }
    }
}

impl Policy<Call, Response<Body>, CallError> for RetryPolicy {
    type Future = Sleep;

    fn retry(&mut self, _: &mut Call, answer: &mut Result<Response<Body>, CallError>) -> Option<Sleep> {
        let pause = self.pause_after(answer)?;
        let was_unsent = matches!(answer, Err(CallError::NotSent));
        let service = &self.method.service;
        match self.decide(pause, was_unsent) {
            Decision::Retry(pause) => {
                metrics::retry(service, "retried");
                self.failures = self.failures.saturating_add(1);
                self.taken += u32::from(!was_unsent);
                Some(tokio::time::sleep(pause))
            }
            Decision::GiveUp(why) => {
                metrics::retry(service, why);
                None
            }
        }
    }

    fn clone_request(&mut self, call: &Call) -> Option<Call> {
        Some(call.clone())
    }
}

/// How long a neighbour that is unavailable wants to be left alone; `None` for every other answer.
fn asked_pause(response: &Response<Body>) -> Option<Duration> {
    let status = Status::from_header_map(response.headers())?;
    if status.code() != Code::Unavailable {
        return None;
    }
    Some(status.get_details_retry_info().and_then(|info| info.retry_delay).unwrap_or_default())
}
