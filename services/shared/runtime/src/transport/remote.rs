//! Calls to another process.

use std::{pin::pin, sync::Arc, time::Duration};

use bodega_proto::Method;
use futures_util::{
    StreamExt as _,
    future::{Either, select},
    stream,
};
use http::{Request, Response};
use http_body_util::{BodyExt as _, BodyStream, Full, StreamBody};
use tokio::time::{Instant, sleep};
use tonic::{Status, body::Body};
use tower::retry::budget::TpsBudget;

use super::{
    error::CallError,
    replicas::{Replica, Replicas, Resolver, Upstream},
    retry::{Call, RetryPolicy},
    set_timeout,
};
use crate::telemetry::RetriedSpan;

/// The replicas of a service in other processes, and their retry budget.
#[derive(Clone)]
pub(super) struct Remote {
    replicas: Replicas,
    budget: Arc<TpsBudget>,
}

impl Remote {
    /// Connects at the first call.
    pub(super) fn new(upstream: Upstream, resolver: Resolver, interval: Duration) -> Self {
        // The default budget: one in five of the calls of the last ten seconds, and ten per second in any case.
        Self { replicas: Replicas::new(upstream, resolver, interval), budget: Arc::new(TpsBudget::default()) }
    }

    /// Calls a method, with retries if `bodega_proto` defines the method and it takes a single message.
    pub(super) async fn call(
        self,
        mut request: Request<Body>,
        deadline: Instant,
    ) -> Result<Response<Body>, CallError> {
        let known = bodega_proto::method(request.uri().path());
        let Some(method) = known.filter(|method| !method.client_streaming) else {
            let replica = self.replicas.pick(None).await?;
            let _in_flight = replica.enter();
            set_timeout(&mut request, deadline);
            return replica.send(request).await;
        };
        let (head, body) = request.into_parts();
        let message = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(status) => return Ok(status.into_http()),
        };
        let mut policy = RetryPolicy::new(method, deadline, self.budget.clone());
        let mut attempt =
            Attempt { remote: &self, method, call: Call { head, message }, deadline, failed: None };
        loop {
            let outcome = attempt.run(&mut policy).await;
            let has_alternative = attempt.has_alternative();
            let Some(pause) = policy.retry(&outcome, has_alternative) else { return outcome };
            if let Some(span) = attempt.call.head.extensions.get::<RetriedSpan>() {
                span.retry(outcome.as_ref().map_or_else(CallError::kind, |_| "UNAVAILABLE"));
            }
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
    }

    /// Opens a stream without an end. It ends with an error when its replica is removed.
    pub(super) async fn call_streaming(self, request: Request<Body>) -> Result<Response<Body>, CallError> {
        let replica = self.replicas.pick(None).await?;
        let response = replica.send(request).await?;
        if !replica.is_monitored() {
            return Ok(response);
        }
        let removed = replica.removal().cancelled_owned();
        let error = async { Err(Status::unavailable("the replica was removed")) };
        Ok(response.map(|body| {
            let frames = BodyStream::new(body).take_until(removed).chain(stream::once(error));
            Body::new(StreamBody::new(frames))
        }))
    }
}

/// The attempts of one call.
struct Attempt<'a> {
    remote: &'a Remote,
    method: &'static Method,
    call: Call,
    deadline: Instant,
    /// The replica of the last attempt, if it has failed.
    failed: Option<Arc<Replica>>,
}

impl Attempt<'_> {
    /// Sends the call to a replica. If it falls silent, sends an idempotent call to another one too.
    async fn run(&mut self, policy: &mut RetryPolicy) -> Result<Response<Body>, CallError> {
        let replica = self.remote.replicas.pick(self.failed.as_ref()).await?;
        let (replica, outcome) = if replica.is_monitored() && self.method.idempotency.may_retry() {
            self.hedged(replica, policy).await
        } else {
            let outcome = self.send(&replica).await;
            (replica, outcome)
        };
        if RetryPolicy::is_failure(&outcome) {
            replica.penalize();
            self.failed = Some(replica);
        }
        outcome
    }

    async fn hedged(
        &self,
        replica: Arc<Replica>,
        policy: &mut RetryPolicy,
    ) -> (Arc<Replica>, Result<Response<Body>, CallError>) {
        let mut first = pin!(self.send(&replica));
        let silent = tokio::select! {
            biased;
            outcome = &mut first => Some(outcome),
            () = replica.silent() => None,
        };
        if let Some(outcome) = silent {
            return (replica.clone(), outcome);
        }
        let Some(other) = self.remote.replicas.pick_other(&replica).filter(|_| policy.hedge()) else {
            return (replica.clone(), first.await);
        };
        // Boxed, so that a call without a hedge needs no memory for a second one.
        let second = Box::pin(self.send(&other));
        // The first response counts: the silent replica may be slow only.
        match select(first, second).await {
            Either::Left((Err(_), second)) => (other.clone(), second.await),
            Either::Right((Err(_), first)) => (replica.clone(), first.await),
            Either::Left((response, _)) => (replica.clone(), response),
            Either::Right((response, _)) => (other.clone(), response),
        }
    }

    async fn send(&self, replica: &Arc<Replica>) -> Result<Response<Body>, CallError> {
        let _in_flight = replica.enter();
        let Call { head, message } = self.call.clone();
        let mut request = Request::from_parts(head, Body::new(Full::new(message)));
        set_timeout(&mut request, self.deadline);
        let response = replica.send(request).await?;
        if self.method.server_streaming {
            return Ok(response);
        }
        // The connection may also break within the body: then the call is retried as a whole.
        let (head, body) = response.into_parts();
        match body.collect().await {
            Ok(body) => Ok(Response::from_parts(head, Body::new(body))),
            Err(error) => Err(CallError::ConnectionLost(error.to_string())),
        }
    }

    /// Whether a retry would go to a replica that is up, and is not the one that has failed.
    fn has_alternative(&self) -> bool {
        self.failed.as_ref().is_some_and(|failed| self.remote.replicas.pick_other(failed).is_some())
    }
}
