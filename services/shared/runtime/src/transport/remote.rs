//! Calls to another process.

use std::sync::Arc;

use bodega_proto::Method;
use bytes::Bytes;
use http::{Request, Response, Uri, request::Parts};
use http_body_util::{BodyExt as _, Full};
use tokio::time::Instant;
use tonic::{
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::{
    ServiceExt as _,
    retry::{Retry, budget::TpsBudget},
};

use super::{connect::connect, error::CallError, retry::RetryPolicy, set_timeout};
use crate::timeouts;

/// The way to another process.
#[derive(Clone)]
pub(super) struct Remote {
    channel: Channel,
    budget: Arc<TpsBudget>,
}

/// A call that can be made any number of times.
#[derive(Clone)]
pub(super) struct Call {
    head: Parts,
    message: Bytes,
}

impl Remote {
    /// Connects when it is first used.
    pub(super) fn new(uri: Uri) -> Self {
        // A host that is gone closes no connection: pings notice it, before every call waits for its deadline.
        let channel = Endpoint::from(uri)
            .http2_keep_alive_interval(timeouts::KEEPALIVE)
            .keep_alive_timeout(timeouts::KEEPALIVE)
            .keep_alive_while_idle(true)
            .connect_with_connector_lazy(tower::service_fn(connect));
        // Its default: of the calls of the last ten seconds one in five, and ten a second for those who call seldom.
        Self { channel, budget: Arc::new(TpsBudget::default()) }
    }

    /// Calls, and calls again where that may be: a method of the contract with one message, which is kept for that.
    pub(super) async fn call(self, mut request: Request<Body>, deadline: Instant) -> Response<Body> {
        let known = bodega_proto::method(request.uri().path());
        let Some(method) = known.filter(|method| !method.client_streaming) else {
            set_timeout(&mut request, deadline);
            return self.call_once(request).await;
        };
        let (head, body) = request.into_parts();
        let message = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(status) => return status.into_http(),
        };
        let attempt = |call| attempt(self.channel.clone(), method, call, deadline);
        let repeats = RetryPolicy::new(method, deadline, self.budget);
        let answer = Retry::new(repeats, tower::service_fn(attempt)).oneshot(Call { head, message }).await;
        answer.unwrap_or_else(CallError::into_http)
    }

    /// Calls once.
    pub(super) async fn call_once(self, request: Request<Body>) -> Response<Body> {
        send(self.channel, request).await.unwrap_or_else(CallError::into_http)
    }
}

/// One of the times that a call is made.
async fn attempt(
    channel: Channel,
    method: &Method,
    call: Call,
    deadline: Instant,
) -> Result<Response<Body>, CallError> {
    let mut request = Request::from_parts(call.head, Body::new(Full::new(call.message)));
    set_timeout(&mut request, deadline);
    let response = send(channel, request).await?;
    if method.server_streaming {
        return Ok(response);
    }
    // The rest of the answer may be lost as well as its head, and has no more time.
    let (head, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => Ok(Response::from_parts(head, Body::new(body))),
        Err(cause) => {
            tracing::debug!("lost a neighbour's answer: {cause:?}");
            Err(CallError::ConnectionLost)
        }
    }
}

async fn send(channel: Channel, request: Request<Body>) -> Result<Response<Body>, CallError> {
    channel.oneshot(request).await.map_err(|cause| {
        // Whoever asked says what could not be done for it; at each call it would be the same line again.
        tracing::debug!("cannot reach a neighbour: {cause:?}");
        CallError::from_error(&cause)
    })
}
