//! Calls to another process.

use std::sync::Arc;

use bodega_proto::Method;
use http::{Request, Response, Uri};
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

use super::{
    connect::connect,
    error::CallError,
    retry::{Call, RetryPolicy},
    set_timeout,
};
use crate::timeouts;

/// A connection to another process, and its retry budget.
#[derive(Clone)]
pub(super) struct Remote {
    channel: Channel,
    budget: Arc<TpsBudget>,
}

impl Remote {
    /// Connects at the first call.
    pub(super) fn new(uri: Uri) -> Self {
        // A host that has failed closes no connection. Without the pings, every call would wait for its deadline.
        let channel = Endpoint::from(uri)
            .http2_keep_alive_interval(timeouts::KEEPALIVE)
            .keep_alive_timeout(timeouts::KEEPALIVE)
            .keep_alive_while_idle(true)
            .connect_with_connector_lazy(tower::service_fn(connect));
        // The default budget: one in five of the calls of the last ten seconds, and ten per second in any case.
        Self { channel, budget: Arc::new(TpsBudget::default()) }
    }

    /// Calls a method, with retries if `bodega_proto` defines the method and it takes a single message.
    pub(super) async fn call(
        self,
        mut request: Request<Body>,
        deadline: Instant,
    ) -> Result<Response<Body>, CallError> {
        let known = bodega_proto::method(request.uri().path());
        let Some(method) = known.filter(|method| !method.client_streaming) else {
            set_timeout(&mut request, deadline);
            return self.call_once(request).await;
        };
        let (head, body) = request.into_parts();
        let message = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(status) => return Ok(status.into_http()),
        };
        let attempt = |call| attempt(self.channel.clone(), method, call, deadline);
        let policy = RetryPolicy::new(method, deadline, self.budget);
        Retry::new(policy, tower::service_fn(attempt)).oneshot(Call { head, message }).await
    }

    pub(super) async fn call_once(self, request: Request<Body>) -> Result<Response<Body>, CallError> {
        send(self.channel, request).await
    }
}

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
    // The connection may also break within the body: then the call is retried as a whole.
    let (head, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => Ok(Response::from_parts(head, Body::new(body))),
        Err(error) => Err(CallError::ConnectionLost(error.to_string())),
    }
}

async fn send(channel: Channel, request: Request<Body>) -> Result<Response<Body>, CallError> {
    channel.oneshot(request).await.map_err(|error| CallError::from_error(&error))
}
